//! Who keeps containerd's configuration, where that is not the administrator with an editor.

use super::{Refusal, RefusalKind};
use crate::NodeFacts;
use crate::containerd::{CONFIG_FILE, ContainerdConfig, SingleRoot, registry_lines, usual_plugin};

/// Where a change of containerd's configuration belongs on nodes that keep it in another way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Keeper {
    /// k0s makes the files and starts containerd as its child, in the service of this name.
    K0s { service: Option<String> },
    /// MicroK8s makes the file from a template each time it starts containerd.
    MicroK8s,
    /// Flatcar: the file is on `/usr`, which is read-only.
    Flatcar,
    /// NixOS: the file is in the store, which only the system's configuration changes.
    NixOs,
    /// The file is on another file system that is mounted read-only.
    ReadOnly,
}

/// Files that show a distribution with a containerd of its own. On a node whose processes cannot
/// be seen they are the only sign that another configuration file counts.
pub(crate) const MARKS: [(&str, &str); 2] = [
    ("/etc/k0s/containerd.toml", "k0s"),
    (
        "/etc/systemd/system/snap.microk8s.daemon-containerd.service",
        "MicroK8s",
    ),
];

/// Systems whose containerd starts from a file outside `/etc`, unless the administrator gave it one.
const ELSEWHERE: [&str; 2] = ["flatcar", "nixos"];

impl Keeper {
    /// Who keeps the configuration of the node's containerd; none if it is an ordinary file.
    pub(super) fn of(facts: &NodeFacts, config: &ContainerdConfig) -> Option<Keeper> {
        let program = facts.program("containerd");
        let parent = program.and_then(|program| program.parent.as_deref());
        let service = program.and_then(|program| program.unit.as_deref());
        let file = config.file.as_str();
        // Facts of earlier releases do not say who started it.
        let unknown = parent.is_none() && service.is_none();
        if parent == Some("k0s")
            || service.is_some_and(|name| name.starts_with("k0s"))
            || (unknown && file.starts_with("/etc/k0s/"))
        {
            return Some(Keeper::K0s {
                service: service.map(str::to_owned),
            });
        }
        if service.is_some_and(|name| name.starts_with("snap.microk8s."))
            || (unknown && file.starts_with("/var/snap/microk8s/"))
        {
            return Some(Keeper::MicroK8s);
        }
        let system = facts.os.id.as_str();
        if file.starts_with("/nix/store/") {
            Some(Keeper::NixOs)
        } else if system == "flatcar" && file.starts_with("/usr/") {
            Some(Keeper::Flatcar)
        } else {
            let mount = facts.mount_of(file)?;
            (mount.read_only && facts.at(file).is_some()).then_some(Keeper::ReadOnly)
        }
    }

    /// What to do so that containerd looks for registries in `root`; `set` is where that holds, if a place
    /// is known.
    pub(super) fn remedy(
        &self,
        config: &ContainerdConfig,
        set: Option<&SingleRoot>,
        root: &str,
    ) -> String {
        let plugin = set.map_or_else(|| usual_plugin(config), |set| set.plugin);
        let lines = registry_lines(plugin, root);
        let how = self.how(&config.file);
        match self {
            // A file of its own says its version.
            Keeper::K0s { .. } => format!("{how}\nversion = {}\n{lines}", config.schema.max(2)),
            Keeper::NixOs => format!(
                "{how}\nvirtualisation.containerd.settings.plugins.\"{plugin}\".registry.config_path = \"{root}\";"
            ),
            _ => format!("{how}\n{lines}"),
        }
    }

    /// Where such a change belongs, and how it takes effect.
    fn how(&self, file: &str) -> String {
        match self {
            Keeper::K0s { service } => format!(
                "k0s makes the files that its containerd reads; it adds those in /etc/k0s/containerd.d \
                 as long as the first line of {file} is `# k0s_managed=true` (else set this in \
                 {file} itself). Write this to /etc/k0s/containerd.d/kreg.toml, then \
                 `systemctl restart {}` (running containers go on), then try again:",
                service
                    .as_deref()
                    .unwrap_or("k0sworker` (on controllers: `k0scontroller")
            ),
            Keeper::MicroK8s => format!(
                "MicroK8s makes {file} from a template at each start. Set this in \
                 /var/snap/microk8s/current/args/containerd-template.toml, then `snap restart \
                 microk8s.daemon-containerd`, then try again:"
            ),
            Keeper::Flatcar => format!(
                "{file} is on /usr, which is read-only. Give containerd a file of your own: `mkdir -p \
                 /etc/containerd && cp {file} {CONFIG_FILE}`; write the two lines `[Service]` and \
                 `Environment=CONTAINERD_CONFIG={CONFIG_FILE}` to \
                 /etc/systemd/system/containerd.service.d/10-config.conf; set the following in \
                 {CONFIG_FILE}; then `systemctl daemon-reload && systemctl restart containerd`, then \
                 try again:"
            ),
            Keeper::NixOs => format!(
                "NixOS makes {file} from the system's configuration. Set this in configuration.nix, \
                 then `nixos-rebuild switch`, then try again:"
            ),
            Keeper::ReadOnly => format!(
                "{file} is on a read-only file system. Set this by the means that the node's image is \
                 made with, or start containerd with a file of your own (`--config`), then try \
                 again:"
            ),
        }
    }

    /// Adds to remedies that speak of a change of the file where such a change belongs.
    pub(super) fn amend(facts: &NodeFacts, refusals: &mut [Refusal]) {
        let Ok(config) = ContainerdConfig::of(facts) else {
            return;
        };
        let Some(keeper) = Keeper::of(facts, &config) else {
            return;
        };
        let how = keeper.how(&config.file);
        let how = how.trim_end_matches(':');
        let broken = |refusal: &&mut Refusal| refusal.kind == RefusalKind::BrokenConfig;
        for refusal in refusals.iter_mut().filter(broken) {
            refusal.remedy = format!("{}. Where such a change belongs: {how}", refusal.remedy);
        }
    }
}

/// Why the configuration in `/etc/containerd` is not known to count, on a node whose processes cannot
/// be seen.
pub(super) fn out_of_sight(facts: &NodeFacts) -> Option<Refusal> {
    let program = facts.program("containerd");
    if facts.root.is_empty() || program.is_some_and(|program| program.config.is_some()) {
        return None;
    }
    let mark = MARKS.iter().find(|(path, _)| facts.at(path).is_some());
    let (what, name) = match mark {
        Some((path, name)) => (format!("{path} shows that it belongs to {name}"), *name),
        None => {
            let system = facts.os.id.as_str();
            let elsewhere = ELSEWHERE.contains(&system) && facts.at(CONFIG_FILE).is_none();
            let what = format!("on {system} it is outside /etc, and {CONFIG_FILE} does not exist");
            elsewhere.then_some((what, system))?
        }
    };
    Some(Refusal::new(
        RefusalKind::BrokenConfig,
        format!("which file containerd starts from cannot be seen from here: {what}"),
        format!(
            "reach this node over SSH, where kreg sees how containerd was started, or set {name} up \
             by its own means"
        ),
    ))
}
