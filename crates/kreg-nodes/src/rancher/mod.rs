//! k3s and RKE2: a containerd of their own, whose configuration they write again at each start.

mod registries;

use serde::{Deserialize, Serialize};

pub use registries::{Registries, RegistriesError};

use crate::NodeFacts;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rancher {
    /// k3s, with everything below `/var/lib/rancher/k3s`.
    K3s,
    /// RKE2, with everything below `/var/lib/rancher/rke2`.
    Rke2,
}

impl Rancher {
    /// Both.
    pub const ALL: [Rancher; 2] = [Rancher::K3s, Rancher::Rke2];

    /// As its documentation writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Rancher::K3s => "k3s",
            Rancher::Rke2 => "RKE2",
        }
    }

    /// As its files and programs are called.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Rancher::K3s => "k3s",
            Rancher::Rke2 => "rke2",
        }
    }

    /// Names under which [`crate::NodeFacts::programs`] knows it.
    pub(crate) fn programs(self) -> &'static [&'static str] {
        match self {
            Rancher::K3s => &["k3s", "k3s-server", "k3s-agent"],
            Rancher::Rke2 => &["rke2"],
        }
    }

    /// The name of its containerd among the facts.
    pub(crate) fn containerd(self) -> &'static str {
        match self {
            Rancher::K3s => "k3s-containerd",
            Rancher::Rke2 => "rke2-containerd",
        }
    }

    /// The containerd among the facts that it started; none if none was seen.
    pub(crate) fn own_containerd(self, facts: &NodeFacts) -> Option<&'static str> {
        let name = self.containerd();
        if facts.runs(name) {
            return Some(name);
        }
        // Facts of earlier releases know it only by its path, and not with another data directory.
        let other = facts.program("containerd")?;
        let config = other.config.as_deref().unwrap_or_default();
        let version = other.version.as_deref().unwrap_or_default();
        let own = config.ends_with("/agent/etc/containerd/config.toml") || version.contains("k3s");
        (other.running && other.parent.is_none() && own).then_some("containerd")
    }

    /// What its containerd starts from, unless its data directory is another.
    #[must_use]
    pub fn containerd_config(self) -> String {
        format!("{}/config.toml", self.containerd_dir())
    }

    /// The root of `config_path` that it writes into that file.
    #[must_use]
    pub fn certs_d(self) -> String {
        format!("{}/certs.d", self.containerd_dir())
    }

    fn containerd_dir(self) -> String {
        format!("/var/lib/rancher/{}/agent/etc/containerd", self.id())
    }

    /// The administrator's file about registries, read at each start.
    #[must_use]
    pub fn registries_yaml(self) -> String {
        format!("/etc/rancher/{}/registries.yaml", self.id())
    }

    /// How it is restarted by hand, on servers and on agents.
    pub(crate) fn restart(self) -> &'static str {
        match self {
            Rancher::K3s => "`systemctl restart k3s` (on agents: k3s-agent)",
            Rancher::Rke2 => "`systemctl restart rke2-server` (on agents: rke2-agent)",
        }
    }

    /// Whether the release that calls itself so leaves directories of others below
    /// [`Rancher::certs_d`] alone when it starts; earlier ones erase them. None where no release can
    /// be read. k3s pull request 10823 and its backports of September 2024; RKE2 takes its agent
    /// from the k3s of the same number.
    #[must_use]
    pub fn keeps_foreign_directories(version: &str) -> Option<bool> {
        let (major, minor, patch) = version.split_whitespace().find_map(release)?;
        Some(match (major, minor) {
            (1, ..28) => false,
            (1, 28) => patch >= 14,
            (1, 29) => patch >= 9,
            (1, 30) => patch >= 5,
            (1, 31) => patch >= 1,
            _ => true,
        })
    }
}

/// `v1.31.4+k3s1` → 1, 31, 4.
fn release(word: &str) -> Option<(u32, u32, u32)> {
    let numbers = word.strip_prefix('v')?.split(['+', '-']).next()?;
    let mut parts = numbers.split('.').map(str::parse);
    let mut next = || parts.next()?.ok();
    Some((next()?, next()?, next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_which_releases_erase() {
        let keeps = Rancher::keeps_foreign_directories;
        for kept in [
            "k3s version v1.31.1+k3s1 (452dbbc1)",
            "k3s version v1.28.14+k3s1 (x)",
            "rke2 version v1.30.5+rke2r1 (0c83bc82)",
            "k3s version v1.34.1+k3s1 (x)",
        ] {
            assert_eq!(keeps(kept), Some(true), "{kept}");
        }
        for erased in [
            "k3s version v1.30.4+k3s1 (98262b5d)",
            "k3s version v1.31.0+k3s1 (x)",
            "k3s version v1.29.8+k3s1 (x)",
            "k3s version v1.20.15+k3s1 (x)",
        ] {
            assert_eq!(keeps(erased), Some(false), "{erased}");
        }
        assert_eq!(keeps("k3s version dev (HEAD)"), None);
    }
}
