//! Takes a run's Pods away again.

use std::collections::HashSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kreg_stream::again;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams};
use tokio::time::{Instant, sleep};

use super::pulls::{NodePulls, RUN_LABEL};

/// How long Pods may take to go; the kubelet has nothing to stop that lasts.
const PATIENCE: Duration = Duration::from_secs(30);
/// A request to create one that was under way when its sender was cut off has come by then.
const UNDER_WAY: Duration = Duration::from_secs(1);

/// Deletes every Pod of the run and waits until none is left; returns how many there were, and the
/// names of those that would not go. Of a run that was `cut_off` one may come late: it is looked
/// twice whether none is left.
///
/// # Errors
/// Whatever the API server says.
pub(crate) async fn remove_pods(
    pulls: &NodePulls,
    run: &str,
    cut_off: bool,
) -> Result<(usize, Vec<String>), kube::Error> {
    let pods: Api<Pod> = pulls.api();
    let of_this_run = ListParams::default().labels(&format!("{RUN_LABEL}={run}"));
    let mut deleted = HashSet::new();
    let wanted = if cut_off { 2 } else { 1 };
    let mut empty = 0;
    let end = Instant::now() + PATIENCE;
    loop {
        let found = again(|| pods.list(&of_this_run)).await?.items;
        if found.is_empty() {
            empty += 1;
            if empty == wanted {
                return Ok((deleted.len(), Vec::new()));
            }
            sleep(UNDER_WAY).await;
            continue;
        }
        empty = 0;
        let new = found.iter().filter(|pod| deleted.insert(pod.uid()));
        let deleting = new.map(|pod| delete(&pods, pod));
        futures::future::try_join_all(deleting).await?;
        if Instant::now() > end {
            let left = found.iter().map(ResourceExt::name_any).collect();
            return Ok((deleted.len(), left));
        }
        sleep(Duration::from_millis(300)).await;
    }
}

/// A Pod that has ended needs no kubelet to stop it; any other gets its grace.
async fn delete(pods: &Api<Pod>, pod: &Pod) -> Result<(), kube::Error> {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    let how = match phase {
        Some("Succeeded" | "Failed") => DeleteParams::default().grace_period(0),
        _ => DeleteParams::default(),
    };
    let name = pod.name_any();
    match again(|| pods.delete(&name, &how)).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => other.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::future::{Ready, ready};
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Poll};

    use bytes::Bytes;
    use http::{Method, Request, Response};
    use http_body_util::Full;
    use kube::Client;
    use kube::client::Body;
    use serde_json::json;
    use tower_service::Service;

    use super::*;

    /// An API server that shows one list of Pods after the other, then empty ones.
    #[derive(Clone, Default)]
    struct Server {
        lists: Arc<Mutex<VecDeque<Vec<&'static str>>>>,
        deleted: Arc<Mutex<Vec<String>>>,
    }

    impl Service<Request<Body>> for Server {
        type Response = Response<Full<Bytes>>;
        type Error = Infallible;
        type Future = Ready<Result<Self::Response, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<Body>) -> Self::Future {
            let pod = |name: &&str| json!({ "metadata": { "name": name, "uid": name } });
            let body = match *request.method() {
                Method::DELETE => {
                    let path = request.uri().path().to_owned();
                    self.deleted.lock().unwrap().push(path);
                    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success" })
                }
                _ => {
                    let pods = self.lists.lock().unwrap().pop_front().unwrap_or_default();
                    let pods: Vec<_> = pods.iter().map(pod).collect();
                    json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods })
                }
            };
            ready(Ok(Response::new(Full::from(body.to_string()))))
        }
    }

    async fn removed(lists: &[&[&'static str]], cut_off: bool) -> (usize, Vec<String>) {
        let server = Server::default();
        let lists = lists.iter().map(|list| list.to_vec());
        *server.lists.lock().unwrap() = lists.collect();
        let pulls = NodePulls::new(Client::new(server.clone(), "team"), "team", None);
        let (count, left) = remove_pods(&pulls, "run", cut_off).await.unwrap();
        assert_eq!(left, Vec::<String>::new());
        let deleted = server.deleted.lock().unwrap().clone();
        (count, deleted)
    }

    #[tokio::test]
    async fn a_pod_whose_creation_was_under_way_does_not_stay() {
        let late: &[&[&str]] = &[&[], &["late"], &[], &[]];
        let path = "/api/v1/namespaces/team/pods/late";
        assert_eq!(removed(late, true).await, (1, vec![path.to_owned()]));
        // A run that came to its end has none.
        assert_eq!(removed(late, false).await, (0, Vec::new()));
    }

    #[tokio::test]
    async fn each_is_deleted_once_however_long_it_takes_to_go() {
        let slow: &[&[&str]] = &[&["a", "b"], &["b"], &["b"]];
        let (count, deleted) = removed(slow, false).await;
        assert_eq!((count, deleted.len()), (2, 2));
    }
}
