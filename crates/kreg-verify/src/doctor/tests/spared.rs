//! What nearly looks like a signature.

use super::healthy::*;
use crate::doctor::*;

/// What looks alike and is well, or is something else: the signature must not be named.
pub(super) const SPARED: &[(Signature, Edit)] = &[
    // Nobody could look.
    (Signature::RegistryGone, |seen| seen.workload = None),
    (Signature::ServiceGone, |seen| seen.service = None),
    (Signature::ScaledToZero, |seen| {
        seen.workload.as_mut().unwrap().ready = 0
    }),
    // The volume was meant for it, and it got it.
    (Signature::DefaultClassTrap, |seen| {
        seen.storage.claim.as_mut().unwrap().meant = Some("volume pv1".to_owned());
    }),
    // An explicit empty class is as it should be.
    (Signature::DefaultClassTrap, |seen| {
        claim(seen, |claim| {
            claim.meant = Some("volume pv1".to_owned());
            claim.class = Some(String::new());
        })
    }),
    (Signature::ClassMissing, |seen| {
        seen.storage.claim.as_mut().unwrap().class = Some("gone since".to_owned())
    }),
    (Signature::NoDefaultClass, |seen| {
        seen.storage.classes[0].default = false
    }),
    // A class that waits for its first Pod.
    (Signature::ClaimPending, |seen| {
        claim(seen, |claim| {
            claim.events = vec!["WaitForFirstConsumer: waiting for first consumer".to_owned()];
        })
    }),
    // Restarts and log lines of a Pod that is well now are history.
    (Signature::CrashLoop, |seen| {
        seen.pods[0].restarts = 4;
        seen.pods[0].log = vec!["configuration error".to_owned()];
    }),
    (Signature::PlainHttp, |seen| {
        seen.pods[0].events = vec!["server gave HTTP response to HTTPS client".to_owned()];
    }),
    // A panic for want of room is no fault of the configuration.
    (Signature::ConfigBroken, |seen| {
        unready(seen, |pod| {
            pod.waiting = Some("CrashLoopBackOff".to_owned());
            pod.log = vec!["panic: mkdir: no space left on device".to_owned()];
        })
    }),
    // An old complaint, and uploads work.
    (Signature::DiskFull, |seen| {
        seen.complaints = vec!["no space left on device".to_owned()]
    }),
    (Signature::StorageDenied, |seen| {
        seen.complaints = vec!["permission denied".to_owned()]
    }),
    (Signature::UploadRefused, |seen| {
        seen.answers.upload = Some(Upload::Refused {
            status: 405,
            message: String::new(),
        });
    }),
    (Signature::ReadOnly, |seen| {
        seen.answers.upload = Some(Upload::Refused {
            status: 500,
            message: String::new(),
        });
    }),
    (Signature::SelectorMismatch, |seen| {
        seen.pods[0]
            .labels
            .insert("more".to_owned(), "labels".to_owned());
    }),
    (Signature::SelectorMismatch, |seen| seen.pods.clear()),
    // By name.
    (Signature::ServicePort, |seen| {
        seen.service.as_mut().unwrap().ports = vec![(5000, "https".to_owned())]
    }),
    (Signature::ServicePort, |seen| seen.pods[0].ports.clear()),
    (Signature::AddressChanged, |seen| {
        seen.registry.known_address = None
    }),
    // Two policies: what one lets in, the other does not keep out.
    (Signature::NetworkPolicy, |seen| {
        seen.policies = vec![
            Policy {
                object: "deny".to_owned(),
                admits_nodes: false,
            },
            Policy {
                object: "kreg".to_owned(),
                admits_nodes: true,
            },
        ];
    }),
    (Signature::RouteBlocked, |seen| seen.nodes[0].route = None),
    (Signature::NoSharedSecret, |seen| {
        seen.workload.as_mut().unwrap().shares_secret = false
    }),
    // A warning of the lint is none of an error.
    (Signature::CertificateRefused, |seen| {
        seen.certificates.held = vec![LintFinding {
            error: false,
            ..lint("long-lived")
        }];
    }),
    (Signature::CertificateEndsSoon, |seen| {
        seen.certificates.ends_in_days = Some(-1)
    }),
    // A line without effect, such as a second one of the same user.
    (Signature::HtpasswdInvalid, |seen| {
        seen.auth.findings = vec![HtpasswdFinding {
            line: 2,
            ..HtpasswdFinding::default()
        }];
    }),
    (Signature::HtpasswdNotBcrypt, |seen| {
        seen.auth.findings = vec![HtpasswdFinding {
            line: 2,
            ..HtpasswdFinding::default()
        }];
    }),
    (Signature::PasswordChanged, |seen| {
        seen.auth.pull_secret.as_mut().unwrap().login = None
    }),
    (Signature::PullSecretBroken, |seen| {
        seen.auth.pull_secret = None
    }),
    (Signature::HtpasswdNotRead, |seen| seen.answers.user = None),
    (Signature::ClockSkew, |seen| {
        seen.nodes[0].clock_ahead = Some(-55)
    }),
    (Signature::ProxySwallows, |seen| {
        seen.nodes[0].runtimes[0].proxy = proxied("localhost,10.96.0.0/12");
    }),
    (Signature::TrustMissing, |seen| {
        seen.nodes[1]
            .files
            .iter_mut()
            .for_each(|file| file.now = None);
    }),
    (Signature::TrustErased, |seen| {
        seen.nodes[1]
            .files
            .iter_mut()
            .for_each(|file| file.now = None);
        seen.nodes[1].journal = false;
    }),
    (Signature::HostsTomlNoHost, |seen| toml(seen, "[host\n")),
    (Signature::HostsTomlBroken, |seen| {
        toml(seen, "ca = \"ca.crt\"\n")
    }),
    (Signature::StaleAddress, |seen| {
        toml(
            seen,
            &format!("{TOML}\n[host.\"https://10.96.0.49:5000\"]\n"),
        )
    }),
    // Besides the right CA another one.
    (Signature::NodeWrongCa, |seen| {
        seen.nodes[0].files[0].now = Some(format!("{}{}", authority(), another_authority()));
    }),
    // Touched, but nothing fails.
    (Signature::ConfigNotLoaded, |seen| {
        seen.nodes[0].config_not_loaded = true
    }),
    // Something fails on another node.
    (Signature::ConfigNotLoaded, |seen| {
        seen.nodes[1].config_not_loaded = true;
        seen.pulls = vec![pull("no such host")];
    }),
    (Signature::ImageNotFound, |seen| {
        seen.pulls = vec![pull("lookup docker-registry: no such host, not found")]
    }),
    (Signature::ImageNotFound, |seen| {
        let mut one = pull("x509: certificate signed by unknown authority");
        one.in_registry = Some(false);
        seen.pulls = vec![one];
    }),
    (Signature::SecretStale, |seen| pod_secret(seen, |_| {})),
    (Signature::AccountWithoutSecret, |seen| {
        let mut one = pull("x509: certificate signed by unknown authority");
        one.secrets.clear();
        seen.pulls = vec![one];
    }),
];
