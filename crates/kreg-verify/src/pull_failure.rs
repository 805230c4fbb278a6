//! Why a kubelet could not pull, by its message.

use crate::remedy::Remedy;

/// A kind of failed pull, with its usual cause on a kreg registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PullFailure {
    /// The registry's certificate was refused.
    Certificate,
    /// The node spoke TLS, the registry plain HTTP.
    HttpForHttps,
    /// The credentials were refused or missing.
    Unauthorized,
    /// The registry's name has no address on the node.
    NoSuchHost,
    /// The registry is reached, the image is not there.
    NotFound,
    /// No image for the node's architecture.
    NoPlatform,
    /// The node's own policy refuses the image, or wants it signed; CRI-O says so.
    Policy,
    /// No connection, or one that broke: refused, timed out, no route, reset.
    Unreachable,
    /// None of these.
    Other,
}

/// What runtimes write, in the order in which it decides: the text of Go's errors and of the
/// registry, as containerd, dockerd and CRI-O pass it on.
const SIGNS: [(&str, PullFailure); 31] = [
    // CRI-O's own word, which the kubelet takes over, and what containers/image says
    // (`signature/policy_eval_simple.go`, `copy/single.go`).
    ("signaturevalidationfailed", PullFailure::Policy),
    ("source image rejected", PullFailure::Policy),
    ("is rejected by policy", PullFailure::Policy),
    ("x509:", PullFailure::Certificate),
    (
        "certificate signed by unknown authority",
        PullFailure::Certificate,
    ),
    ("certificate has expired", PullFailure::Certificate),
    (
        "first record does not look like a tls handshake",
        PullFailure::HttpForHttps,
    ),
    ("tls: ", PullFailure::Certificate),
    (
        "server gave http response to https client",
        PullFailure::HttpForHttps,
    ),
    ("401 unauthorized", PullFailure::Unauthorized),
    ("no basic auth credentials", PullFailure::Unauthorized),
    ("authentication required", PullFailure::Unauthorized),
    ("unauthorized", PullFailure::Unauthorized),
    ("pull access denied", PullFailure::Unauthorized),
    ("authorization failed", PullFailure::Unauthorized),
    ("no such host", PullFailure::NoSuchHost),
    ("server misbehaving", PullFailure::NoSuchHost),
    ("no match for platform", PullFailure::NoPlatform),
    ("no matching manifest", PullFailure::NoPlatform),
    ("connection refused", PullFailure::Unreachable),
    ("i/o timeout", PullFailure::Unreachable),
    ("no route to host", PullFailure::Unreachable),
    ("network is unreachable", PullFailure::Unreachable),
    ("connection timed out", PullFailure::Unreachable),
    ("tls handshake timeout", PullFailure::Unreachable),
    ("connection reset by peer", PullFailure::Unreachable),
    ("broken pipe", PullFailure::Unreachable),
    // A request that the other side hung up on, which Go writes after the quoted URL. Without one it
    // may as well be a layer that is cut off.
    ("\": eof", PullFailure::Unreachable),
    ("\": unexpected eof", PullFailure::Unreachable),
    ("manifest unknown", PullFailure::NotFound),
    ("not found", PullFailure::NotFound),
];

impl PullFailure {
    /// The kind that a kubelet's message speaks of.
    ///
    /// ```
    /// use kreg_verify::PullFailure;
    /// let message = "dial tcp: lookup docker-registry: no such host";
    /// assert_eq!(PullFailure::of(message), PullFailure::NoSuchHost);
    /// ```
    #[must_use]
    pub fn of(message: &str) -> PullFailure {
        let message = message.to_ascii_lowercase();
        SIGNS
            .iter()
            .find(|(sign, _)| message.contains(sign))
            .map_or(PullFailure::Other, |(_, kind)| *kind)
    }

    /// One word for it, such as `no-such-host`; what failures are counted by.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            PullFailure::Certificate => "certificate",
            PullFailure::HttpForHttps => "http-for-https",
            PullFailure::Unauthorized => "unauthorized",
            PullFailure::NoSuchHost => "no-such-host",
            PullFailure::NotFound => "not-found",
            PullFailure::NoPlatform => "no-platform",
            PullFailure::Policy => "policy",
            PullFailure::Unreachable => "unreachable",
            PullFailure::Other => "other",
        }
    }

    /// The kind by a container's waiting reason, where the kubelet has one for it (Kubernetes
    /// `pkg/kubelet/images/types.go`), and by the message.
    #[must_use]
    pub fn by_reason(reason: &str, message: &str) -> PullFailure {
        match (reason, PullFailure::of(message)) {
            ("SignatureValidationFailed", _) => PullFailure::Policy,
            ("RegistryUnavailable", PullFailure::Other) => PullFailure::Unreachable,
            (_, kind) => kind,
        }
    }

    /// Whether the runtime does not know or believe the registry: no address for its name, another
    /// CA, or another protocol.
    #[must_use]
    pub fn is_distrust(self) -> bool {
        matches!(
            self,
            PullFailure::Certificate | PullFailure::HttpForHttps | PullFailure::NoSuchHost
        )
    }

    /// Whether the kubelet's next attempt may well succeed by itself: routes to a new Service take a
    /// moment to reach every node. A refused certificate or password stays refused.
    #[must_use]
    pub fn may_pass(self) -> bool {
        matches!(self, PullFailure::Unreachable | PullFailure::Other)
    }

    /// What it means on this node.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            PullFailure::Certificate => "this node does not trust the registry's CA",
            PullFailure::HttpForHttps => "the registry has no certificate",
            PullFailure::Unauthorized => {
                "the pull secret is missing, of another host, or has another password"
            }
            PullFailure::NoSuchHost => "this node does not know the registry's name",
            PullFailure::NotFound => "another registry answers under this name on this node",
            PullFailure::NoPlatform => "the image is for another architecture than this node's",
            PullFailure::Policy => {
                "the policy.json of this node (containers-policy.json(5)) refuses the image, or wants it signed: allow the registry there"
            }
            PullFailure::Unreachable => {
                "this node does not reach the registry: look at kube-proxy, network policies and stale addresses"
            }
            PullFailure::Other => "look at the container runtime's log on this node",
        }
    }

    /// What usually repairs it, where kreg can do that.
    #[must_use]
    pub fn remedy(self) -> Option<Remedy> {
        match self {
            PullFailure::Certificate | PullFailure::NoSuchHost => Some(Remedy::TrustAndCompare),
            PullFailure::HttpForHttps => Some(Remedy::Apply),
            PullFailure::Unauthorized => Some(Remedy::ApplyPullSecret),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_messages_are_told_apart() {
        // As containerd 1.6 to 2.4, dockerd and CRI-O write them.
        for (message, kind) in [
            (
                r#"failed to do request: Head "https://docker-registry:5000/v2/a/manifests/v1": x509: certificate signed by unknown authority"#,
                PullFailure::Certificate,
            ),
            (
                "tls: failed to verify certificate: x509: certificate is valid for a, not b",
                PullFailure::Certificate,
            ),
            (
                r#"http: server gave HTTP response to HTTPS client"#,
                PullFailure::HttpForHttps,
            ),
            (
                "pulling from host 10.96.0.50:5000 failed with status code [manifests v1]: 401 Unauthorized",
                PullFailure::Unauthorized,
            ),
            (
                "failed to resolve image: pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials",
                PullFailure::Unauthorized,
            ),
            // The digits of a digest are not a status.
            (
                r#"Head "https://docker-registry:5000/v2/a/manifests/sha256:401e": dial tcp: lookup docker-registry: no such host"#,
                PullFailure::NoSuchHost,
            ),
            (
                r#"Head "https://10.96.0.50:5000/v2/": tls: first record does not look like a TLS handshake"#,
                PullFailure::HttpForHttps,
            ),
            (
                "Head ...: no basic auth credentials",
                PullFailure::Unauthorized,
            ),
            (
                "dial tcp: lookup docker-registry on 127.0.0.11:53: no such host",
                PullFailure::NoSuchHost,
            ),
            (
                "docker-registry:5000/a:v1: not found",
                PullFailure::NotFound,
            ),
            (
                "no match for platform in manifest sha256:0: not found",
                PullFailure::NoPlatform,
            ),
            (
                "dial tcp 10.96.0.50:5000: connect: connection refused",
                PullFailure::Unreachable,
            ),
            (
                "dial tcp 10.96.0.50:5000: i/o timeout",
                PullFailure::Unreachable,
            ),
            (
                "dial tcp 10.96.0.50:5000: connect: network is unreachable",
                PullFailure::Unreachable,
            ),
            (
                "dial tcp 10.96.0.50:5000: connect: connection timed out",
                PullFailure::Unreachable,
            ),
            (
                r#"failed to do request: Head "https://10.96.0.50:5000/v2/a/manifests/v1": net/http: TLS handshake timeout"#,
                PullFailure::Unreachable,
            ),
            (
                r#"Get "https://10.96.0.50:5000/v2/": read tcp 10.244.1.1:4242->10.96.0.50:5000: read: connection reset by peer"#,
                PullFailure::Unreachable,
            ),
            (
                r#"Get "https://10.96.0.50:5000/v2/": write tcp 10.244.1.1:4242->10.96.0.50:5000: write: broken pipe"#,
                PullFailure::Unreachable,
            ),
            (
                r#"failed to do request: Head "https://10.96.0.50:5000/v2/a/manifests/v1": EOF"#,
                PullFailure::Unreachable,
            ),
            (
                r#"failed to do request: Get "https://10.96.0.50:5000/v2/a/blobs/sha256:0": unexpected EOF"#,
                PullFailure::Unreachable,
            ),
            (
                r#"SignatureValidationFailed: Source image rejected: Running image docker://docker-registry:5000/a:v1 is rejected by policy."#,
                PullFailure::Policy,
            ),
            (
                "Source image rejected: A signature was required, but no signature exists",
                PullFailure::Policy,
            ),
            // The connection held; what came over it is cut off.
            (
                "failed to extract layer sha256:0: unexpected EOF",
                PullFailure::Other,
            ),
            ("unexpected EOF", PullFailure::Other),
        ] {
            assert_eq!(PullFailure::of(message), kind, "{message}");
        }
    }

    #[test]
    fn the_kubelets_reason_counts() {
        let of = PullFailure::by_reason;
        assert_eq!(of("SignatureValidationFailed", ""), PullFailure::Policy);
        assert_eq!(of("RegistryUnavailable", ""), PullFailure::Unreachable);
        let lookup = "lookup docker-registry: no such host";
        assert_eq!(of("RegistryUnavailable", lookup), PullFailure::NoSuchHost);
        assert_eq!(of("ErrImagePull", ""), PullFailure::Other);
    }

    #[test]
    fn only_failures_of_the_route_may_pass() {
        assert!(PullFailure::Unreachable.may_pass());
        assert!(!PullFailure::Certificate.may_pass());
        assert!(!PullFailure::Unauthorized.may_pass());
    }
}
