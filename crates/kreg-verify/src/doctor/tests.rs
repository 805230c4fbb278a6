//! Every rule by a value that shows it and by one that nearly does; and all of them on what is well.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// A registry that is well, on two nodes.
fn healthy() -> Observations {
    let labels = BTreeMap::from([("app".to_owned(), "registry".to_owned())]);
    Observations {
        registry: Registry {
            host: "docker-registry:5000".to_owned(),
            instance: "docker-registry".to_owned(),
            namespace: "kreg-system".to_owned(),
            port: 5000,
            address: Some([10, 96, 0, 50].into()),
            known_address: Some([10, 96, 0, 50].into()),
            endpoint: "https://10.96.0.50:5000".to_owned(),
            by_name: false,
            options: String::new(),
            pull_secret: "docker-registry-pull".to_owned(),
            htpasswd_secret: "docker-registry-htpasswd".to_owned(),
            tls_secret: "docker-registry-tls".to_owned(),
        },
        workload: Some(Workload {
            object: "Deployment kreg-system/docker-registry".to_owned(),
            wanted: 1,
            ready: 1,
            image: "registry:2.8.3".to_owned(),
            shares_secret: true,
            missing: Vec::new(),
        }),
        pods: vec![PodSeen {
            object: "Pod kreg-system/docker-registry-x".to_owned(),
            node: Some("w1".to_owned()),
            ready: true,
            labels: labels.clone(),
            ports: vec![("https".to_owned(), 5000)],
            ..PodSeen::default()
        }],
        service: Some(ServiceSeen {
            object: "Service kreg-system/docker-registry".to_owned(),
            selector: labels,
            ports: vec![(5000, "5000".to_owned())],
        }),
        storage: Storage {
            claim: Some(Claim {
                object: "PersistentVolumeClaim kreg-system/docker-registry-data".to_owned(),
                phase: "Bound".to_owned(),
                class: Some("standard".to_owned()),
                ..Claim::default()
            }),
            classes: vec![StorageClass {
                name: "standard".to_owned(),
                default: true,
                provisioner: "rancher.io/local-path".to_owned(),
            }],
        },
        auth: Auth {
            findings: Vec::new(),
            pull_secret: Some(own_secret()),
        },
        answers: Answers {
            user: Some(200),
            upload: Some(Upload::Begun),
            ..Answers::default()
        },
        nodes: vec![node("w1"), node("w2")],
        ..Observations::default()
    }
}

fn own_secret() -> PullSecretSeen {
    PullSecretSeen {
        name: "docker-registry-pull".to_owned(),
        exists: true,
        hosts: vec!["docker-registry:5000".to_owned()],
        matches: true,
        user: Some("kreg".to_owned()),
        login: Some(Login::Accepted),
        ..PullSecretSeen::default()
    }
}

const DIR: &str = "/etc/containerd/certs.d/docker-registry:5000";
const TOML: &str = "server = \"https://docker-registry:5000\"\nca = \"ca.crt\"\n\n[host.\"https://10.96.0.50:5000\"]\nca = \"ca.crt\"\n";

fn node(name: &str) -> NodeSeen {
    let file = |file: &str, text: &str| NodeFile {
        path: format!("{DIR}/{file}"),
        wanted: text.to_owned(),
        now: Some(text.to_owned()),
    };
    NodeSeen {
        name: name.to_owned(),
        arch: "amd64".to_owned(),
        contact: Contact::Entered,
        files: vec![file("ca.crt", &authority()), file("hosts.toml", TOML)],
        journal: true,
        clock_ahead: Some(1),
        route: Some(Route::Open),
        ..NodeSeen::default()
    }
}

/// One real CA for the whole run.
fn authority() -> String {
    use std::sync::OnceLock;
    static PEM: OnceLock<String> = OnceLock::new();
    PEM.get_or_init(another_authority).clone()
}

fn another_authority() -> String {
    let request = kreg_pki::AuthorityRequest::new("docker-registry");
    kreg_pki::Authority::generate(&request)
        .unwrap()
        .certificate_pem()
}

fn pull(message: &str) -> PullSeen {
    PullSeen {
        object: "Pod team/app".to_owned(),
        namespace: "team".to_owned(),
        node: Some("w1".to_owned()),
        image: "docker-registry:5000/app:v1".to_owned(),
        reason: "ErrImagePull".to_owned(),
        message: message.to_owned(),
        in_registry: None,
        secrets: vec![own_secret()],
        account: "default".to_owned(),
    }
}

fn lint(code: &str) -> LintFinding {
    LintFinding {
        code: code.to_owned(),
        error: true,
        ..LintFinding::default()
    }
}

type Edit = fn(&mut Observations);

fn unready(seen: &mut Observations, edit: fn(&mut PodSeen)) {
    seen.workload.as_mut().unwrap().ready = 0;
    let pod = &mut seen.pods[0];
    pod.ready = false;
    edit(pod);
}

fn claim(seen: &mut Observations, edit: fn(&mut Claim)) {
    let claim = seen.storage.claim.as_mut().unwrap();
    claim.phase = "Pending".to_owned();
    edit(claim);
}

fn toml(seen: &mut Observations, text: &str) {
    seen.nodes[0].files[1].now = Some(text.to_owned());
}

fn pod_secret(seen: &mut Observations, edit: fn(&mut PullSecretSeen)) {
    let mut one = pull("failed with status code: 401 Unauthorized");
    edit(&mut one.secrets[0]);
    seen.pulls = vec![one];
}

/// What is done to a healthy registry, and what is named first for it.
const SHOWN: &[(Signature, Edit)] = &[
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
            remedy: "start sshd".to_owned(),
        };
    }),
    (Signature::ClockSkew, |seen| {
        seen.nodes[1].clock_ahead = Some(-200_000)
    }),
    (Signature::ProxySwallows, |seen| {
        seen.nodes[1].proxy = BTreeMap::from([
            ("HTTPS_PROXY".to_owned(), "http://proxy:3128".to_owned()),
            ("NO_PROXY".to_owned(), "localhost,.svc".to_owned()),
        ]);
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
    (Signature::TrustEdited, |seen| {
        toml(seen, &format!("# mine\n{TOML}"))
    }),
    (Signature::StaleHosts, |seen| {
        seen.nodes[0].other_addresses = vec!["10.96.0.9".to_owned()]
    }),
    (Signature::ConfigNotLoaded, |seen| {
        seen.nodes[0].config_not_loaded = true;
        seen.pulls = vec![pull("dial tcp: lookup docker-registry: no such host")];
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
];

fn refusal(seen: &mut Observations, kind: &str) {
    seen.nodes[1].refusals = vec![NodeRefusal {
        kind: kind.to_owned(),
        ..NodeRefusal::default()
    }];
}

/// What looks alike and is well, or is something else: the signature must not be named.
const SPARED: &[(Signature, Edit)] = &[
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
        seen.nodes[0].proxy = BTreeMap::from([
            ("HTTPS_PROXY".to_owned(), "http://proxy:3128".to_owned()),
            ("NO_PROXY".to_owned(), "localhost,10.96.0.0/12".to_owned()),
        ]);
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

fn changed(edit: Edit) -> Observations {
    let mut seen = healthy();
    edit(&mut seen);
    seen
}

#[test]
fn of_a_healthy_registry_nothing_is_said() {
    assert_eq!(examine(&healthy()), []);
    assert_eq!(
        examine(&Observations::default()),
        [],
        "and of one that nobody could look at"
    );
}

#[test]
fn each_break_gives_its_own_cause_first_and_alone() {
    for (wanted, edit) in SHOWN {
        let found = examine(&changed(*edit));
        let roots: Vec<_> = found.iter().map(|one| one.id).collect();
        assert_eq!(roots, [*wanted], "{found:#?}");
        assert!(!found[0].fix.is_empty(), "{wanted} has no fix");
        assert!(!found[0].evidence.is_empty(), "{wanted} has no evidence");
        assert!(!found[0].cause.contains('\n'), "{wanted}: one line");
    }
}

#[test]
fn what_nearly_looks_like_it_is_not_called_so() {
    for (unwanted, edit) in SPARED {
        let found = examine(&changed(*edit));
        let all = found
            .iter()
            .flat_map(|one| one.consequences.iter().chain([one]));
        let ids: Vec<_> = all.map(|one| one.id).collect();
        assert!(!ids.contains(unwanted), "{unwanted}: {found:#?}");
    }
}

#[test]
fn every_signature_is_shown() {
    let shown: BTreeSet<_> = SHOWN.iter().map(|(id, _)| *id).collect();
    let missing: Vec<_> = Signature::ALL
        .iter()
        .filter(|id| !shown.contains(id))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn causes_stand_before_what_they_explain() {
    for cause in Signature::ALL {
        for other in cause.explains() {
            assert!(
                cause < other,
                "{cause} explains {other}, which stands before it"
            );
        }
    }
}

#[test]
fn what_happens_on_one_node_explains_nothing_on_another() {
    let seen = changed(|seen| {
        seen.nodes[1]
            .files
            .iter_mut()
            .for_each(|file| file.now = None);
        seen.pulls = vec![pull("x509: certificate signed by unknown authority")];
    });
    let roots: Vec<_> = examine(&seen).iter().map(|one| one.id).collect();
    assert_eq!(roots, [Signature::TrustErased, Signature::PullNotTrusted]);
}

#[test]
fn names_in_output_and_in_json_are_the_same() {
    for id in Signature::ALL {
        assert_eq!(serde_json::to_value(id).unwrap(), id.as_str());
    }
}

#[test]
fn observations_survive_json() {
    for (_, edit) in SHOWN {
        let seen = changed(*edit);
        let text = serde_json::to_string(&seen).unwrap();
        assert_eq!(serde_json::from_str::<Observations>(&text).unwrap(), seen);
    }
}
