//! Scripts run in the agents' Pods, by the API's `exec`.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::api::{Api, AttachParams, ListParams};
use kube::{Client, ResourceExt as _};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Handle;

use super::NAMESPACE;
use super::agent::{AGENT, NodeAgent};
use crate::transport::error::RUNNING;
use crate::transport::{OUTPUT_LIMIT, Output};
use crate::{InstanceId, Node, NodeTransport, TransportError, TransportErrorKind};

/// The longest to wait until a Pod takes a program.
const CONNECT: Duration = Duration::from_secs(20);
const CONNECTING: &str = "reaching its agent";

/// Nodes reached by the Pods of a [`NodeAgent`].
///
/// [`Node::address`] is the node's name in the cluster. Needs the right to list Pods and to
/// `create pods/exec` (`get` as well, for older servers) in the namespace [`NAMESPACE`], and nothing
/// else of the cluster. A script that a signal ended is told by a status above 128, as shells do, so
/// one that ends with such a status of its own counts as killed.
///
/// Its calls block: never call it from a thread that drives asynchronous tasks.
#[derive(Clone)]
pub struct AgentPods {
    client: Client,
    handle: Handle,
    instance: InstanceId,
}

impl std::fmt::Debug for AgentPods {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentPods")
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}

impl AgentPods {
    /// The agents of `instance`. `handle` is of the runtime that drives `client`.
    #[must_use]
    pub fn new(client: Client, handle: Handle, instance: InstanceId) -> AgentPods {
        AgentPods {
            client,
            handle,
            instance,
        }
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// The name of the agent's Pod on `node`.
    async fn pod_on(&self, node: &Node) -> Result<String, TransportErrorKind> {
        let parameters = ListParams::default()
            .labels(&NodeAgent::selector(&self.instance))
            .fields(&format!("spec.nodeName={}", node.address));
        let found = self
            .pods()
            .list(&parameters)
            .await
            .map_err(|e| api("list the agents' Pods", &e))?;
        let here: Vec<&Pod> = found
            .items
            .iter()
            .filter(|pod| pod.metadata.deletion_timestamp.is_none())
            .collect();
        match here.iter().find(|pod| is_running(pod)) {
            Some(pod) => Ok(pod.name_any()),
            None => Err(TransportErrorKind::NoAgent {
                state: here
                    .first()
                    .map_or("there is none".to_owned(), |pod| state(pod)),
            }),
        }
    }

    async fn exec(
        &self,
        node: &Node,
        script: &str,
        timeout: Duration,
    ) -> Result<Output, TransportErrorKind> {
        let connect = async {
            let pod = self.pod_on(node).await?;
            let command = [
                "/bin/sh".to_owned(),
                "/kreg/run.sh".to_owned(),
                script.len().to_string(),
                // Only for what nobody waits for any more.
                (timeout.as_secs() + 1).to_string(),
            ];
            let parameters = AttachParams::default()
                .container(AGENT)
                .stdin(true)
                .stdout(true)
                .stderr(true)
                .max_stdin_buf_size(BUFFER)
                .max_stdout_buf_size(BUFFER)
                .max_stderr_buf_size(BUFFER);
            let process = self.pods().exec(&pod, command, &parameters).await;
            process.map_err(|e| api("run a program in the agent's Pod", &e))
        };
        let mut process = in_time(CONNECT, CONNECTING, connect).await?;
        let (stdin, status) = (process.stdin(), process.take_status());
        let (stdout, stderr) = (process.stdout(), process.stderr());
        let run = async {
            let feed = async {
                let mut stdin = stdin;
                if let Some(pipe) = &mut stdin {
                    // A script that ends early does not read on; its status tells the story.
                    let _ = pipe.write_all(script.as_bytes()).await;
                    let _ = pipe.flush().await;
                }
                // Where streams cannot be closed one by one, closing this one would end it all.
                Ok(stdin)
            };
            let (_stdin, stdout, stderr) =
                futures::try_join!(feed, all_of(stdout), all_of(stderr))?;
            let status = match status {
                Some(status) => status.await,
                None => None,
            };
            let status = status.as_ref().and_then(code).ok_or_else(lost)?;
            Ok(Output {
                stdout,
                stderr,
                status: (status <= 128).then_some(status),
            })
        };
        in_time(timeout, RUNNING, run).await
    }
}

const BUFFER: usize = 64 * 1024;

impl NodeTransport for AgentPods {
    fn run(&self, node: &Node, script: &str, timeout: Duration) -> Result<Output, TransportError> {
        self.handle
            .block_on(self.exec(node, script, timeout))
            .map_err(|kind| TransportError::new(node, kind))
    }
}

async fn in_time<T>(
    limit: Duration,
    during: &'static str,
    work: impl Future<Output = Result<T, TransportErrorKind>>,
) -> Result<T, TransportErrorKind> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done,
        Err(_) => Err(TransportErrorKind::Timeout {
            during,
            after: limit,
        }),
    }
}

/// All of `source`, up to the limit.
async fn all_of(source: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>, TransportErrorKind> {
    let mut bytes = Vec::new();
    if let Some(source) = source {
        let limit = OUTPUT_LIMIT as u64 + 1;
        // What came before an error is all there is.
        let _ = source.take(limit).read_to_end(&mut bytes).await;
    }
    match bytes.len() > OUTPUT_LIMIT {
        true => Err(TransportErrorKind::TooMuchOutput {
            limit: OUTPUT_LIMIT,
        }),
        false => Ok(bytes),
    }
}

/// The exit status, as the kubelet tells it.
fn code(status: &Status) -> Option<i32> {
    if status.status.as_deref() == Some("Success") {
        return Some(0);
    }
    let causes = status.details.as_ref()?.causes.as_ref()?;
    let exit = causes
        .iter()
        .find(|cause| cause.reason.as_deref() == Some("ExitCode"))?;
    exit.message.as_ref()?.parse().ok()
}

fn lost() -> TransportErrorKind {
    TransportErrorKind::Lost {
        during: RUNNING,
        detail: "the cluster did not say how the program ended".to_owned(),
    }
}

fn api(tried: &'static str, error: &kube::Error) -> TransportErrorKind {
    TransportErrorKind::Cluster {
        tried,
        detail: error.to_string(),
    }
}

fn is_running(pod: &Pod) -> bool {
    let statuses = pod
        .status
        .iter()
        .flat_map(|status| status.container_statuses.iter().flatten());
    statuses
        .filter_map(|status| status.state.as_ref())
        .any(|state| state.running.is_some())
}

/// Why a Pod does not run, in the kubelet's words.
fn state(pod: &Pod) -> String {
    let Some(status) = &pod.status else {
        return "it has no state yet".to_owned();
    };
    let waiting = status
        .container_statuses
        .iter()
        .flatten()
        .find_map(|one| one.state.as_ref()?.waiting.as_ref());
    let words = match waiting {
        Some(waiting) => [waiting.reason.as_deref(), waiting.message.as_deref()],
        None => [status.phase.as_deref(), status.message.as_deref()],
    };
    let words: Vec<&str> = words.into_iter().flatten().collect();
    format!("{} is {}", pod.name_any(), words.join(": "))
}
