//! The proof on the nodes of a real cluster: each way in which a node can be wrong is told by its
//! own cause, and a cluster that is set up right passes. All in one namespace, taken away at the end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)] // a test may fail by them
#![allow(clippy::disallowed_methods, reason = "what others than kreg write")]

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, Secret, Service};
use kreg_auth::{Cost, Credentials, Htpasswd, PullSecret, RegistryHost};
use kreg_pki::{Authority, AuthorityRequest, Issuer, LeafRequest};
use kreg_verify::pods::{NodePull, NodeRoute, RUN_LABEL};
use kreg_verify::watch::{NodeTally, Watch, WatchReport};
use kreg_verify::{
    Check, CheckReport, Context, NodePulls, Outcome, PodStreams, Remedy, Report, Status, Target,
    Verdict, Verification,
};
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Client, ResourceExt};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const NAMESPACE: &str = "kreg-verify-test";
const HOST: &str = "kreg-verify-test:5000";
const PULL_SECRET: &str = "pull";

/// A registry of our own in the cluster, and what is needed to trust it.
struct World {
    client: Client,
    authority: Authority,
    user: Credentials,
    address: String,
    nodes: Vec<String>,
}

#[tokio::test]
#[ignore = "needs KUBECONFIG of a cluster whose nodes have kreg.test/registry:2.8.2 and kreg.test/busybox:1.35: run by cargo xtask test"]
async fn nodes_are_proven_and_every_fault_is_told_by_its_cause() {
    let client = Client::try_default().await.expect("a cluster");
    remove_namespace(&client).await;
    let outcome = AssertUnwindSafe(async {
        let world = World::build(client.clone()).await;
        let told = AssertUnwindSafe(stories(&world)).catch_unwind().await;
        world.distrust().await;
        told.unwrap_or_else(|panic| resume_unwind(panic));
    })
    .catch_unwind()
    .await;
    remove_namespace(&client).await;
    outcome.unwrap_or_else(|panic| resume_unwind(panic));
}

async fn stories(world: &World) {
    // Nothing on the nodes: the name does not resolve.
    let report = world.verify(Some(PULL_SECRET)).await;
    world.assert_every_node(
        &report,
        "this node does not know the registry's name",
        Remedy::TrustAndCompare,
    );
    assert_ne!(report.verdict, Verdict::Pass);

    // Another CA on the nodes.
    let other = Authority::generate(&AuthorityRequest::new("other")).unwrap();
    world.trust(&other.certificate_pem()).await;
    let report = world.verify(Some(PULL_SECRET)).await;
    world.assert_every_node(
        &report,
        "x509: certificate signed by unknown authority",
        Remedy::TrustAndCompare,
    );

    // The right CA, and no pull secret. containerd 1.6 says `401 Unauthorized`, 2.4 does not.
    world.trust(&world.authority.certificate_pem()).await;
    let report = world.verify(None).await;
    world.assert_every_node(
        &report,
        "the pull secret is missing",
        Remedy::ApplyPullSecret,
    );

    // All right.
    let report = world.verify(Some(PULL_SECRET)).await;
    assert_eq!(lines(report.failures()), Vec::<String>::new());
    assert_eq!(report.verdict, Verdict::Pass);
    let pulls: Vec<_> = report
        .checks
        .iter()
        .filter(|check| check.name == NodePull::NAME)
        .collect();
    assert_eq!(pulls.len(), world.nodes.len());
    let routes = report
        .checks
        .iter()
        .filter(|check| check.name == NodeRoute::NAME);
    assert_eq!(routes.count(), world.nodes.len());
    for pull in pulls {
        assert_eq!(pull.status, Status::Pass, "{pull}");
        let digest = report.image.split('@').nth(1).unwrap();
        let on_node = pull
            .evidence
            .iter()
            .any(|e| e.label == "image on the node" && e.text.contains(digest));
        assert!(on_node, "{pull:#?}");
        assert!(
            pull.evidence
                .iter()
                .any(|e| e.text.starts_with("Pulled: Successfully pulled")),
            "{pull:#?}"
        );
    }
    assert_eq!(world.left_pods().await, Vec::<String>::new());

    // Stopped in the middle of the pulls: nothing stays.
    let pods: Api<Pod> = Api::namespaced(world.client.clone(), NAMESPACE);
    let stop = async {
        let all = ListParams::default().labels(RUN_LABEL);
        // An API server that does not answer for once says nothing about Pods.
        while !pods
            .list(&all)
            .await
            .is_ok_and(|list| list.items.len() >= world.nodes.len())
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    // However late that is seen, the run is not at its end by itself.
    let report = world
        .verification(Some(PULL_SECRET))
        .with_check(Endless)
        .run_until(stop)
        .await
        .unwrap();
    assert!(report.interrupted, "{:?}", lines(report.checks.iter()));
    assert_eq!(report.verdict, Verdict::Fail);
    assert_eq!(world.left_pods().await, Vec::<String>::new());

    watched(world).await;
}

/// Pulls are counted on every node, then the registry goes, and that is counted by its cause. The last
/// story: nothing is there afterwards.
async fn watched(world: &World) {
    let (seen, mut news) = tokio::sync::watch::channel(None::<WatchReport>);
    let each = |report: &Option<WatchReport>, wanted: fn(&NodeTally) -> bool| {
        report
            .as_ref()
            .is_some_and(|report| report.nodes.iter().all(wanted))
    };
    let pushed = |report: &Option<WatchReport>| {
        report
            .as_ref()
            .is_some_and(|report| report.pushes.pushed >= 2)
    };
    // A pull that is under way when the registry goes may fail by another cause.
    let unreachable = |node: &NodeTally| node.causes.contains_key("unreachable");
    let stop = async {
        let passed =
            news.wait_for(|report| pushed(report) && each(report, |node| node.passed >= 2));
        drop(passed.await.unwrap());
        let pods: Api<Pod> = Api::namespaced(world.client.clone(), NAMESPACE);
        pods.delete("registry", &DeleteParams::default())
            .await
            .unwrap();
        let failed = news.wait_for(|report| each(report, unreachable));
        drop(failed.await.unwrap());
    };
    let target = world.target();
    let pulls = world.pulls(Some(PULL_SECRET));
    let report = Watch::of_cluster(
        target,
        world.streams(),
        pulls,
        NAMESPACE,
        "kreg-verify-test",
    )
    .every(Duration::from_secs(1))
    .observe(move |_, report| drop(seen.send_replace(Some(report.clone()))))
    .run_until(async {
        let limit = Duration::from_secs(180);
        tokio::time::timeout(limit, stop)
            .await
            .expect("pulls are counted in time");
    })
    .await
    .unwrap();
    assert_eq!(report.verdict, Verdict::Fail);
    assert_eq!(report.left, Vec::<String>::new());
    assert!(report.pushes.pushed >= 2, "{:?}", report.pushes);
    for node in &report.nodes {
        assert!(unreachable(node), "{node:?}");
        assert!(node.slowest_seconds > 0.0, "{node:?}");
    }
    assert_eq!(world.left_pods().await, Vec::<String>::new());
}

impl World {
    async fn build(client: Client) -> World {
        let authority = Authority::generate(&AuthorityRequest::new("kreg-verify-test")).unwrap();
        let user = Credentials::new("myuser", "mypasswd").unwrap();
        // The test's helper Pods mount a folder of the node; the probe Pods are `restricted` all the same.
        let namespace: Namespace = object(json!({ "metadata": { "name": NAMESPACE, "labels": {
            "pod-security.kubernetes.io/enforce": "privileged",
            "pod-security.kubernetes.io/warn": "restricted",
        } } }));
        Api::all(client.clone())
            .create(&PostParams::default(), &namespace)
            .await
            .unwrap();
        let service: Service = create(&client, json!({
            "metadata": { "name": "kreg-verify-test" },
            "spec": { "selector": { "app": "kreg-verify-test" }, "ports": [{ "port": 5000, "targetPort": "https" }] },
        }))
        .await;
        let address = service.spec.unwrap().cluster_ip.unwrap();
        let leaf = authority
            .issue(&LeafRequest::new("kreg-verify-test").sans([
                "kreg-verify-test".parse().unwrap(),
                address.parse().unwrap(),
            ]))
            .unwrap();
        let mut users = Htpasswd::parse("");
        users.add(&user, Cost::MIN).unwrap();
        let host: RegistryHost = HOST.parse().unwrap();
        let _: Secret = create(
            &client,
            json!({ "metadata": { "name": "registry" }, "stringData": {
            "tls.crt": leaf.chain_pem(),
            "tls.key": leaf.key_pem().expose_secret(),
            "htpasswd": String::from_utf8(users.to_bytes()).unwrap(),
        } }),
        )
        .await;
        let config = PullSecret::for_registry(&host, &user);
        let _: Secret = create(
            &client,
            json!({
                "metadata": { "name": PULL_SECRET },
                "type": "kubernetes.io/dockerconfigjson",
                "stringData": { ".dockerconfigjson": config.to_json().expose_secret() },
            }),
        )
        .await;
        let _: Pod = create(&client, registry_pod()).await;
        wait_for(&client, "registry", |pod| {
            let conditions = pod
                .status
                .iter()
                .flat_map(|status| status.conditions.iter().flatten());
            conditions
                .into_iter()
                .any(|condition| condition.type_ == "Ready" && condition.status == "True")
        })
        .await;
        let nodes = Api::<Node>::all(client.clone())
            .list(&ListParams::default())
            .await
            .unwrap();
        World {
            nodes: nodes.iter().map(ResourceExt::name_any).collect(),
            client,
            authority,
            user,
            address,
        }
    }

    async fn verify(&self, pull_secret: Option<&str>) -> Report {
        self.verification(pull_secret).run().await.unwrap()
    }

    fn verification(&self, pull_secret: Option<&str>) -> Verification {
        let (target, pulls) = (self.target(), self.pulls(pull_secret));
        Verification::of_cluster(target, self.streams(), NAMESPACE, "kreg-verify-test")
            .on_nodes(pulls)
            .observe(|check| eprintln!("{check}"))
    }

    fn streams(&self) -> PodStreams {
        // kube's default client has no read timeout.
        PodStreams::of_client(self.client.clone())
    }

    fn target(&self) -> Target {
        Target {
            host: HOST.parse().unwrap(),
            ca_pem: self.authority.certificate_pem(),
            credentials: self.user.clone(),
        }
    }

    fn pulls(&self, pull_secret: Option<&str>) -> NodePulls {
        let secret = pull_secret.map(str::to_owned);
        NodePulls::new(self.client.clone(), NAMESPACE, secret)
    }

    /// Every node fails, with these words of the kubelet and this advice, and nothing else does.
    fn assert_every_node(&self, report: &Report, words: &str, remedy: Remedy) {
        let (of_nodes, others): (Vec<_>, Vec<_>) =
            report.failures().partition(|check| check.node.is_some());
        assert_eq!(lines(others), Vec::<String>::new());
        assert_eq!(report.failed_nodes(), self.nodes);
        for check in of_nodes {
            assert!(
                check.message.contains(words),
                "`{words}` is not in: {check}"
            );
            assert_eq!(check.remedy, Some(remedy), "{check}");
        }
    }

    /// Writes hosts.toml and CA on every node, in both places where a containerd with its default
    /// configuration reads them: where it splits the list `config_path`, and where it does not.
    async fn trust(&self, ca_pem: &str) {
        let hosts = format!(
            "server = \"https://{HOST}\"\nca = \"ca.crt\"\n\n[host.\"https://{}:5000\"]\n  capabilities = [\"pull\", \"resolve\"]\n  ca = \"ca.crt\"\n",
            self.address
        );
        let script = "for root in \"$FIRST\" \"$LIST\"; do \
             mkdir -p \"/h/$root/$HOST\"; printf %s \"$CA\" > \"/h/$root/$HOST/ca.crt\"; \
             printf %s \"$HOSTS\" > \"/h/$root/$HOST/hosts.toml\"; done";
        let env = [("CA", ca_pem), ("HOSTS", hosts.as_str())];
        self.on_every_node(script, &env).await;
    }

    async fn distrust(&self) {
        let script = "cd /h; rm -rf \"$FIRST/$HOST\" \"$LIST/$HOST\"; rmdir -p \"$LIST\" || :";
        self.on_every_node(script, &[]).await;
    }

    /// Runs a script where /h is the node's /etc/containerd, with the two roots as variables.
    async fn on_every_node(&self, script: &str, more: &[(&str, &str)]) {
        let known = [
            ("HOST", HOST),
            ("FIRST", "certs.d"),
            ("LIST", "certs.d:/etc/docker/certs.d"),
        ];
        let env: Vec<Value> = known
            .iter()
            .chain(more)
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect();
        // Those of a round that went wrong are there still.
        static ROUND: AtomicUsize = AtomicUsize::new(0);
        let round = ROUND.fetch_add(1, Ordering::Relaxed);
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), NAMESPACE);
        for (number, node) in self.nodes.iter().enumerate() {
            let name = format!("files-{round}-{number}");
            let _: Pod = create(&self.client, json!({
                "metadata": { "name": name },
                "spec": {
                    "nodeName": node, "restartPolicy": "Never", "tolerations": [{ "operator": "Exists" }],
                    "terminationGracePeriodSeconds": 0,
                    "volumes": [{ "name": "h", "hostPath": { "path": "/etc/containerd", "type": "DirectoryOrCreate" } }],
                    "containers": [{
                        "name": "sh", "image": "kreg.test/busybox:1.35", "imagePullPolicy": "Never",
                        "command": ["/bin/busybox", "sh", "-ec", format!("PATH=/bin; {script}")], "env": env,
                        "volumeMounts": [{ "name": "h", "mountPath": "/h" }],
                    }],
                },
            }))
            .await;
        }
        for number in 0..self.nodes.len() {
            let name = format!("files-{round}-{number}");
            let pod = wait_for(&self.client, &name, |pod| {
                let phase = pod
                    .status
                    .as_ref()
                    .and_then(|status| status.phase.as_deref());
                matches!(phase, Some("Succeeded" | "Failed"))
            })
            .await;
            assert_eq!(
                pod.status.unwrap().phase.as_deref(),
                Some("Succeeded"),
                "{name}"
            );
            pods.delete(&name, &DeleteParams::default()).await.unwrap();
            let uid = pod.metadata.uid.unwrap();
            let gone = await_condition(pods.clone(), &name, conditions::is_deleted(&uid));
            tokio::time::timeout(Duration::from_secs(60), gone)
                .await
                .unwrap()
                .unwrap();
        }
    }

    async fn left_pods(&self) -> Vec<String> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), NAMESPACE);
        let ours = pods
            .list(&ListParams::default().labels(RUN_LABEL))
            .await
            .unwrap();
        ours.iter().map(ResourceExt::name_any).collect()
    }
}

/// A check that never ends.
struct Endless;

impl Check for Endless {
    fn name(&self) -> &str {
        "endless"
    }

    fn title(&self) -> String {
        "it ends".to_owned()
    }

    fn run<'a>(&'a self, _: &'a Context) -> BoxFuture<'a, Outcome> {
        Box::pin(std::future::pending())
    }
}

/// One line each: of a longer text only the end is shown.
fn lines<'a>(checks: impl IntoIterator<Item = &'a CheckReport>) -> Vec<String> {
    checks.into_iter().map(ToString::to_string).collect()
}

fn registry_pod() -> Value {
    json!({
        "metadata": { "name": "registry", "labels": { "app": "kreg-verify-test" } },
        "spec": {
            "enableServiceLinks": false,
            "terminationGracePeriodSeconds": 0,
            "volumes": [{ "name": "secret", "secret": { "secretName": "registry" } }],
            "containers": [{
                "name": "registry", "image": "kreg.test/registry:2.8.2", "imagePullPolicy": "Never",
                "ports": [{ "name": "https", "containerPort": 5000 }],
                "volumeMounts": [{ "name": "secret", "mountPath": "/secret", "readOnly": true }],
                "readinessProbe": { "httpGet": { "scheme": "HTTPS", "port": 5000, "path": "/" }, "periodSeconds": 1 },
                "env": [
                    { "name": "REGISTRY_HTTP_TLS_CERTIFICATE", "value": "/secret/tls.crt" },
                    { "name": "REGISTRY_HTTP_TLS_KEY", "value": "/secret/tls.key" },
                    { "name": "REGISTRY_AUTH", "value": "htpasswd" },
                    { "name": "REGISTRY_AUTH_HTPASSWD_REALM", "value": "Registry Realm" },
                    { "name": "REGISTRY_AUTH_HTPASSWD_PATH", "value": "/secret/htpasswd" },
                    { "name": "REGISTRY_STORAGE_DELETE_ENABLED", "value": "true" },
                ],
            }],
        },
    })
}

fn object<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// Creates a namespaced object; a new namespace's service account comes a moment late.
async fn create<K>(client: &Client, value: Value) -> K
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + serde::Serialize,
{
    let api: Api<K> = Api::namespaced(client.clone(), NAMESPACE);
    let wanted: K = object(value);
    for _ in 0..60 {
        match api.create(&PostParams::default(), &wanted).await {
            Err(kube::Error::Api(status)) if status.message.contains("serviceaccount") => {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            created => return created.unwrap(),
        }
    }
    panic!("namespace {NAMESPACE} got no service account")
}

async fn wait_for(client: &Client, name: &str, holds: impl Fn(&Pod) -> bool) -> Pod {
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let waited = await_condition(pods, name, |pod: Option<&Pod>| pod.is_some_and(&holds));
    let pod = tokio::time::timeout(Duration::from_secs(90), waited).await;
    pod.unwrap_or_else(|_| panic!("pod {name} was not ready in time"))
        .unwrap()
        .unwrap()
}

async fn remove_namespace(client: &Client) {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    if namespaces.get_opt(NAMESPACE).await.unwrap().is_none() {
        return;
    }
    let uid = namespaces.get(NAMESPACE).await.unwrap().uid().unwrap();
    let _ = namespaces.delete(NAMESPACE, &DeleteParams::default()).await;
    let gone = await_condition(namespaces, NAMESPACE, conditions::is_deleted(&uid));
    tokio::time::timeout(Duration::from_secs(120), gone)
        .await
        .unwrap()
        .unwrap();
}
