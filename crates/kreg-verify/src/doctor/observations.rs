//! What was looked at, as plain values. Nothing secret: no password, hash or key is among them.
//!
//! A part that nobody could look at is left at its default, and no rule speaks of it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::fix::Fix;
use super::node_seen::NodeSeen;
use super::proof::FailedCheck;

/// All that is known of one registry in one cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Observations {
    /// What it is called and where it should be.
    pub registry: Registry,
    /// Its Deployment or bare Pod; none if it is not there.
    pub workload: Option<Workload>,
    /// Whether the workload was looked for at all and is not there.
    pub workload_gone: bool,
    /// Its Pods.
    pub pods: Vec<PodSeen>,
    /// Its Service.
    pub service: Option<ServiceSeen>,
    /// Whether the Service was looked for and is not there.
    pub service_gone: bool,
    /// NetworkPolicies that choose its Pods.
    pub policies: Vec<Policy>,
    /// Its claim and what claims could be given.
    pub storage: Storage,
    /// Its certificate, as held and as served.
    pub certificates: Certificates,
    /// Its users and its pull secret.
    pub auth: Auth,
    /// What it answered.
    pub answers: Answers,
    /// Errors that it logged of late.
    pub complaints: Vec<String>,
    /// The nodes.
    pub nodes: Vec<NodeSeen>,
    /// Workloads known to write or erase files of registries on nodes, such as
    /// `DaemonSet openshift-image-registry/node-ca`.
    pub foreign_agents: Vec<String>,
    /// Pods anywhere that fail to pull from this registry, or from what looks like it.
    pub pulls: Vec<PullSeen>,
    /// Registries that are there and that kreg did not make, where it manages none.
    pub unmanaged: Vec<Unmanaged>,
    /// Objects of the registry that somebody changed by hand.
    pub changed: Vec<ChangedObject>,
    /// Checks of the proof that failed, where one was run; see [`unexplained`](super::unexplained).
    pub proof: Vec<FailedCheck>,
}

/// A registry that is there under kreg's names and that kreg did not make.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Unmanaged {
    /// Its workload and claim, as far as they are there, such as `Pod default/docker-registry-pod`.
    pub objects: Vec<String>,
    /// The tutorial's claim, if it is that one.
    pub claim: Option<Claim>,
    /// The name of its claim.
    pub claim_name: String,
    /// If it is the tutorial's: its Pod.
    pub tutorial_pod: Option<PodName>,
}

/// The name of a Pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodName {
    /// Its namespace.
    pub namespace: String,
    /// Its name in there.
    pub name: String,
}

/// An object of the registry with fields that somebody changed by hand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ChangedObject {
    /// Such as `Deployment kreg-system/docker-registry`.
    pub object: String,
    /// Which fields, by whom and when; no values, which may be secret.
    pub fields: Vec<String>,
}

/// What a registry is called and where it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Registry {
    /// The host part of image names, such as `docker-registry:5000`.
    pub host: String,
    /// kreg's name for it.
    pub instance: String,
    /// Its namespace.
    pub namespace: String,
    /// The Service's port.
    pub port: u16,
    /// The Service's address now.
    pub address: Option<IpAddr>,
    /// The address that it had when the certificate was made, if that is known.
    pub known_address: Option<IpAddr>,
    /// The URL that runtimes on nodes should be led to, such as `https://10.96.0.50:5000`.
    pub endpoint: String,
    /// Whether nodes find it by name, in `/etc/hosts`.
    pub by_name: bool,
    /// Name of its pull secret.
    pub pull_secret: String,
    /// Name of its htpasswd Secret.
    pub htpasswd_secret: String,
    /// Name of its TLS Secret.
    pub tls_secret: String,
}

impl Registry {
    /// kubectl in its namespace, with these words.
    #[must_use]
    pub fn kubectl(&self, words: &str) -> Fix {
        Fix::Kubectl {
            namespace: Some(self.namespace.clone()),
            words: words.to_owned(),
        }
    }

    /// Its name without the port.
    #[must_use]
    pub fn name(&self) -> &str {
        self.host
            .rsplit_once(':')
            .map_or(&self.host, |(name, _)| name)
    }
}

/// The registry's Deployment, or its bare Pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Workload {
    /// Such as `Deployment kreg-system/docker-registry`.
    pub object: String,
    /// How many Pods it should have.
    pub wanted: u32,
    /// How many are ready.
    pub ready: u32,
    /// The image it runs.
    pub image: String,
    /// Whether Pods are given an `http.secret` that they share.
    pub shares_secret: bool,
    /// Secrets and ConfigMaps that its Pods mount and that are not there.
    pub missing: Vec<String>,
    /// Why no Pod can be made for it, such as a quota, in the API server's words.
    pub refused: Option<String>,
}

/// One of the registry's Pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodSeen {
    /// Such as `Pod kreg-system/docker-registry-6c9b`.
    pub object: String,
    /// Where it runs.
    pub node: Option<String>,
    /// Whether it is ready.
    pub ready: bool,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Ports that its containers say they listen at, with their names.
    pub ports: Vec<(String, u16)>,
    /// Why its container waits, in Kubernetes' word, such as `CrashLoopBackOff`.
    pub waiting: Option<String>,
    /// Why no node takes it, in the scheduler's words.
    pub unscheduled: Option<String>,
    /// How often its container ended.
    pub restarts: u32,
    /// Its warning events, newest last.
    pub events: Vec<String>,
    /// The last lines that a container wrote which ended or is not ready.
    pub log: Vec<String>,
}

/// The registry's Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServiceSeen {
    /// Such as `Service kreg-system/docker-registry`.
    pub object: String,
    /// What it chooses Pods by.
    pub selector: BTreeMap<String, String>,
    /// Its port and the port, or name of a port, of Pods that it leads to.
    pub ports: Vec<(u16, String)>,
}

/// A NetworkPolicy that chooses the registry's Pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Policy {
    /// Such as `NetworkPolicy kreg-system/default-deny`.
    pub object: String,
    /// Whether it lets traffic from nodes to the registry's port in; see
    /// [`admits_nodes`](super::admits_nodes).
    pub admits_nodes: bool,
}

/// What the registry keeps its images on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Storage {
    /// Its claim, if it has one.
    pub claim: Option<Claim>,
    /// Every StorageClass.
    pub classes: Vec<StorageClass>,
}

/// The registry's claim.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Claim {
    /// Such as `PersistentVolumeClaim kreg-system/docker-registry-data`.
    pub object: String,
    /// `Pending`, `Bound` or `Lost`.
    pub phase: String,
    /// Its StorageClass; none if the field is not there, empty if it asks for none.
    pub class: Option<String>,
    /// The volume that it asks for by name.
    pub volume: Option<String>,
    /// A volume without class that names this claim or is named by it: `name (class)`.
    pub meant: Option<String>,
    /// Its warning and normal events, newest last.
    pub events: Vec<String>,
}

/// A StorageClass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct StorageClass {
    /// Its name.
    pub name: String,
    /// Whether claims without class get it.
    pub default: bool,
    /// Who makes its volumes.
    pub provisioner: String,
}

/// The registry's certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Certificates {
    /// What is wrong with the one that the cluster holds, as [`kreg_pki::lint`] finds it.
    pub held: Vec<LintFinding>,
    /// What is wrong with the one that is served, where that is another one.
    pub served: Vec<LintFinding>,
    /// Fingerprints of the held and the served one, where they differ.
    pub differ: Option<(String, String)>,
    /// Subject, dates and names of the one in use.
    pub described: String,
    /// Days until the first certificate of chain and CAs ends, where it is time to renew.
    pub ends_in_days: Option<i64>,
}

/// A finding of [`kreg_pki::lint`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct LintFinding {
    /// Such as `expired`.
    pub code: String,
    /// Which certificate.
    pub subject: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
    /// Whether some client refuses the registry for it.
    pub error: bool,
}

/// Users and the pull secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Auth {
    /// What is wrong in the htpasswd file.
    pub findings: Vec<HtpasswdFinding>,
    /// The registry's own pull secret.
    pub pull_secret: Option<PullSecretSeen>,
}

/// A finding in an htpasswd file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HtpasswdFinding {
    /// The line, from 1.
    pub line: usize,
    /// Whose entry.
    pub user: Option<String>,
    /// What is wrong and what to do, in words.
    pub text: String,
    /// Whether the registry refuses the whole file for it.
    pub fatal: bool,
    /// Whether the entry's hash is of a kind that the registry does not check.
    pub not_bcrypt: bool,
}

/// A pull secret, without what is secret in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PullSecretSeen {
    /// Its name.
    pub name: String,
    /// Whether it is there.
    pub exists: bool,
    /// Its type where that is not `kubernetes.io/dockerconfigjson`.
    pub wrong_type: Option<String>,
    /// Why its content cannot be read.
    pub broken: Option<String>,
    /// The hosts that it has entries for.
    pub hosts: Vec<String>,
    /// Whether one of them matches the image, as the kubelet matches.
    pub matches: bool,
    /// The user of the entry that matches.
    pub user: Option<String>,
    /// What the htpasswd file says to that user and password.
    pub login: Option<Login>,
}

/// What an htpasswd file says to a user and password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Login {
    /// In.
    Accepted,
    /// Another password.
    WrongPassword,
    /// No such user.
    UnknownUser,
    /// An entry that the registry cannot check.
    NotAccepted,
}

/// What the registry answered, asked through the API server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Answers {
    /// The status that the pull secret's user got.
    pub user: Option<u16>,
    /// Whether the answer had no body, which tells a file that cannot be parsed.
    pub empty: bool,
    /// Whether it does not speak TLS.
    pub plain: bool,
    /// What became of an upload that was begun and called off.
    pub upload: Option<Upload>,
}

/// What became of an upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Upload {
    /// It was begun.
    Begun,
    /// It was refused.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The registry's words.
        message: String,
    },
}

/// A Pod that fails to pull, or to run what it pulled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PullSeen {
    /// Such as `Pod team/app-0`.
    pub object: String,
    /// Its namespace.
    pub namespace: String,
    /// Its node.
    pub node: Option<String>,
    /// Its image, as written.
    pub image: String,
    /// Kubernetes' word, such as `ImagePullBackOff`.
    pub reason: String,
    /// What kubelet and runtime said.
    pub message: String,
    /// Whether the registry has the image, asked as the registry's own user.
    pub in_registry: Option<bool>,
    /// Its pull secrets.
    pub secrets: Vec<PullSecretSeen>,
    /// Its service account.
    pub account: String,
}
