//! What containerd needs.

use super::runtime::Wanted;
use super::{Refusal, RefusalKind, Restart};
use crate::containerd::{
    BUILT_IN_ROOTS, ConfigError, ContainerdConfig, Version, candidates, hosts_toml, own_dir,
};
use crate::{NodeFacts, Trust};

pub(super) fn want(wanted: &mut Wanted<'_>) {
    let (facts, trust) = (wanted.facts, wanted.trust);
    let config = match ContainerdConfig::of(facts) {
        Ok(config) => config,
        Err(e) => return wanted.refuse(broken(&e)),
    };
    if trust.restart() {
        match Restart::needed(facts, trust, &config) {
            Ok(None) => {}
            Ok(Some((restart, root))) => {
                wanted.restart = Some(restart);
                return below(wanted, &root);
            }
            Err(refusal) => return wanted.refuse(refusal),
        }
    }
    match root(&config) {
        Ok(root) => {
            warn(facts, &config, &mut wanted.warnings);
            below(wanted, &root);
        }
        Err(refusal) => wanted.refuse(refusal),
    }
}

/// The CA and `hosts.toml` below a root of `config_path` that is read.
pub(super) fn below(wanted: &mut Wanted<'_>, root: &str) {
    let trust = wanted.trust;
    if let Err(refusal) = shadows(wanted.facts, trust, root) {
        return wanted.refuse(refusal);
    }
    let dir = own_dir(root, trust.host());
    wanted.file(format!("{dir}/ca.crt"), trust.ca_pem());
    wanted.last_file(format!("{dir}/hosts.toml"), &hosts_toml(trust));
}

pub(super) fn broken(e: &ConfigError) -> Refusal {
    Refusal::new(
        RefusalKind::BrokenConfig,
        format!("containerd's configuration is not readable: {e}"),
        "mend it: containerd itself will not start again with it",
    )
}

/// The root of `config_path` to write below, if containerd would read what is written there.
pub(super) fn root(config: &ContainerdConfig) -> Result<String, Refusal> {
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
        return Err(no_config_path(config));
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

pub(super) fn no_config_path(config: &ContainerdConfig) -> Refusal {
    let file = &config.file;
    let root = BUILT_IN_ROOTS[0];
    let (head, table) = config.table();
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
        "let kreg set it and restart containerd (--allow-runtime-restart), or set it in {file}, then `systemctl restart containerd` (running containers go on), then \
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
