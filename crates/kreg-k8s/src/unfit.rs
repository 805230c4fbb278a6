//! What the cluster lacks, or has in the way, found before anything was changed.

use std::{net::IpAddr, path::PathBuf};

use crate::{cause::Cause, object_ref::ObjectRef};

/// Why a registry cannot be as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unfit {
    /// No node could run the registry.
    #[error("none of the cluster's {0} nodes is ready")]
    NoReadyNode(usize),

    /// The address lies in none of the ranges that Services have.
    #[error("{address} is no address of a Service here")]
    AddressOutOfRange {
        /// What was asked for.
        address: IpAddr,
        /// The ranges.
        ranges: Vec<String>,
    },

    /// Another Service has the address.
    #[error("the address {address} for {service} is that of {holder}")]
    AddressTaken {
        /// What was asked for.
        address: IpAddr,
        /// The Service that was to have it.
        service: ObjectRef,
        /// The Service that has it.
        holder: ObjectRef,
    },

    /// Another Service has the address, as the server says.
    #[error("the address for {service} is that of another Service ({message})")]
    AddressRefused {
        /// The Service that was to have it.
        service: ObjectRef,
        /// The server's own words.
        message: String,
    },

    /// The Service is not there, or is headless.
    #[error("{0} has no cluster address")]
    NoAddress(ObjectRef),

    /// No node has the hostname that the storage is tied to.
    #[error("the cluster has no node whose label kubernetes.io/hostname is {hostname:?}")]
    NoNode {
        /// What was asked for.
        hostname: String,
        /// Those that there are.
        known: Vec<String>,
    },

    /// The storage leaves the class to the cluster, which has no default.
    #[error("the cluster has no default StorageClass, so the registry's claim would stay Pending")]
    NoDefaultClass {
        /// Those that there are.
        known: Vec<String>,
    },

    /// The StorageClass does not exist.
    #[error("the cluster has no StorageClass {class:?}")]
    NoClass {
        /// What was asked for.
        class: String,
        /// Those that there are.
        known: Vec<String>,
    },

    /// The claim that somebody else was to make does not exist.
    #[error("there is no {0}")]
    NoClaim(ObjectRef),

    /// The claim is being deleted.
    #[error("{0} is being deleted, and what is on it may go with it")]
    ClaimGoes(ObjectRef),

    /// The claim will get no volume by waiting.
    #[error("{} has no volume: {}: {}", .0.object, .0.reason, .0.message)]
    ClaimStuck(Box<Cause>),

    /// The volume that the claim is to have is not free.
    #[error("{}", .0.message)]
    VolumeStuck(Box<Cause>),

    /// The claim cannot be mounted by all Pods.
    #[error("{claim} is {modes}, so {replicas} Pods on different nodes cannot all write to it")]
    ClaimOfOnePod {
        /// The claim.
        claim: ObjectRef,
        /// Its access modes.
        modes: String,
        /// How many Pods there are to be.
        replicas: u32,
    },

    /// A claim of somebody else's is not as this registry would ask for, and cannot be changed.
    #[error(
        "{claim} was there before kreg and is of {class} with {volume}, which is not what this registry would ask for \
         and cannot be changed ({message}); nothing was changed"
    )]
    OtherClaim {
        /// The claim.
        claim: ObjectRef,
        /// What it has of a class.
        class: String,
        /// What it has of a volume.
        volume: String,
        /// The server's own words.
        message: String,
    },

    /// An object of somebody else's would have to be deleted.
    #[error(
        "{object} was there before kreg, and would have to be deleted and created again ({reason})"
    )]
    Adopted {
        /// The object.
        object: ObjectRef,
        /// Why it cannot be changed.
        reason: String,
    },

    /// The Service's address cannot change.
    #[error("{service} cannot be changed in place ({message})")]
    ServiceFixed {
        /// The Service.
        service: ObjectRef,
        /// The server's own words.
        message: String,
    },

    /// An object of the registry's is being deleted.
    #[error("{object} is being deleted since {since}")]
    Terminating {
        /// The object.
        object: ObjectRef,
        /// When that began, RFC 3339.
        since: String,
    },

    /// Namespaces that were named do not exist.
    #[error("there is no namespace {}", .0.join(", "))]
    NoNamespaces(Vec<String>),

    /// A service account that was named does not exist.
    #[error("there is no {0}")]
    NoAccount(ObjectRef),

    /// The registry has no such Secret.
    #[error("there is no {0} of this registry's")]
    NoSecret(ObjectRef),

    /// The registry has no such Secret with this entry.
    #[error("there is no {secret} of this registry's with an entry {key}")]
    NoEntry {
        /// The Secret.
        secret: ObjectRef,
        /// The entry; `any` where the Secret itself is not there.
        key: String,
    },

    /// The registry is not up.
    #[error("{0} is not there")]
    NoWorkload(ObjectRef),

    /// A Pod went, and its processes may still use the registry's storage.
    #[error(
        "{pod} went from node {node}, {}: nothing proves that its processes have ended, and they may still use the \
         registry's storage",
        went(*.node_ready)
    )]
    Unproved {
        /// The Pod.
        pod: ObjectRef,
        /// The node it was on.
        node: String,
        /// Whether that node is ready.
        node_ready: bool,
    },

    /// A file or folder cannot be used.
    #[error("cannot {action} {}: {problem}", .path.display())]
    File {
        /// Verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        problem: String,
    },

    /// A file of somebody else's is in the way.
    #[error("{} is there and kreg did not write it", .0.display())]
    OtherFile(PathBuf),

    /// A file was removed in the moment it was written.
    #[error("{} is gone as soon as it was written", .0.display())]
    FileGone(PathBuf),

    /// This machine gives no random bytes.
    #[error("this machine gives no random bytes: {0}")]
    NoRandomness(String),
}

fn went(node_ready: bool) -> &'static str {
    if node_ready {
        "before anybody saw it end, as if it had been deleted by force"
    } else {
        "which is not ready"
    }
}
