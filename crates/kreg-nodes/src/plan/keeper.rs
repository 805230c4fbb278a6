//! Who keeps containerd's configuration, and so how a root is set there by hand.

use crate::NodeFacts;
use crate::containerd::ContainerdConfig;

/// Who writes the file that containerd starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeper {
    /// The administrator; containerd is a service of its own.
    Administrator,
    /// k0s, which starts containerd and puts the files below its own directory together.
    K0s,
    /// MicroK8s, in its snap.
    MicroK8s,
    /// Flatcar: the file is part of its read-only /usr.
    Flatcar,
    /// NixOS: the file is in its read-only store.
    NixOs,
}

impl Keeper {
    /// By the file that the running containerd was started with.
    pub(super) fn of(facts: &NodeFacts, config: &ContainerdConfig) -> Keeper {
        let below = |directory: &str| config.file.starts_with(directory);
        if below("/etc/k0s/") || below("/run/k0s/") {
            Keeper::K0s
        } else if below("/var/snap/microk8s/") {
            Keeper::MicroK8s
        } else if below("/nix/store/") {
            Keeper::NixOs
        } else if facts.os.id == "flatcar" && below("/usr/") {
            Keeper::Flatcar
        } else {
            Keeper::Administrator
        }
    }

    /// How `lines` are set in `file`, so that containerd reads them. Running containers go on.
    pub(super) fn remedy(self, file: &str, lines: &str) -> String {
        match self {
            Keeper::Administrator => format!(
                "let kreg set it and restart containerd (--allow-runtime-restart), or set it in {file}, \
                 then `systemctl restart containerd` (running containers go on), then run kreg again:\n{lines}"
            ),
            Keeper::K0s => format!(
                "write it to /etc/k0s/containerd.d/kreg.toml, then `systemctl restart k0sworker` (on \
                 controllers: k0scontroller), then run kreg again:\n{lines}"
            ),
            Keeper::MicroK8s => format!(
                "set it in {file}, then `snap restart microk8s.daemon-containerd`, then run kreg again:\n{lines}"
            ),
            Keeper::Flatcar => format!(
                "{file} is read-only: copy it to /etc/containerd/config.toml and set it there, let \
                 containerd start from that file (`systemctl edit containerd`: [Service], \
                 Environment=CONTAINERD_CONFIG=/etc/containerd/config.toml), then `systemctl restart \
                 containerd`, then run kreg again:\n{lines}"
            ),
            Keeper::NixOs => format!(
                "{file} is read-only: set it by virtualisation.containerd.settings in \
                 configuration.nix, then `nixos-rebuild switch`, then run kreg again; as TOML it is:\n{lines}"
            ),
        }
    }
}
