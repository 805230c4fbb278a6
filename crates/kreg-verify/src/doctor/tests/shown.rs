//! What each signature looks like.

use super::healthy::*;
use crate::doctor::*;

/// What is done to a healthy registry, and what is named first for it.
pub(super) const SHOWN: &[(Signature, Edit)] = &[
    (Signature::NotManaged, |seen| {
        *seen = Observations {
            registry: seen.registry.clone(),
            unmanaged: vec![Unmanaged {
                objects: vec!["Pod default/docker-registry-pod".to_owned()],
                claim_name: "docker-repo-pvc".to_owned(),
                tutorial_pod: Some(PodName::default()),
                ..Unmanaged::default()
            }],
            ..Observations::default()
        };
    }),
    (Signature::RegistryGone, |seen| {
        seen.workload = None;
        seen.workload_gone = true;
        seen.pods.clear();
        seen.nodes[0].route = Some(Route::Refused);
    }),
    (Signature::ScaledToZero, |seen| {
        let workload = seen.workload.as_mut().unwrap();
        (workload.wanted, workload.ready) = (0, 0);
        seen.pods.clear();
        seen.nodes[0].route = Some(Route::Refused);
    }),
    (Signature::SecretMissing, |seen| {
        unready(seen, |pod| {
            pod.events = vec!["FailedMount: secret \"x\" not found".to_owned()]
        });
        seen.workload.as_mut().unwrap().missing = vec!["Secret kreg-system/x".to_owned()];
    }),
    (Signature::DefaultClassTrap, |seen| {
        claim(seen, |claim| claim.meant = Some("volume pv1".to_owned()));
        unready(seen, |pod| {
            pod.unscheduled = Some("unbound PersistentVolumeClaims".to_owned())
        });
    }),
    (Signature::ClassMissing, |seen| {
        claim(seen, |claim| claim.class = Some("fast".to_owned()))
    }),
    (Signature::NoDefaultClass, |seen| {
        seen.storage.classes[0].default = false;
        claim(seen, |claim| claim.class = None);
    }),
    (Signature::ClaimPending, |seen| {
        claim(seen, |_| {});
        unready(seen, |pod| {
            pod.unscheduled = Some("unbound PersistentVolumeClaims".to_owned())
        });
    }),
    (Signature::Unschedulable, |seen| {
        unready(seen, |pod| {
            pod.unscheduled = Some("0/2 nodes: Insufficient memory".to_owned())
        });
    }),
    (Signature::RegistryImage, |seen| {
        unready(seen, |pod| {
            pod.waiting = Some("ImagePullBackOff".to_owned())
        });
    }),
    (Signature::KeyMismatch, |seen| {
        seen.certificates.held = vec![lint("key-mismatch")];
        unready(seen, |pod| {
            pod.waiting = Some("CrashLoopBackOff".to_owned());
            pod.log = vec!["tls: private key does not match public key".to_owned()];
        });
    }),
    (Signature::ConfigBroken, |seen| {
        unready(seen, |pod| {
            pod.waiting = Some("CrashLoopBackOff".to_owned());
            pod.log = vec!["configuration error: error parsing /etc/kreg/config.yml".to_owned()];
        });
    }),
    (Signature::CrashLoop, |seen| {
        unready(seen, |pod| {
            pod.waiting = Some("CrashLoopBackOff".to_owned());
            pod.log = vec!["something else".to_owned()];
        });
    }),
    (Signature::PlainHttp, |seen| {
        unready(seen, |pod| {
            pod.events =
                vec!["Unhealthy: http: server gave HTTP response to HTTPS client".to_owned()];
        });
    }),
    (Signature::DiskFull, |seen| {
        seen.complaints = vec!["filesystem: mkdir /x: no space left on device".to_owned()];
        seen.answers.upload = Some(Upload::Refused {
            status: 500,
            message: "UNKNOWN".to_owned(),
        });
    }),
    (Signature::StorageDenied, |seen| {
        seen.complaints = vec!["filesystem: mkdir /x: permission denied".to_owned()];
        seen.answers.upload = Some(Upload::Refused {
            status: 500,
            message: "UNKNOWN".to_owned(),
        });
    }),
    (Signature::NotReady, |seen| unready(seen, |_| {})),
    (Signature::ServiceGone, |seen| {
        seen.service = None;
        seen.service_gone = true;
        seen.nodes[0].route = Some(Route::Silent);
    }),
    (Signature::SelectorMismatch, |seen| {
        let service = seen.service.as_mut().unwrap();
        service
            .selector
            .insert("app".to_owned(), "other".to_owned());
        seen.nodes[1].route = Some(Route::Refused);
    }),
    (Signature::ServicePort, |seen| {
        seen.service.as_mut().unwrap().ports = vec![(5000, "5001".to_owned())];
        seen.nodes[1].route = Some(Route::Refused);
    }),
    (Signature::AddressChanged, |seen| {
        seen.registry.address = Some([10, 96, 0, 60].into());
        seen.certificates.held = vec![lint("name-not-covered")];
        toml(seen, &TOML.replace("0.50", "0.49"));
    }),
    (Signature::NetworkPolicy, |seen| {
        seen.policies = vec![Policy {
            object: "NetworkPolicy kreg-system/deny".to_owned(),
            admits_nodes: false,
        }];
        seen.nodes[1].route = Some(Route::Silent);
    }),
    (Signature::RouteBlocked, |seen| {
        seen.nodes[1].route = Some(Route::Silent)
    }),
    (Signature::ReadOnly, |seen| {
        seen.answers.upload = Some(Upload::Refused {
            status: 405,
            message: "UNSUPPORTED".to_owned(),
        });
    }),
    (Signature::NoSharedSecret, |seen| {
        let workload = seen.workload.as_mut().unwrap();
        (workload.wanted, workload.ready, workload.shares_secret) = (2, 2, false);
    }),
    (Signature::UploadRefused, |seen| {
        seen.answers.upload = Some(Upload::Refused {
            status: 503,
            message: "away".to_owned(),
        });
    }),
    (Signature::CertificateExpired, |seen| {
        seen.certificates.held = vec![lint("expired"), lint("name-not-covered")];
        seen.pulls = vec![pull("x509: certificate has expired or is not yet valid")];
    }),
    (Signature::CertificateNotYetValid, |seen| {
        seen.certificates.held = vec![lint("not-yet-valid")]
    }),
    (Signature::CertificateWrongCa, |seen| {
        seen.certificates.held = vec![lint("untrusted")];
        seen.pulls = vec![pull("x509: certificate signed by unknown authority")];
    }),
    (Signature::CertificateCnOnly, |seen| {
        seen.certificates.held = vec![lint("name-not-covered"), lint("no-san")];
    }),
    (Signature::CertificateNameMissing, |seen| {
        seen.certificates.held = vec![lint("name-not-covered")];
    }),
    (Signature::CertificateRefused, |seen| {
        seen.certificates.held = vec![lint("ca-as-leaf")]
    }),
    (Signature::CertificateNotServed, |seen| {
        seen.certificates.differ = Some(("aa".to_owned(), "bb".to_owned()));
    }),
    (Signature::CertificateEndsSoon, |seen| {
        seen.certificates.ends_in_days = Some(3)
    }),
    (Signature::HtpasswdInvalid, |seen| {
        seen.auth.findings = vec![HtpasswdFinding {
            line: 1,
            fatal: true,
            ..HtpasswdFinding::default()
        }];
        seen.auth.pull_secret.as_mut().unwrap().login = Some(Login::UnknownUser);
        (seen.answers.user, seen.answers.empty) = (Some(400), true);
    }),
    (Signature::HtpasswdNotBcrypt, |seen| {
        let user = Some("kreg".to_owned());
        seen.auth.findings = vec![HtpasswdFinding {
            line: 1,
            user,
            not_bcrypt: true,
            ..HtpasswdFinding::default()
        }];
        seen.auth.pull_secret.as_mut().unwrap().login = Some(Login::NotAccepted);
        seen.answers.user = Some(401);
    }),
    (Signature::PullSecretBroken, |seen| {
        seen.auth.pull_secret.as_mut().unwrap().wrong_type = Some("Opaque".to_owned());
    }),
    (Signature::PullSecretWrongHost, |seen| {
        let secret = seen.auth.pull_secret.as_mut().unwrap();
        secret.hosts = vec!["docker-registry".to_owned()];
        (secret.matches, secret.user, secret.login) = (false, None, None);
    }),
    (Signature::PullUserMissing, |seen| {
        seen.auth.pull_secret.as_mut().unwrap().login = Some(Login::UnknownUser);
        seen.answers.user = Some(401);
    }),
    (Signature::PasswordChanged, |seen| {
        seen.auth.pull_secret.as_mut().unwrap().login = Some(Login::WrongPassword);
        seen.answers.user = Some(401);
    }),
    (Signature::HtpasswdNotRead, |seen| {
        seen.answers.user = Some(401)
    }),
    (Signature::NodeNotReady, |seen| {
        seen.nodes[1].not_ready = Some("Kubelet stopped posting node status.".to_owned());
        seen.nodes[1].route = Some(Route::Silent);
    }),
    (Signature::NodeUnreachable, |seen| {
        seen.nodes[1].contact = Contact::Failed {
            reason: "connection refused".to_owned(),
            remedy: Some("start sshd".to_owned()),
        };
    }),
    (Signature::ClockSkew, |seen| {
        seen.nodes[1].clock_ahead = Some(-200_000)
    }),
    (Signature::ProxySwallows, |seen| {
        seen.nodes[1].runtimes[0].proxy = proxied("localhost,.svc");
    }),
    (Signature::RuntimeConfigBroken, |seen| {
        refusal(seen, "broken-config")
    }),
    (Signature::ConfigPathUnset, |seen| {
        refusal(seen, "no-config-path")
    }),
    (Signature::DirectoryShadowed, |seen| {
        refusal(seen, "shadowed")
    }),
    (Signature::NodeRefused, |seen| refusal(seen, "read-only")),
    (Signature::AgentMissing, |seen| {
        seen.nodes[1].agent = Some("there is no Pod of it".to_owned());
        seen.nodes[1].contact = Contact::Failed {
            reason: "no node agent runs on it (there is none)".to_owned(),
            remedy: Some("see".to_owned()),
        };
        seen.nodes[1].files.clear();
        seen.pulls = vec![PullSeen {
            node: Some("w2".to_owned()),
            ..pull("x509: certificate signed by unknown authority")
        }];
    }),
    (Signature::TrustMissing, |seen| {
        seen.nodes[1]
            .files
            .iter_mut()
            .for_each(|file| file.now = None);
        seen.nodes[1].journal = false;
    }),
    (Signature::TrustErased, |seen| {
        seen.nodes[0]
            .files
            .iter_mut()
            .for_each(|file| file.now = None);
        seen.pulls = vec![pull("x509: certificate signed by unknown authority")];
    }),
    (Signature::HostsTomlBroken, |seen| {
        toml(seen, "[host.\"https://10.96.0.50:5000\"\n")
    }),
    (Signature::HostsTomlNoHost, |seen| {
        toml(seen, "ca = \"ca.crt\"\n")
    }),
    (Signature::StaleAddress, |seen| {
        toml(seen, &TOML.replace("0.50", "0.49"))
    }),
    (Signature::PlainHttpEndpoint, |seen| {
        toml(seen, &TOML.replace("https://10", "http://10"))
    }),
    (Signature::CaFileMissing, |seen| {
        seen.nodes[0].files[0].now = None
    }),
    (Signature::NodeWrongCa, |seen| {
        seen.nodes[0].files[0].now = Some(another_authority());
        seen.pulls = vec![pull("x509: certificate signed by unknown authority")];
    }),
    // The right one, in a form that no runtime reads.
    (Signature::NodeWrongCa, |seen| {
        seen.nodes[0].files[0].now = Some(format!("\u{feff}{}", authority()));
        seen.pulls = vec![pull("x509: certificate signed by unknown authority")];
    }),
    (Signature::NodeWrongCa, |seen| {
        seen.nodes[0].files[0].now = Some(authority().replace('\n', "\n  "));
    }),
    (Signature::TrustEdited, |seen| {
        toml(seen, &format!("# mine\n{TOML}"))
    }),
    (Signature::TrustEdited, |seen| {
        seen.registry.by_name = true;
        seen.nodes[0].files.push(NodeFile {
            path: "/etc/hosts".to_owned(),
            wanted: "127.0.0.1 localhost\n10.96.0.50 docker-registry\n".to_owned(),
            now: Some("127.0.0.1 localhost\n".to_owned()),
        });
    }),
    (Signature::StaleHosts, |seen| {
        seen.nodes[0].other_addresses = vec!["10.96.0.9".to_owned()]
    }),
    (Signature::ConfigNotLoaded, |seen| {
        seen.nodes[0].config_not_loaded = true;
        seen.pulls = vec![pull("dial tcp: lookup docker-registry: no such host")];
    }),
    (Signature::ConfigNotLoaded, |seen| {
        seen.nodes[0].config_not_loaded = true;
        failed(seen, Some("w1"), "lookup docker-registry: no such host");
    }),
    (Signature::ChangedByHand, |seen| {
        by_hand(seen, "Deployment kreg-system/docker-registry");
        failed(seen, None, "200 without a password");
    }),
    (Signature::ProofFailed, |seen| {
        failed(seen, None, "200 without a password")
    }),
    (Signature::TrustNotRead, |seen| {
        failed(seen, Some("w1"), "lookup docker-registry: no such host");
    }),
    (Signature::NodePullFails, |seen| {
        failed(seen, Some("w1"), "read-only file system");
        seen.pulls = vec![pull("read-only file system")];
    }),
    // A node that cannot be looked at, and whose files are not known.
    (Signature::NodePullFails, |seen| {
        seen.nodes[0].files.clear();
        failed(seen, Some("w1"), "lookup docker-registry: no such host");
    }),
    (Signature::ImageWithoutPort, |seen| {
        let mut one = pull("pull access denied, repository does not exist");
        one.image = "docker-registry/app:v1".to_owned();
        seen.pulls = vec![one];
    }),
    (Signature::SecretNotInNamespace, |seen| {
        pod_secret(seen, |secret| {
            *secret = PullSecretSeen {
                name: "regcred".to_owned(),
                ..PullSecretSeen::default()
            };
        })
    }),
    (Signature::SecretWrongType, |seen| {
        pod_secret(seen, |secret| secret.wrong_type = Some("Opaque".to_owned()))
    }),
    (Signature::SecretWrongHost, |seen| {
        pod_secret(seen, |secret| secret.matches = false)
    }),
    (Signature::SecretStale, |seen| {
        pod_secret(seen, |secret| secret.login = Some(Login::WrongPassword))
    }),
    (Signature::AccountWithoutSecret, |seen| {
        let mut one = pull("failed with status code [manifests v1]: 401 Unauthorized");
        one.secrets.clear();
        seen.pulls = vec![one];
    }),
    (Signature::ImageNotFound, |seen| {
        seen.pulls = vec![pull("docker-registry:5000/app:v1: not found")]
    }),
    (Signature::ImageNotFound, |seen| {
        let mut one = pull("dial tcp: lookup docker-registry: no such host");
        one.in_registry = Some(false);
        seen.pulls = vec![one];
        seen.nodes[0].config_not_loaded = true;
    }),
    (Signature::WrongArchitecture, |seen| {
        seen.pulls = vec![pull("exec /app: exec format error")]
    }),
    (Signature::PullNotTrusted, |seen| {
        seen.pulls = vec![pull("x509: certificate signed by unknown authority")];
    }),
    (Signature::PullFailed, |seen| {
        seen.pulls = vec![pull("context deadline exceeded")]
    }),
    // The kubelet's own reasons, which CRI-O gives it.
    (Signature::PullFailed, |seen| {
        let mut one = pull(
            "Source image rejected: Running image docker://docker-registry:5000/a is rejected by policy.",
        );
        one.reason = "SignatureValidationFailed".to_owned();
        seen.pulls = vec![one];
    }),
    (Signature::PullFailed, |seen| {
        let mut one =
            pull("image pull failed because the registry is unavailable: connection refused");
        one.reason = "RegistryUnavailable".to_owned();
        seen.pulls = vec![one];
    }),
];
