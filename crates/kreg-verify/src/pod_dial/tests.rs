use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Mutex as StdMutex;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use k8s_openapi::serde_json::{Value, from_value, json};
use kube::Client;
use kube::client::Body;
use tower_service::Service as TowerService;

use super::*;

fn pod(ready: &str, phase: &str) -> Pod {
    from_value(json!({
        "metadata": { "name": "r-0" },
        "spec": { "containers": [{ "name": "r", "ports": [{ "name": "https", "containerPort": 5000 }] }] },
        "status": { "phase": phase, "conditions": [{ "type": "Ready", "status": ready }] },
    }))
    .unwrap()
}

fn port(target: Option<IntOrString>) -> ServicePort {
    ServicePort {
        port: 443,
        target_port: target,
        ..ServicePort::default()
    }
}

#[test]
fn the_target_port_is_found_by_number_by_name_or_is_the_port_itself() {
    let pod = pod("True", "Running");
    assert_eq!(target_port(&pod, &port(None)), Some(443));
    assert_eq!(
        target_port(&pod, &port(Some(IntOrString::Int(5001)))),
        Some(5001)
    );
    let named = |name: &str| port(Some(IntOrString::String(name.to_owned())));
    assert_eq!(target_port(&pod, &named("https")), Some(5000));
    assert_eq!(target_port(&pod, &named("http")), None);
}

#[test]
fn a_pod_that_is_going_away_is_not_ready() {
    assert!(is_ready(&pod("True", "Running")));
    assert!(!is_ready(&pod("False", "Running")));
    let mut going: Pod = pod("True", "Running");
    going.metadata.deletion_timestamp = Some(from_value(json!("2026-01-01T00:00:00Z")).unwrap());
    assert!(!is_ready(&going));
}

#[test]
fn the_state_names_why_a_container_waits() {
    let mut waiting = pod("False", "Pending");
    assert_eq!(state(&waiting), "r-0 Pending, not ready");
    waiting.status.as_mut().unwrap().container_statuses = Some(vec![
        from_value(json!({
            "name": "r", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": { "waiting": { "reason": "ImagePullBackOff" } },
        }))
        .unwrap(),
    ]);
    assert_eq!(state(&waiting), "r-0 Pending: ImagePullBackOff");
}

/// An API server with these Pods, which notes where connections are asked for and opens none.
#[derive(Clone, Default)]
struct Server {
    pods: Arc<StdMutex<Vec<Value>>>,
    asked: Arc<StdMutex<Vec<String>>>,
}

impl TowerService<Request<Body>> for Server {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let path = request.uri().path();
        let (code, body) = if path.ends_with("/services/registry") {
            (
                200,
                json!({ "metadata": { "name": "registry" },
                "spec": { "selector": { "app": "r" }, "ports": [{ "port": 5000 }] } }),
            )
        } else if path.ends_with("/portforward") {
            self.asked.lock().unwrap().push(path.to_owned());
            (
                404,
                json!({ "status": "Failure", "code": 404, "message": "gone", "reason": "NotFound" }),
            )
        } else {
            let pods = self.pods.lock().unwrap().clone();
            (
                200,
                json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods }),
            )
        };
        let answer = Response::builder().status(code);
        ready(Ok(answer.body(Full::from(body.to_string())).unwrap()))
    }
}

impl Server {
    /// The Pods that a connection was asked of, in the order of asking.
    async fn asked(&self, dial: &PodDial, pods: Value) -> Vec<String> {
        *self.pods.lock().unwrap() = pods.as_array().unwrap().clone();
        dial.dial().await.err().unwrap();
        let asked = std::mem::take(&mut *self.asked.lock().unwrap());
        let name = |path: String| path.split('/').nth(6).unwrap().to_owned();
        asked.into_iter().map(name).collect()
    }
}

#[tokio::test]
async fn every_connection_goes_to_a_pod_that_is_ready_and_does_not_terminate() {
    let pod = |name: &str, ready: &str, terminates: bool| {
        let at = terminates.then_some("2026-01-01T00:00:00Z");
        json!({ "metadata": { "name": name, "deletionTimestamp": at },
            "status": { "conditions": [{ "type": "Ready", "status": ready }] } })
    };
    let server = Server::default();
    let streams = PodStreams::of_client(Client::new(server.clone(), "images"));
    let dial = PodDial::new(streams, "images", "registry", 5000);
    let first = server
        .asked(&dial, json!([pod("old", "True", false)]))
        .await;
    // A Pod that cannot be reached is tried twice: it may have been replaced between the two requests.
    assert_eq!(first, ["old", "old"]);
    // The same way, while the Pod is replaced: the old one is ready still, and takes connections.
    let pods = json!([
        pod("old", "True", true),
        pod("slow", "False", false),
        pod("new", "True", false)
    ]);
    assert_eq!(server.asked(&dial, pods).await, ["new", "new"]);
    let pods = json!([pod("old", "True", true), pod("slow", "False", false)]);
    assert_eq!(server.asked(&dial, pods).await, Vec::<String>::new());
}
