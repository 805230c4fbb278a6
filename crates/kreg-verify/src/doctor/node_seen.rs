//! What was looked at on a node, as plain values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NodeSeen {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: String,
    /// Why it is not ready, in the kubelet's words.
    pub not_ready: Option<String>,
    /// Its processors, in Go's word.
    pub arch: String,
    /// Whether it could be looked at.
    pub contact: Contact,
    /// Where agents are to keep the nodes: why none keeps this one, such as `there is no Pod`.
    pub agent: Option<String>,
    /// What keeps kreg from writing on it.
    pub refusals: Vec<NodeRefusal>,
    /// The files that it should hold.
    pub files: Vec<NodeFile>,
    /// Whether kreg ever wrote there, by its journal.
    pub journal: bool,
    /// Addresses that `/etc/hosts` gives the registry's name and that are not the Service's.
    pub other_addresses: Vec<String>,
    /// Whether containerd's configuration was changed after it was started.
    pub config_not_loaded: bool,
    /// How far its clock is ahead, in seconds; none if it was not compared.
    pub clock_ahead: Option<i64>,
    /// The runtime that the kubelet uses, as the API server names it, such as `containerd://2.1.4`.
    pub kubelet_runtime: String,
    /// The runtimes that run there.
    pub runtimes: Vec<RuntimeSeen>,
    /// The systemd unit of the one that the kubelet uses, by its endpoint; none if that singles none
    /// out.
    pub kubelet_unit: Option<String>,
    /// Whether it can connect to the registry's address.
    pub route: Option<Route>,
}

/// A runtime that runs on a node. There may be several; the kubelet uses one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RuntimeSeen {
    /// The name of its program: `containerd`, `dockerd` or `crio`.
    pub name: String,
    /// The systemd unit that runs it, without `.service`, such as `k3s-agent`; none without systemd.
    pub unit: Option<String>,
    /// Its proxy variables, without any password in them.
    pub proxy: BTreeMap<String, String>,
    /// The file that these come from where that is not the process's environment.
    pub proxy_file: Option<String>,
    /// Whether it goes to the registry by its name; otherwise a file leads it to the address.
    pub by_name: bool,
}

impl NodeSeen {
    /// The program that pulls for the kubelet.
    pub(super) fn runtime(&self) -> &'static str {
        match self.kubelet_runtime.split("://").next() {
            Some("docker") => "dockerd",
            Some("cri-o") => "crio",
            _ => "containerd",
        }
    }

    /// The unit that runs the kubelet's runtime.
    pub(super) fn unit(&self) -> Option<&str> {
        self.kubelet_unit.as_deref().or_else(|| {
            let mut all = self.runtimes.iter();
            all.find(|one| one.name == self.runtime())?.unit.as_deref()
        })
    }

    /// Whether the kubelet pulls by this runtime, as far as is known.
    pub(super) fn uses(&self, runtime: &RuntimeSeen) -> bool {
        let own = self.kubelet_unit.is_none() || self.kubelet_unit == runtime.unit;
        own && runtime.name == self.runtime()
    }
}

/// Whether a node could be looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Contact {
    /// Nobody tried.
    #[default]
    NotTried,
    /// It answered.
    Entered,
    /// It did not.
    Failed {
        /// Why.
        reason: String,
        /// What to do; none where the way to the nodes does not say.
        remedy: Option<String>,
    },
}

/// Something that keeps kreg from writing on a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NodeRefusal {
    /// Its kind in kreg-nodes' words, such as `no-config-path`.
    pub kind: String,
    /// The reason.
    pub reason: String,
    /// What to do.
    pub remedy: String,
}

/// A file that a node should hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NodeFile {
    /// Absolute path.
    pub path: String,
    /// What it should hold.
    pub wanted: String,
    /// What it holds; none if it is not there.
    pub now: Option<String>,
}

/// Whether a node can connect to the registry's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Route {
    /// It can.
    Open,
    /// Something says no.
    Refused,
    /// Nothing answers.
    Silent,
}
