//! What can be told apart, in the order of cause before consequence.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! signatures {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal;)+) => {
        /// What can be told apart. The order is that of causes: what stands earlier may be why
        /// something later is seen, never the other way round.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Signature { $($(#[doc = $doc])+ #[serde(rename = $text)] $name,)+ }

        impl Signature {
            /// Every signature, in order.
            pub const ALL: &'static [Signature] = &[$(Signature::$name,)+];

            /// Its name in output.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Signature::$name => $text,)+ }
            }
        }
    };
}

signatures! {
    // The registry itself.
    /// One is there that kreg did not make, and kreg manages none.
    NotManaged = "not-managed";
    /// Its Deployment (or Pod) is not there.
    RegistryGone = "registry-gone";
    /// It is scaled to no Pods.
    ScaledToZero = "scaled-to-zero";
    /// A Secret or ConfigMap that its Pod mounts is not there.
    SecretMissing = "secret-missing";
    /// Its claim was given the default StorageClass and so never binds the volume meant for it.
    DefaultClassTrap = "default-class-trap";
    /// Its claim names a StorageClass that is not there.
    ClassMissing = "class-missing";
    /// Its claim names no StorageClass and the cluster has no default.
    NoDefaultClass = "no-default-class";
    /// Its claim has no volume, for another reason.
    ClaimPending = "claim-pending";
    /// No node takes its Pod.
    Unschedulable = "unschedulable";
    /// Its own image cannot be pulled.
    RegistryImage = "registry-image";
    /// Its storage is full.
    DiskFull = "disk-full";
    /// Its storage may not be written to by its user.
    StorageDenied = "storage-denied";
    /// Its private key belongs to another certificate.
    KeyMismatch = "key-mismatch";
    /// It ends at its start, for its configuration.
    ConfigBroken = "config-broken";
    /// It ends again and again.
    CrashLoop = "crash-loop";
    /// It speaks plain HTTP.
    PlainHttp = "plain-http";
    /// It is not ready, for no reason that is known here.
    NotReady = "registry-not-ready";

    // The way to it.
    /// A node is not ready.
    NodeNotReady = "node-not-ready";
    /// Its Service is not there.
    ServiceGone = "service-gone";
    /// Its Service selects none of its Pods.
    SelectorMismatch = "selector-mismatch";
    /// Its Service leads to a port where nothing listens.
    ServicePort = "service-port";
    /// Its Service has another address than when the certificate was made.
    AddressChanged = "address-changed";
    /// A NetworkPolicy lets no node in.
    NetworkPolicy = "network-policy";
    /// A node cannot reach it.
    RouteBlocked = "route-blocked";

    // Its certificate.
    /// A certificate is past its last day.
    CertificateExpired = "certificate-expired";
    /// A certificate is before its first day.
    CertificateNotYetValid = "certificate-not-yet-valid";
    /// The certificate is not signed by the CA that nodes trust.
    CertificateWrongCa = "certificate-wrong-ca";
    /// The certificate has a common name only.
    CertificateCnOnly = "certificate-cn-only";
    /// The certificate does not name what clients connect to.
    CertificateNameMissing = "certificate-name-missing";
    /// The certificate is refused by some client, for another reason.
    CertificateRefused = "certificate-refused";
    /// The registry serves another certificate than the cluster holds.
    CertificateNotServed = "certificate-not-served";
    /// The certificate ends soon.
    CertificateEndsSoon = "certificate-ends-soon";

    // Who may log in.
    /// The htpasswd file cannot be parsed, and nobody gets in.
    HtpasswdInvalid = "htpasswd-invalid";
    /// A user's entry is no bcrypt hash.
    HtpasswdNotBcrypt = "htpasswd-not-bcrypt";
    /// The pull secret is no pull secret.
    PullSecretBroken = "pull-secret-broken";
    /// The pull secret's entry is for another host.
    PullSecretWrongHost = "pull-secret-wrong-host";
    /// The pull secret's user is not in the htpasswd file.
    PullUserMissing = "pull-user-missing";
    /// The pull secret holds another password than the htpasswd file.
    PasswordChanged = "password-changed";
    /// The registry has not taken up the htpasswd file that the cluster holds.
    HtpasswdNotRead = "htpasswd-not-read";

    // What it does with pushes.
    /// It is set to be read-only.
    ReadOnly = "read-only";
    /// Several Pods that share no `http.secret`.
    NoSharedSecret = "no-shared-secret";
    /// It lets nobody push, for another reason.
    UploadRefused = "upload-refused";

    // What no look explains.
    /// Somebody changed one of its objects by hand, and no other finding names what that breaks.
    ChangedByHand = "changed-by-hand";
    /// A check of the proof fails that is about no node, and nothing else explains it.
    ProofFailed = "proof-failed";

    // Nodes.
    /// A node cannot be looked at.
    NodeUnreachable = "node-unreachable";
    /// A node's clock is wrong.
    ClockSkew = "clock-skew";
    /// The runtime's proxy takes the traffic to the registry.
    ProxySwallows = "proxy-swallows-address";
    /// The runtime's configuration cannot be read, or makes its CRI plugin fail.
    RuntimeConfigBroken = "runtime-config-broken";
    /// containerd looks in no directory for registries.
    ConfigPathUnset = "config-path-unset";
    /// A directory that containerd reads instead of the right one.
    DirectoryShadowed = "directory-shadowed";
    /// Something else on the node keeps kreg from writing there.
    NodeRefused = "node-refused";
    /// Agents are to keep the nodes, and on this one none does.
    AgentMissing = "agent-missing";
    /// A node that was never told of the registry.
    TrustMissing = "trust-missing";
    /// What kreg wrote on a node is gone.
    TrustErased = "trust-erased";
    /// `hosts.toml` cannot be parsed.
    HostsTomlBroken = "hosts-toml-broken";
    /// `hosts.toml` has no `[host]` table.
    HostsTomlNoHost = "hosts-toml-no-host";
    /// `hosts.toml` leads to another address than the Service's.
    StaleAddress = "stale-address";
    /// `hosts.toml` leads to an `http://` address.
    PlainHttpEndpoint = "plain-http-endpoint";
    /// `hosts.toml` names a CA file that is not there.
    CaFileMissing = "ca-file-missing";
    /// A node trusts another CA.
    NodeWrongCa = "node-wrong-ca";
    /// Files on a node are not as kreg left them.
    TrustEdited = "trust-edited";
    /// `/etc/hosts` gives the registry's name a wrong address.
    StaleHosts = "stale-hosts";
    /// containerd's configuration was changed after it was started.
    ConfigNotLoaded = "config-not-loaded";
    /// A runtime does not read the files of the registry's trust, which are as they should be.
    TrustNotRead = "trust-not-read";
    /// A node fails the proof, and nothing else explains it.
    NodePullFails = "node-pull-fails";

    // Pods that pull.
    /// An image name without the registry's port, which leads to Docker Hub.
    ImageWithoutPort = "image-without-port";
    /// A Pod names a Secret that is not in its namespace.
    SecretNotInNamespace = "secret-not-in-namespace";
    /// A Pod's pull secret is of another type.
    SecretWrongType = "secret-wrong-type";
    /// A Pod's pull secret is for another host.
    SecretWrongHost = "secret-wrong-host";
    /// A Pod's pull secret holds an old user or password.
    SecretStale = "secret-stale";
    /// A Pod names no pull secret, and its service account has none.
    AccountWithoutSecret = "account-without-secret";
    /// The registry has no such image.
    ImageNotFound = "image-not-found";
    /// The image is for other processors.
    WrongArchitecture = "wrong-architecture";
    /// A node's runtime does not trust the registry, though its files say so.
    PullNotTrusted = "pull-not-trusted";
    /// A pull fails for another reason.
    PullFailed = "pull-failed";
}

impl Signature {
    /// What is seen where this is the cause, and needs no mending of its own.
    pub(super) fn explains(self) -> &'static [Signature] {
        use Signature::*;
        match self {
            RegistryGone | ScaledToZero | Unschedulable | RegistryImage | ConfigBroken
            | CrashLoop => &[
                NotReady,
                SelectorMismatch,
                RouteBlocked,
                UploadRefused,
                CertificateNotServed,
                PullNotTrusted,
                PullFailed,
            ],
            SecretMissing | KeyMismatch => &[
                ConfigBroken,
                CrashLoop,
                NotReady,
                RouteBlocked,
                UploadRefused,
                CertificateRefused,
                CertificateNotServed,
                PullSecretBroken,
                PullNotTrusted,
                PullFailed,
            ],
            DefaultClassTrap | ClassMissing | NoDefaultClass => &[
                ClaimPending,
                Unschedulable,
                NotReady,
                RouteBlocked,
                UploadRefused,
                PullFailed,
            ],
            ClaimPending => &[
                Unschedulable,
                NotReady,
                RouteBlocked,
                UploadRefused,
                PullFailed,
            ],
            PlainHttp => &[
                NotReady,
                RouteBlocked,
                UploadRefused,
                CertificateNotServed,
                CertificateRefused,
                PullNotTrusted,
                PullFailed,
            ],
            DiskFull | StorageDenied => {
                &[CrashLoop, NotReady, RouteBlocked, UploadRefused, PullFailed]
            }
            NotReady => &[RouteBlocked, UploadRefused, PullFailed],
            ServiceGone => &[
                AddressChanged,
                RouteBlocked,
                UploadRefused,
                StaleAddress,
                PullNotTrusted,
                PullFailed,
            ],
            SelectorMismatch | ServicePort => {
                &[RouteBlocked, UploadRefused, PullNotTrusted, PullFailed]
            }
            AddressChanged => &[
                CertificateNameMissing,
                RouteBlocked,
                StaleAddress,
                StaleHosts,
                TrustEdited,
                PullNotTrusted,
                PullFailed,
            ],
            NetworkPolicy => &[RouteBlocked, PullFailed],
            RouteBlocked => &[PullFailed],
            ReadOnly | NoSharedSecret => &[UploadRefused],
            CertificateExpired
            | CertificateNotYetValid
            | CertificateWrongCa
            | CertificateCnOnly => &[
                CertificateNameMissing,
                CertificateRefused,
                CertificateNotServed,
                CertificateEndsSoon,
                UploadRefused,
                PullNotTrusted,
                PullFailed,
            ],
            CertificateNameMissing | CertificateRefused => &[
                CertificateNotServed,
                UploadRefused,
                PullNotTrusted,
                PullFailed,
            ],
            CertificateNotServed => &[PullNotTrusted, PullFailed],
            HtpasswdInvalid => &[
                PullUserMissing,
                PasswordChanged,
                HtpasswdNotBcrypt,
                HtpasswdNotRead,
                UploadRefused,
                SecretStale,
                PullFailed,
            ],
            HtpasswdNotBcrypt => &[
                PasswordChanged,
                HtpasswdNotRead,
                UploadRefused,
                SecretStale,
                PullFailed,
            ],
            PullUserMissing | PasswordChanged => {
                &[HtpasswdNotRead, UploadRefused, SecretStale, PullFailed]
            }
            PullSecretBroken | PullSecretWrongHost => {
                &[UploadRefused, SecretWrongType, SecretWrongHost, PullFailed]
            }
            HtpasswdNotRead => &[UploadRefused, SecretStale, PullFailed],
            NodeNotReady => &[NodeUnreachable, AgentMissing, RouteBlocked, PullFailed],
            RuntimeConfigBroken => &[
                ConfigPathUnset,
                AgentMissing,
                ConfigNotLoaded,
                TrustMissing,
                TrustErased,
                PullNotTrusted,
                PullFailed,
            ],
            ConfigPathUnset => &[
                AgentMissing,
                ConfigNotLoaded,
                TrustMissing,
                PullNotTrusted,
                PullFailed,
            ],
            // An agent that is refused says so by not being ready.
            DirectoryShadowed | NodeRefused => &[AgentMissing, PullNotTrusted, PullFailed],
            AgentMissing => &[TrustMissing, PullNotTrusted, PullFailed],
            ClockSkew | ProxySwallows | TrustMissing | TrustErased | HostsTomlBroken
            | HostsTomlNoHost | StaleAddress | PlainHttpEndpoint | CaFileMissing | NodeWrongCa
            | TrustEdited | StaleHosts | ConfigNotLoaded | TrustNotRead | NodePullFails => {
                &[PullNotTrusted, PullFailed]
            }
            CertificateEndsSoon | ChangedByHand => &[ProofFailed],
            ImageWithoutPort | SecretNotInNamespace | SecretWrongType | SecretWrongHost
            | SecretStale | AccountWithoutSecret | ImageNotFound | WrongArchitecture
            | PullNotTrusted => &[PullFailed],
            _ => &[],
        }
    }

    /// Whether the proof fails where this is: on the node that it is about, or on every node.
    pub(super) fn fails_proof(self) -> bool {
        let stops_pulls = self.explains().contains(&Signature::PullFailed);
        let stops_pushes = matches!(
            self,
            Signature::NotManaged | Signature::ReadOnly | Signature::UploadRefused
        );
        (stops_pulls || stops_pushes) && !self.is_of_a_pod()
    }

    /// Whether the proof showed it.
    pub(super) fn is_of_proof(self) -> bool {
        use Signature::*;
        matches!(self, ProofFailed | TrustNotRead | NodePullFails)
    }

    /// Whether it is about one Pod that pulls.
    pub(super) fn is_of_a_pod(self) -> bool {
        self >= Signature::ImageWithoutPort
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
