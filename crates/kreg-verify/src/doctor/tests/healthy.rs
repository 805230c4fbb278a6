//! A registry that is well, and parts to change it by.

use std::collections::BTreeMap;

use crate::doctor::*;

/// A registry that is well, on two nodes.
pub(super) fn healthy() -> Observations {
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
            refused: None,
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

pub(super) fn own_secret() -> PullSecretSeen {
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

pub(super) const DIR: &str = "/etc/containerd/certs.d/docker-registry:5000";
pub(super) const TOML: &str = "server = \"https://docker-registry:5000\"\nca = \"ca.crt\"\n\n[host.\"https://10.96.0.50:5000\"]\nca = \"ca.crt\"\n";

pub(super) fn node(name: &str) -> NodeSeen {
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
        kubelet_runtime: "containerd://2.1.4".to_owned(),
        runtimes: vec![RuntimeSeen {
            name: "containerd".to_owned(),
            unit: Some("containerd".to_owned()),
            ..RuntimeSeen::default()
        }],
        clock_ahead: Some(1),
        route: Some(Route::Open),
        ..NodeSeen::default()
    }
}

/// One real CA for the whole run.
pub(super) fn authority() -> String {
    use std::sync::OnceLock;
    static PEM: OnceLock<String> = OnceLock::new();
    PEM.get_or_init(another_authority).clone()
}

pub(super) fn another_authority() -> String {
    let request = kreg_pki::AuthorityRequest::new("docker-registry");
    kreg_pki::Authority::generate(&request)
        .unwrap()
        .certificate_pem()
}

pub(super) fn pull(message: &str) -> PullSeen {
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

pub(super) fn lint(code: &str) -> LintFinding {
    LintFinding {
        code: code.to_owned(),
        error: true,
        ..LintFinding::default()
    }
}

pub(super) type Edit = fn(&mut Observations);

pub(super) fn unready(seen: &mut Observations, edit: fn(&mut PodSeen)) {
    seen.workload.as_mut().unwrap().ready = 0;
    let pod = &mut seen.pods[0];
    pod.ready = false;
    edit(pod);
}

pub(super) fn claim(seen: &mut Observations, edit: fn(&mut Claim)) {
    let claim = seen.storage.claim.as_mut().unwrap();
    claim.phase = "Pending".to_owned();
    edit(claim);
}

pub(super) fn toml(seen: &mut Observations, text: &str) {
    seen.nodes[0].files[1].now = Some(text.to_owned());
}

pub(super) fn pod_secret(seen: &mut Observations, edit: fn(&mut PullSecretSeen)) {
    let mut one = pull("failed with status code: 401 Unauthorized");
    edit(&mut one.secrets[0]);
    seen.pulls = vec![one];
}

pub(super) fn refusal(seen: &mut Observations, kind: &str) {
    seen.nodes[1].refusals = vec![NodeRefusal {
        kind: kind.to_owned(),
        ..NodeRefusal::default()
    }];
}

pub(super) fn proxied(exceptions: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("HTTPS_PROXY".to_owned(), "http://proxy:3128".to_owned()),
        ("NO_PROXY".to_owned(), exceptions.to_owned()),
    ])
}

pub(super) fn by_hand(seen: &mut Observations, object: &str) {
    seen.changed.push(ChangedObject {
        object: object.to_owned(),
        fields: vec!["spec.replicas, by kubectl-patch".to_owned()],
    });
}

/// A check of the proof failed: `node-pull` on a node, else `anonymous`.
pub(super) fn failed(seen: &mut Observations, node: Option<&str>, words: &str) {
    seen.proof.push(FailedCheck {
        check: if node.is_some() {
            "node-pull"
        } else {
            "anonymous"
        }
        .to_owned(),
        title: "the claim".to_owned(),
        node: node.map(str::to_owned),
        message: format!("the pull failed: {words}; advice"),
        remedy: None,
        evidence: vec![
            format!("kubelet event: Failed: Failed to pull image \"r:5000/a@sha256:0\": {words}"),
            "node: containerd://2.1.4, kubelet v1.34.0".to_owned(),
        ],
    });
}
