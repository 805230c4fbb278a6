//! What is told, and in which order: the longest first, then what works, then what must fail well.

mod api_gone;
mod by_ssh_program;
mod cert;
mod cert_forms;
mod clients;
mod clients_tunnel;
mod daemonset;
mod default;
mod directory;
mod disk_full;
mod doctor;
mod doctor_client;
mod elsewhere;
mod foreign;
mod forged;
mod gc;
mod gc_pushes;
mod generations;
mod guard;
mod host_keys;
mod issued;
mod killed;
mod kubectl;
mod library;
mod oci_conformance;
mod operation;
mod registry3;
mod registry_image;
mod report;
mod rights;
mod s3;
mod sshd_gone;
mod steps;
mod storage;
mod tutorial;
mod upgrade;
mod user;
mod watch;

use crate::e2e::story::Story;

/// Every story.
pub(crate) const ALL: &[Story] = &[
    Story {
        name: "default",
        proves: "up, status, verify, up again and down do what they say, byte for byte",
        run: default::run,
    },
    // The longest, so that no cluster waits for them at the end.
    Story {
        name: "killed",
        proves: "an `up` that was killed at any step is completed by the next one",
        run: killed::run,
    },
    Story {
        name: "doctor-pods",
        proves: "doctor names what is wrong with Pods that pull, the registry's own and its storage",
        run: doctor::pods,
    },
    Story {
        name: "cert-killed",
        proves: "a renewal of the CA, killed at any step, is taken up with no node cut off",
        run: cert::killed_and_taken_up,
    },
    Story {
        name: "daemonset",
        proves: "agents in the place of ssh trust, keep, cost little, and leave nothing",
        run: daemonset::run,
    },
    Story {
        name: "daemonset-later",
        proves: "agents bring in nodes that come with a startup taint, and a new CA",
        run: daemonset::later,
    },
    Story {
        name: "daemonset-narrow",
        proves: "agents write only where kreg writes and run the registry's own image; one that hangs is reported",
        run: daemonset::narrow,
    },
    Story {
        name: "api-gone",
        proves: "an API server that goes away half way is named, and `up` goes on from there",
        run: api_gone::run,
    },
    Story {
        name: "doctor",
        proves: "doctor names what is wrong with nodes, network, certificates and users, and nothing else",
        run: doctor::trust,
    },
    Story {
        name: "cert",
        proves: "certificates and the CA are renewed, with no node cut off",
        run: cert::renewed_and_rotated,
    },
    Story {
        name: "oci-conformance",
        proves: "the registry passes the OCI suite, but for what distribution 2.8 fails by its nature",
        run: oci_conformance::with_2,
    },
    Story {
        name: "oci-conformance-3",
        proves: "distribution 3 passes the OCI suite, but for what it fails by its nature",
        run: oci_conformance::with_3,
    },
    Story {
        name: "watch",
        proves: "a CA is rotated with no pull lost, and a registry that is away is counted by its cause",
        run: watch::run,
    },
    Story {
        name: "gc",
        proves: "what is deleted leaves the storage, what is needed stays, and a killed run is ended",
        run: gc::run,
    },
    Story {
        name: "gc-pushes",
        proves: "collections beside pushes cost no blob, and no push is taken before a collector is gone",
        run: gc_pushes::run,
    },
    // What works.
    Story {
        name: "tutorial",
        proves: "the tutorial's own story holds step for step, and can be undone",
        run: tutorial::run,
    },
    Story {
        name: "upgrade",
        proves: "a registry that an earlier kreg made is taken over, and undone byte for byte",
        run: upgrade::run,
    },
    Story {
        name: "doctor-tutorial",
        proves: "doctor names stale lines in /etc/hosts where nodes go by them",
        run: doctor::tutorial,
    },
    Story {
        name: "user",
        proves: "users come, change and go without a restart, and the registry says so itself",
        run: user::run,
    },
    Story {
        name: "cert-tutorial",
        proves: "a certificate that vouches for itself is on every node before it is served",
        run: cert_forms::tutorial,
    },
    Story {
        name: "cert-outside-key",
        proves: "a CA whose key an operator keeps is renewed and rotated, and its key stays out",
        run: cert_forms::outside_key,
    },
    Story {
        name: "issued-elsewhere",
        proves: "a certificate that was issued elsewhere is served, replaced with its CA, and refused if it is wrong",
        run: issued::run,
    },
    Story {
        name: "library",
        proves: "the example of the library puts a registry up that kreg knows as its own",
        run: library::run,
    },
    Story {
        name: "s3",
        proves: "several Pods share a bucket, and a new certificate costs no pull",
        run: s3::run,
    },
    Story {
        name: "generations",
        proves: "containerd 1.7, 2.1 and 2.4 on one cluster trust, by ssh and by agents",
        run: generations::run,
    },
    Story {
        name: "registry-3",
        proves: "distribution 3 runs from the same manifest, on what 2.8 has stored",
        run: registry3::run,
    },
    Story {
        name: "elsewhere",
        proves: "other namespaces pull, edits by hand are told and mended, an export makes the same",
        run: elsewhere::run,
    },
    Story {
        name: "clients-tunnel",
        proves: "docker, podman, skopeo, buildah, crane and BuildKit push and pull, verified",
        run: clients_tunnel::run,
    },
    Story {
        name: "rights",
        proves: "the rights that are exported are enough, and what lacks is told at once",
        run: rights::run,
    },
    Story {
        name: "operation",
        proves: "after setup an account is enough that cannot write to the whole cluster",
        run: operation::run,
    },
    Story {
        name: "guard",
        proves: "edit and admin of the whole cluster cannot touch the agents, and the control plane can",
        run: guard::run,
    },
    Story {
        name: "doctor-client",
        proves: "what keeps a person from using a container client is told, and the fix mends it",
        run: doctor_client::run,
    },
    Story {
        name: "kubectl-kreg",
        proves: "kubectl finds kreg as its plugin, passes everything on, and ends as it ends",
        run: kubectl::run,
    },
    Story {
        name: "foreign-object",
        proves: "an object of the same name that kreg did not make stops it before it makes any",
        run: foreign::run,
    },
    Story {
        name: "forged",
        proves: "whatever a tenant writes, nothing of it is believed, changed, given a secret or removed",
        run: forged::run,
    },
    Story {
        name: "registry-image",
        proves: "a registry image that cannot be pulled ends `up` early, in the kubelet's words",
        run: registry_image::run,
    },
    Story {
        name: "no-storage-class",
        proves: "a StorageClass that does not exist is named, and no node is touched",
        run: storage::no_class,
    },
    Story {
        name: "claim-pending",
        proves: "a claim that stays Pending is named, with the reason, and no node is touched",
        run: storage::pending,
    },
    Story {
        name: "directory",
        proves: "a directory on a node is one registry's: no other starts in it, or erases it",
        run: directory::run,
    },
    Story {
        name: "sshd-gone",
        proves: "a node without sshd is named, the others are done, and `up` completes later",
        run: sshd_gone::run,
    },
    Story {
        name: "by-ssh-program",
        proves: "nodes that only the ssh program reaches are trusted by it, as strictly, and it leaves nothing",
        run: by_ssh_program::run,
    },
    Story {
        name: "unknown-host-key",
        proves: "a host key never seen before is shown, not trusted",
        run: host_keys::unknown,
    },
    Story {
        name: "changed-host-key",
        proves: "a changed host key is refused, with the file and line that it contradicts",
        run: host_keys::changed,
    },
    Story {
        name: "disk-full",
        proves: "a node without room is named with the step, and is left as it was",
        run: disk_full::run,
    },
];

/// Stories that change the machine they are told on, beside their cluster: its addresses, its
/// `/etc/hosts`, what its clients trust.
pub(crate) const ON_THIS_MACHINE: &[&str] = &["clients-tunnel", "gc"];

/// Stories that are told even where nothing changed since they passed: no change lands without a real
/// registry that every node of a real cluster has pulled from, as kreg does it and as the tutorial does.
pub(crate) const AT_EVERY_MERGE: &[&str] = &["default", "tutorial"];

/// Stories whose steps hang on how Kubernetes works, so that they are told on every generation.
pub(crate) const ON_EVERY_KUBERNETES: &[&str] = &[
    "default",
    "daemonset",
    "cert",
    "gc",
    "tutorial",
    "user",
    "cert-tutorial",
    "registry-3",
    "elsewhere",
    "rights",
    "foreign-object",
    "registry-image",
    "no-storage-class",
    "claim-pending",
    "sshd-gone",
    "disk-full",
];

pub(crate) fn on_this_machine(story: &Story) -> bool {
    ON_THIS_MACHINE.contains(&story.name)
}
