use std::convert::Infallible;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use k8s_openapi::serde_json::{from_value, json};
use kube::client::Body;

use super::*;

fn pod(name: &str, node: Option<&str>, state: &str, terminates: bool) -> Pod {
    let at = terminates.then_some("2026-01-01T00:00:00Z");
    from_value(json!({
        "metadata": { "name": name, "deletionTimestamp": at },
        "spec": { "nodeName": node, "containers": [] },
        "status": { "phase": "Pending", "containerStatuses": [{ "name": "agent", "image": "", "imageID": "",
            "ready": false, "restartCount": 0, "state": { state: { "reason": "ErrImagePull", "message": "no" } } }] },
    }))
    .unwrap()
}

/// An API server that lists these Pods, never sends an event, and notes what it was asked.
#[derive(Clone, Default)]
struct Server {
    pods: Vec<Pod>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl tower_service::Service<http::Request<Body>> for Server {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let watches = query.contains("watch=true");
        self.asked.lock().unwrap().push(query);
        if watches {
            return Box::pin(std::future::pending());
        }
        let list = json!({ "kind": "PodList", "apiVersion": "v1",
            "metadata": { "resourceVersion": "5" }, "items": self.pods });
        let body = Body::from(list.to_string().into_bytes());
        Box::pin(std::future::ready(Ok(http::Response::new(body))))
    }
}

fn watch_of(server: Server) -> AgentWatch {
    let instance = InstanceId::new("registry").unwrap();
    AgentWatch::new(Client::new(server, "x"), Handle::current(), instance)
}

/// The name of the Pod on that node.
async fn on(watch: &AgentWatch, node: &str, gone: Option<&str>) -> String {
    watch.on(node, gone).await.unwrap().unwrap().name
}

/// A watch whose table the test fills.
fn watched() -> (AgentWatch, watch::Sender<Table>) {
    let watch = watch_of(Server::default());
    let (sender, table) = watch::channel(Table::default());
    let task = tokio::spawn(async {}).abort_handle();
    *watch.inner.started.lock().unwrap() = Some(Started { table, task });
    (watch, sender)
}

#[tokio::test(start_paused = true)]
async fn all_programs_on_all_nodes_and_all_waits_share_one_list_and_one_watch() {
    let node = |number: usize| format!("node-{number}");
    let agent = |number| {
        pod(
            &format!("agent-{number}"),
            Some(&node(number)),
            "running",
            false,
        )
    };
    let server = Server {
        pods: (0..200).map(agent).collect(),
        ..Server::default()
    };
    let watch = watch_of(server.clone());
    let programs = (0..1000).map(|number| {
        let watch = watch.clone();
        async move { on(&watch, &node(number % 200), None).await }
    });
    let found = futures::future::join_all(programs).await;
    assert_eq!(found[399], "agent-199");
    let limit = Duration::from_secs(60);
    assert!(!watch.until(limit, |pods| pods.len() == 201).await.unwrap());
    let asked = server.asked.lock().unwrap().clone();
    let [list, events] = asked.as_slice() else {
        panic!("{asked:?}")
    };
    // Served from the API server's cache.
    assert!(list.contains("resourceVersion=0"), "{list}");
    assert!(events.contains("watch=true"), "{events}");
}

fn listed(table: &watch::Sender<Table>, pods: Vec<Pod>) {
    table.send_modify(|table| {
        table.take(watcher::Event::Init);
        pods.into_iter()
            .for_each(|pod| table.take(watcher::Event::InitApply(pod)));
        table.take(watcher::Event::InitDone);
    });
}

#[tokio::test(start_paused = true)]
async fn a_program_goes_to_the_pod_that_runs_and_does_not_terminate() {
    let (watch, table) = watched();
    let old = pod("old", Some("a"), "running", true);
    let new = pod("new", Some("a"), "running", false);
    listed(
        &table,
        vec![old, new, pod("b", Some("aa"), "running", false)],
    );
    assert_eq!(on(&watch, "a", None).await, "new");
    assert_eq!(on(&watch, "aa", None).await, "b");
    assert_eq!(watch.on("a", Some("new")).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_comes_a_moment_later_is_waited_for() {
    let (watch, table) = watched();
    listed(&table, vec![pod("new", None, "waiting", false)]);
    let (found, ()) = tokio::join!(on(&watch, "a", None), async {
        tokio::time::sleep(GRACE / 2).await;
        let scheduled = pod("new", Some("a"), "running", false);
        table.send_modify(|table| table.take(watcher::Event::Apply(scheduled)));
    });
    assert_eq!(found, "new");
    assert_eq!(table.borrow().pods.len(), 1, "it is there once");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_does_not_run_is_reported_with_the_kubelets_words() {
    let (watch, table) = watched();
    listed(&table, vec![pod("new", Some("a"), "waiting", false)]);
    let found = watch.on("a", None).await.unwrap().unwrap();
    assert!(
        !found.runs && found.state == "new is ErrImagePull: no",
        "{found:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_list_forgets_pods_that_are_gone_and_a_watch_drops_them() {
    let (_watch, table) = watched();
    listed(
        &table,
        vec![
            pod("one", Some("a"), "running", false),
            pod("two", Some("b"), "running", false),
        ],
    );
    table.send_modify(|table| {
        table.take(watcher::Event::Delete(pod(
            "two",
            Some("b"),
            "running",
            true,
        )));
    });
    assert_eq!(table.borrow().pods.len(), 1);
    listed(&table, vec![]);
    assert!(table.borrow().pods.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_condition_is_waited_for_and_a_refusal_ends_the_wait_at_once() {
    let (watch, table) = watched();
    listed(&table, vec![]);
    let limit = Duration::from_secs(60);
    let (came, ()) = tokio::join!(watch.until(limit, |pods| pods.len() == 1), async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let new = pod("new", Some("a"), "running", false);
        table.send_modify(|table| table.take(watcher::Event::Apply(new)));
    });
    assert!(came.unwrap());
    assert!(!watch.until(limit, |pods| pods.is_empty()).await.unwrap());
    let begun = Instant::now();
    table.send_modify(|table| {
        table.failed = Some(Failure {
            detail: "pods is forbidden: User x".to_owned(),
            denied: true,
        });
    });
    let error = watch
        .until(limit, |pods| pods.is_empty())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("forbidden"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(1));
}
