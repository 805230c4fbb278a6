//! Which files each runtime needs.

use super::{EditKind, Refusal, RefusalKind};
use crate::containerd::{
    BUILT_IN_ROOTS, ContainerdConfig, Version, candidates, hosts_toml, own_dir,
};
use crate::hosts_file::{Block, HOSTS};
use crate::{NameMode, NodeFacts, Trust};

/// Where dockerd looks, whatever its configuration (moby `daemon/pkg/registry/config.go`).
pub(crate) const DOCKER_CERTS_D: &str = "/etc/docker/certs.d";

/// Every file that `trust` needs, in the order to write them: CAs first, `hosts.toml` last,
/// for containerd fails every pull if `hosts.toml` names a CA that is not there.
pub(super) fn wanted(
    facts: &NodeFacts,
    trust: &Trust,
    warnings: &mut Vec<String>,
    refusals: &mut Vec<Refusal>,
) -> Vec<EditKind> {
    let mut files = Vec::new();
    let mut last = Vec::new();
    let mut by_name = trust.names() == NameMode::HostsFile;
    let serving = serving(facts);
    if serving.is_empty() && !trust.docker_certs_d() {
        refusals.push(no_runtime(facts));
    }
    for runtime in &serving {
        match runtime {
            Runtime::Containerd => match containerd_root(facts, trust, warnings) {
                Ok(root) => {
                    let dir = own_dir(&root, trust.host());
                    files.push(file(trust, format!("{dir}/ca.crt"), trust.ca_pem()));
                    last.push(file(trust, format!("{dir}/hosts.toml"), &hosts_toml(trust)));
                }
                Err(refusal) => refusals.push(refusal),
            },
            // Docker cannot be led elsewhere, so it needs the name.
            Runtime::Docker => {
                files.push(docker_ca(trust));
                by_name |= trust.endpoint().is_some();
            }
            Runtime::Other(name) => refusals.push(unsupported(name, trust)),
        }
    }
    if trust.docker_certs_d() && !files.iter().any(|kind| *kind == docker_ca(trust)) {
        files.push(docker_ca(trust));
    }
    // An address as a name needs no line.
    if by_name && trust.host().ip().is_none() {
        match trust.endpoint() {
            Some(address) => files.push(EditKind::Block {
                path: HOSTS.to_owned(),
                text: Block::new(trust.instance(), address, trust.host().name()).text(),
            }),
            None => refusals.push(Refusal::new(
                RefusalKind::NoAddress,
                format!("a line in {HOSTS} needs the address of {}", trust.host()),
                "give the ClusterIP of the registry's Service",
            )),
        }
    }
    files.extend(last);
    files
}

enum Runtime {
    Containerd,
    Docker,
    Other(&'static str),
}

/// The runtimes that pull for the kubelet: those that run; where none does (an image being
/// built), those that are installed.
fn serving(facts: &NodeFacts) -> Vec<Runtime> {
    let running = [
        "containerd",
        "dockerd",
        "crio",
        "k3s-server",
        "k3s-agent",
        "rke2",
    ]
    .iter()
    .any(|name| facts.runs(name));
    let there = |name: &str| match running {
        true => facts.runs(name),
        false => facts.program(name).is_some(),
    };
    let mut found = Vec::new();
    for name in ["k3s-server", "k3s-agent", "k3s", "rke2", "crio"] {
        if there(name) && found.is_empty() {
            found.push(Runtime::Other(match name {
                "crio" => "CRI-O",
                "rke2" => "RKE2",
                _ => "k3s",
            }));
        }
    }
    let docker = there("dockerd");
    // k3s and RKE2 bring their own containerd; Docker's has its CRI plugin turned off.
    let config_there = facts.at(crate::containerd::CONFIG_FILE).is_some();
    let containerd = there("containerd") || (!running && config_there);
    let docker_only = docker
        && (facts.runs("cri-dockerd")
            || facts
                .runtime_endpoint
                .as_deref()
                .is_some_and(|socket| socket.contains("dockerd"))
            || ContainerdConfig::of(facts).is_ok_and(|config| config.cri_disabled));
    if containerd && !docker_only && found.is_empty() {
        found.push(Runtime::Containerd);
    }
    if docker {
        found.push(Runtime::Docker);
    }
    found
}

/// The root of `config_path` to write below, if containerd would read what is written there.
fn containerd_root(
    facts: &NodeFacts,
    trust: &Trust,
    warnings: &mut Vec<String>,
) -> Result<String, Refusal> {
    let config = ContainerdConfig::of(facts).map_err(|e| {
        Refusal::new(
            RefusalKind::BrokenConfig,
            format!("containerd's configuration is not readable: {e}"),
            "mend it: containerd itself will not start again with it",
        )
    })?;
    let file = &config.file;
    if config.cri_disabled {
        return Err(Refusal::new(
            RefusalKind::BrokenConfig,
            format!(
                "{file} turns containerd's CRI plugin off (disabled_plugins), so no kubelet can pull by it"
            ),
            format!("take `cri` out of disabled_plugins in {file} and restart containerd"),
        ));
    }
    let Some(root) = config.roots.first().cloned() else {
        return Err(no_config_path(&config));
    };
    if !config.mirrors.is_empty() {
        return Err(Refusal::new(
            RefusalKind::BrokenConfig,
            format!(
                "{file} sets registry.mirrors ({}) beside config_path, with which containerd's \
                 CRI plugin does not load",
                config.mirrors.join(", ")
            ),
            format!(
                "move each mirror to {root}/<host>/hosts.toml and remove registry.mirrors from {file}"
            ),
        ));
    }
    let old = config.release.is_none_or(|release| release < Version(2, 0));
    if old && !config.tls.is_empty() {
        return Err(Refusal::new(
            RefusalKind::BrokenConfig,
            format!(
                "{file} sets registry.configs.*.tls ({}) beside config_path, with which the CRI \
                 plugin of containerd 1.x does not load",
                config.tls.join(", ")
            ),
            format!(
                "move those certificates to {root}/<host>/hosts.toml and remove them from {file}"
            ),
        ));
    }
    warn(facts, &config, warnings);
    shadows(facts, trust, &root)?;
    Ok(root)
}

fn warn(facts: &NodeFacts, config: &ContainerdConfig, warnings: &mut Vec<String>) {
    let started = facts
        .program("containerd")
        .and_then(|program| program.started);
    // A second's grace: both times are rounded.
    if started.is_some_and(|started| config.modified > started + 1) {
        warnings.push(format!(
            "{} was changed after containerd was started; what it says now holds only after \
             `systemctl restart containerd`",
            config.file
        ));
    }
    if config.built_in {
        warnings.push(format!(
            "containerd looks in {} only by its built-in default, which some 2.2 releases ignore \
             (containerd issue 12808); if pulls fail, set config_path in {}",
            config.roots.join(" and "),
            config.file
        ));
    }
    if config.ambiguous {
        warnings.push(format!(
            "{} and its imports set config_path in more than one place, and containerd's releases \
             differ in which one wins; `crictl info` shows it",
            config.file
        ));
    }
}

/// containerd reads one directory for a host. What stands before kreg's hides it.
fn shadows(facts: &NodeFacts, trust: &Trust, root: &str) -> Result<(), Refusal> {
    let own = trust.host().to_string();
    let earlier = candidates(trust.host())
        .into_iter()
        .take_while(|name| *name != own);
    for name in earlier {
        let path = format!("{root}/{name}");
        if facts.at(&path).is_some() {
            return Err(Refusal::new(
                RefusalKind::Shadowed,
                format!("{path} exists, and containerd reads it instead of {root}/{own}"),
                format!("if nothing else needs it: mv '{path}' '{path}.old'"),
            ));
        }
    }
    Ok(())
}

fn no_config_path(config: &ContainerdConfig) -> Refusal {
    let file = &config.file;
    let (root, table) = match config.schema {
        3.. => (BUILT_IN_ROOTS[0], "io.containerd.cri.v1.images"),
        0 if config.release.is_some_and(|r| r >= Version(2, 0)) => {
            (BUILT_IN_ROOTS[0], "io.containerd.cri.v1.images")
        }
        1 => (BUILT_IN_ROOTS[0], "cri"),
        _ => (BUILT_IN_ROOTS[0], "io.containerd.grpc.v1.cri"),
    };
    let head = match config.schema {
        0 if table.contains("images") => "version = 3\n",
        0 => "version = 2\n",
        _ => "",
    };
    let reason = match &config.misplaced {
        Some((at, wrong)) => format!(
            "{at} sets config_path under [plugins.\"{wrong}\"], which a file of version {} does \
             not read, so containerd looks in no directory for registries",
            config.schema.max(1)
        ),
        None => format!(
            "containerd looks in no directory for registries: no config_path is set by {file} or \
             its imports{}",
            if config.release.is_none() {
                " (its release is not known)"
            } else {
                ""
            }
        ),
    };
    let mut remedy = format!(
        "set it in {file}, then `systemctl restart containerd` (running containers go on), then \
         run kreg again:\n{head}[plugins.\"{table}\".registry]\n  config_path = \"{root}\""
    );
    let mut blocks: Vec<&str> = Vec::new();
    if !config.mirrors.is_empty() {
        blocks.push("registry.mirrors");
    }
    if !config.tls.is_empty() {
        blocks.push("registry.configs.*.tls");
    }
    if !blocks.is_empty() {
        remedy += &format!(
            "\nFirst move what {} says to {root}/<host>/hosts.toml and remove it: with both, \
             containerd's CRI plugin does not load",
            blocks.join(" and ")
        );
    }
    Refusal::new(RefusalKind::NoConfigPath, reason, remedy)
}

fn no_runtime(facts: &NodeFacts) -> Refusal {
    Refusal::new(
        RefusalKind::NoRuntime,
        format!(
            "no container runtime was found (system: {})",
            match facts.os.pretty_name.as_str() {
                "" => "unknown",
                name => name,
            }
        ),
        "see that containerd or Docker is installed in one of /usr/bin, /usr/local/bin, \
         /usr/sbin, /opt/bin",
    )
}

fn unsupported(name: &str, trust: &Trust) -> Refusal {
    let (host, endpoint) = (trust.host(), trust.endpoint_url());
    let remedy = match name {
        "CRI-O" => format!(
            "set it up by hand: the CA as /etc/containers/certs.d/{host}/ca.crt, and the \
             registry's name in {HOSTS}"
        ),
        _ => format!(
            "set it up by hand in /etc/rancher/{0}/registries.yaml, then restart {0}:\n\
             mirrors:\n  \"{host}\":\n    endpoint: [\"{endpoint}\"]\nconfigs:\n  \"{host}\":\n    \
             tls: {{ca_file: /etc/rancher/{0}/{1}-ca.crt}}",
            name.to_lowercase(),
            trust.instance()
        ),
    };
    Refusal::new(
        RefusalKind::UnsupportedRuntime,
        format!("the runtime is {name}, which this release of kreg does not set up"),
        remedy,
    )
}

fn file(trust: &Trust, path: String, content: &str) -> EditKind {
    EditKind::File {
        path,
        mode: 0o644,
        content: content.to_owned(),
        adopt: trust.adopt(),
    }
}

fn docker_ca(trust: &Trust) -> EditKind {
    file(
        trust,
        format!("{DOCKER_CERTS_D}/{}/ca.crt", trust.host()),
        trust.ca_pem(),
    )
}
