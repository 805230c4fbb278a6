//! Scripts run in the agents' Pods, by the API's `exec`.

use std::time::Duration;

use k8s_openapi::api::core::v1::Event;
use kreg_stream::{ExecError, PodStreams, Program};
use kube::api::{Api, ListParams};
use tokio::runtime::Handle;

use super::pod::AGENT;
use super::pulse::Pulse;
use super::watch::AgentWatch;
use super::{NAMESPACE, NodeAgent};
use crate::transport::error::RUNNING;
use crate::transport::{OUTPUT_LIMIT, Output};
use crate::{
    InstanceId, Node, NodeProgram, NodeTransport, StorageDir, TransportError, TransportErrorKind,
};

/// The longest to wait until a Pod is known.
const CONNECT: Duration = Duration::from_secs(20);
const CONNECTING: &str = "reaching its agent";

/// Nodes reached by the Pods of a [`super::NodeAgent`].
///
/// [`Node::address`] is the node's name in the cluster. Needs the rights to list and watch Pods and to
/// `create pods/exec` (`get` as well, for older servers) in the namespace [`NAMESPACE`], and nothing
/// else of the cluster; with the right to list events there, errors say why a Pod does not run. A script that a signal ended is told by a status above 128, as shells do, so
/// one that ends with such a status of its own counts as killed.
///
/// Its calls block: never call it from a thread that drives asynchronous tasks.
#[derive(Clone)]
pub struct AgentPods {
    streams: PodStreams,
    watch: AgentWatch,
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
    /// The agents of `instance`. `handle` is of the runtime that drives the clients of `streams`.
    #[must_use]
    pub fn new(streams: PodStreams, handle: Handle, instance: InstanceId) -> AgentPods {
        let client = streams.requests().clone();
        AgentPods {
            watch: AgentWatch::new(client, handle.clone(), instance.clone()),
            streams,
            handle,
            instance,
        }
    }

    /// The watch that says where the Pods are, to be shared with others who wait for them.
    #[must_use]
    pub fn watch(&self) -> &AgentWatch {
        &self.watch
    }

    /// How the agent on `node` stands; `None` if its Pod gave no whole answer.
    ///
    /// # Errors
    /// [`TransportError`] if it could not be asked.
    pub fn pulse(&self, node: &Node, timeout: Duration) -> Result<Option<Pulse>, TransportError> {
        let output = self.run(node, NodeProgram::pulse().script(), timeout)?;
        Ok(Pulse::read(&output))
    }

    /// Whether `node` lacks the directory that is mounted to erase images in `storage`: then it holds none. To be asked of
    /// agents that search ([`NodeAgent::searching`]). Where a link leads there, it does not count as missing.
    ///
    /// # Errors
    /// [`TransportError`] if it could not be asked.
    pub fn lacks(
        &self,
        node: &Node,
        storage: &StorageDir,
        timeout: Duration,
    ) -> Result<bool, TransportError> {
        let program = NodeProgram::find(NodeAgent::above(storage));
        let output = self.run(node, program.script(), timeout)?;
        match output.stdout.as_slice() {
            b"kreg-find missing\n" => Ok(true),
            b"kreg-find there\n" | b"kreg-find link\n" => Ok(false),
            _ => Err(TransportError::new(
                node,
                lost(format!("it gave no answer: {}", output.stderr_tail())),
            )),
        }
    }

    /// The agent's Pod on `node`, `gone` aside.
    async fn pod_on(&self, node: &Node, gone: Option<&str>) -> Result<String, TransportErrorKind> {
        let found = tokio::time::timeout(CONNECT, self.watch.on(&node.address, gone)).await;
        let timeout = TransportErrorKind::Timeout {
            during: CONNECTING,
            after: CONNECT,
        };
        match found.map_err(|_| timeout)?? {
            Some(pod) if pod.runs => Ok(pod.name),
            Some(pod) => Err(TransportErrorKind::NoAgent {
                state: match self.warning(&pod.name).await {
                    Some(warning) => format!("{}; {warning}", pod.state),
                    None => pod.state,
                },
            }),
            None => Err(TransportErrorKind::NoAgent {
                state: "there is none".to_owned(),
            }),
        }
    }

    /// The last warning that the cluster has of this Pod: a directory that its node lacks is said nowhere else. An account that
    /// may not list events gets none.
    async fn warning(&self, pod: &str) -> Option<String> {
        let events: Api<Event> = Api::namespaced(self.streams.requests().clone(), NAMESPACE);
        let fields = format!("type=Warning,involvedObject.kind=Pod,involvedObject.name={pod}");
        let of_pod = ListParams::default().fields(&fields);
        let found = kreg_stream::again(|| events.list(&of_pod)).await;
        let when = |event: &Event| {
            let last = event.last_timestamp.as_ref().map(|time| time.0);
            last.or_else(|| {
                event
                    .metadata
                    .creation_timestamp
                    .as_ref()
                    .map(|time| time.0)
            })
        };
        let last = found.ok()?.items.into_iter().max_by_key(when)?;
        let words = [last.reason, last.message].into_iter().flatten();
        let words: Vec<String> = words.map(|word| word.trim().to_owned()).collect();
        Some(words.join(": "))
    }

    async fn exec(
        &self,
        node: &Node,
        script: &str,
        timeout: Duration,
    ) -> Result<Output, TransportErrorKind> {
        let pod = self.pod_on(node, None).await?;
        let ended = match self.exec_in(&pod, script, timeout).await {
            // The Pod was replaced, and the watch has not heard of it yet. The program did not begin.
            Err(error) if error.is_gone() => {
                let next = self.pod_on(node, Some(&pod)).await?;
                self.exec_in(&next, script, timeout).await
            }
            other => other,
        };
        let ended = ended.map_err(|error| failed(error, timeout))?;
        let code = ended.code().ok_or_else(|| {
            let words = ended.status.message.clone();
            lost(
                words.unwrap_or_else(|| "the cluster did not say how the program ended".to_owned()),
            )
        })?;
        Ok(Output {
            stdout: ended.stdout,
            stderr: ended.stderr,
            status: (code <= 128).then_some(code),
        })
    }

    async fn exec_in(
        &self,
        pod: &str,
        script: &str,
        timeout: Duration,
    ) -> Result<kreg_stream::Ended, ExecError> {
        let length = script.len().to_string();
        // Only for what nobody waits for any more.
        let limit = (timeout.as_secs() + 1).to_string();
        self.streams
            .exec(Program {
                namespace: NAMESPACE,
                pod,
                container: AGENT,
                command: &["/bin/sh", "/kreg/run.sh", &length, &limit],
                stdin: script.as_bytes(),
                limit: timeout,
                output_max: OUTPUT_LIMIT,
            })
            .await
    }
}

impl NodeTransport for AgentPods {
    fn run(&self, node: &Node, script: &str, timeout: Duration) -> Result<Output, TransportError> {
        self.handle
            .block_on(self.exec(node, script, timeout))
            .map_err(|kind| TransportError::new(node, kind))
    }
}

fn failed(error: ExecError, timeout: Duration) -> TransportErrorKind {
    match error {
        ExecError::Refused(error) => TransportErrorKind::Cluster {
            tried: "run a program in the agent's Pod",
            detail: error.to_string(),
        },
        ExecError::Slow { after } => TransportErrorKind::Timeout {
            during: CONNECTING,
            after,
        },
        ExecError::Unended { .. } => TransportErrorKind::Timeout {
            during: RUNNING,
            after: timeout,
        },
        ExecError::TooMuch { limit } => TransportErrorKind::TooMuchOutput { limit },
        other => lost(other.to_string()),
    }
}

fn lost(detail: String) -> TransportErrorKind {
    TransportErrorKind::Lost {
        during: RUNNING,
        detail,
    }
}
