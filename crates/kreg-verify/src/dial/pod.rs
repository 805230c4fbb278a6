//! The registry's Pod, reached through the API server, as `kubectl port-forward` does it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::{Pod, Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::Mutex;

use super::{BoxedIo, Dial, DialError};

/// Dials a ready Pod behind a Service; each connection is a port-forward stream of its own.
///
/// Needs no route to the cluster's network and no name resolution, only the right to
/// `create pods/portforward`. The Pod is looked up once, and again after a failure. [`PodDial::each`] gives a way to
/// every one of several Pods.
pub struct PodDial {
    client: Client,
    namespace: String,
    service: String,
    port: u16,
    found: Arc<Mutex<Option<Backend>>>,
    /// Only this Pod, and no other after a failure.
    only: Option<Backend>,
}

/// Why no Pod of the registry can be reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PodDialError {
    /// The API server refused or failed.
    #[error(
        "cannot {action} in namespace {namespace}; look at `kubectl -n {namespace} get svc,pods`"
    )]
    Api {
        /// Such as `read service docker-registry`.
        action: String,
        /// Where.
        namespace: String,
        /// What the API server said.
        source: kube::Error,
    },
    /// The Service does not have such a port, or no selector.
    #[error("service {namespace}/{service} {lack}; is it the registry's service?")]
    Service {
        /// The Service's namespace.
        namespace: String,
        /// The Service's name.
        service: String,
        /// What is missing, as in `has no port 5000 (it has 80)`.
        lack: String,
    },
    /// No Pod behind the Service is ready.
    #[error(
        "service {namespace}/{service} has no ready pod ({pods}); see `kubectl -n {namespace} describe pods`"
    )]
    NoReadyPod {
        /// The Service's namespace.
        namespace: String,
        /// The Service's name.
        service: String,
        /// The Pods there are, each with its state.
        pods: String,
    },
    /// The Pod's side refused, such as a port where nothing listens.
    #[error("pod {pod}: {message}")]
    Forward {
        /// Namespace and name.
        pod: String,
        /// The kubelet's words.
        message: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Backend {
    pod: String,
    port: u16,
}

impl PodDial {
    /// A way to the Pods behind `namespace`/`service` at the Service's port `port`.
    ///
    /// Nothing is asked of the cluster before the first connection.
    #[must_use]
    pub fn new(
        client: Client,
        namespace: impl Into<String>,
        service: impl Into<String>,
        port: u16,
    ) -> PodDial {
        PodDial {
            client,
            namespace: namespace.into(),
            service: service.into(),
            port,
            found: Arc::default(),
            only: None,
        }
    }

    /// A way to each Pod behind the Service that is ready now.
    ///
    /// # Errors
    /// If there is none, or the cluster cannot be asked.
    pub async fn each(self) -> Result<Vec<PodDial>, PodDialError> {
        let backends = self.look_up().await?;
        let way = |backend| PodDial {
            only: Some(backend),
            ..PodDial::new(
                self.client.clone(),
                &self.namespace,
                &self.service,
                self.port,
            )
        };
        Ok(backends.into_iter().map(way).collect())
    }

    async fn backend(&self) -> Result<Backend, PodDialError> {
        if let Some(only) = &self.only {
            return Ok(only.clone());
        }
        let mut found = self.found.lock().await;
        if let Some(backend) = found.as_ref() {
            return Ok(backend.clone());
        }
        let backend = self.look_up().await?.swap_remove(0);
        *found = Some(backend.clone());
        Ok(backend)
    }

    /// Never empty.
    async fn look_up(&self) -> Result<Vec<Backend>, PodDialError> {
        let api_error = |action: String| {
            move |source| PodDialError::Api {
                action,
                namespace: self.namespace.clone(),
                source,
            }
        };
        let services: Api<Service> = Api::namespaced(self.client.clone(), &self.namespace);
        let service = services
            .get(&self.service)
            .await
            .map_err(api_error(format!("read service {}", self.service)))?;
        let (selector, port) = self.selector_and_port(&service)?;
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let listed = pods
            .list(&ListParams::default().labels(&selector))
            .await
            .map_err(api_error(format!("list the pods {selector}")))?;
        let ready: Vec<_> = listed.items.iter().filter(|pod| is_ready(pod)).collect();
        if ready.is_empty() {
            let states: Vec<_> = listed.items.iter().map(state).collect();
            return Err(PodDialError::NoReadyPod {
                namespace: self.namespace.clone(),
                service: self.service.clone(),
                pods: if states.is_empty() {
                    format!("none has {selector}")
                } else {
                    states.join(", ")
                },
            });
        }
        let backend = |pod: &&Pod| {
            let target = target_port(pod, &port).ok_or_else(|| {
                self.lacks(format!(
                    "names a target port that pod {} does not have",
                    pod.name_any()
                ))
            })?;
            Ok(Backend {
                pod: pod.name_any(),
                port: target,
            })
        };
        ready.iter().map(backend).collect()
    }

    fn selector_and_port(&self, service: &Service) -> Result<(String, ServicePort), PodDialError> {
        let spec = service.spec.clone().unwrap_or_default();
        let labels: Vec<_> = spec
            .selector
            .unwrap_or_default()
            .into_iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        if labels.is_empty() {
            return Err(self.lacks("has no selector".to_owned()));
        }
        let ports = spec.ports.unwrap_or_default();
        let Some(port) = ports.iter().find(|port| port.port == i32::from(self.port)) else {
            let has: Vec<_> = ports.iter().map(|port| port.port.to_string()).collect();
            return Err(self.lacks(format!(
                "has no port {} (it has {})",
                self.port,
                has.join(", ")
            )));
        };
        Ok((labels.join(","), port.clone()))
    }

    fn lacks(&self, lack: String) -> PodDialError {
        PodDialError::Service {
            namespace: self.namespace.clone(),
            service: self.service.clone(),
            lack,
        }
    }

    async fn forward(&self) -> Result<BoxedIo, PodDialError> {
        let backend = self.backend().await?;
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let pod = format!("{}/{}", self.namespace, backend.pod);
        let mut forwarder = pods
            .portforward(&backend.pod, &[backend.port])
            .await
            .map_err(|source| PodDialError::Api {
                action: format!("forward port {} of pod {}", backend.port, backend.pod),
                namespace: self.namespace.clone(),
                source,
            })?;
        let (stream, error) = (
            forwarder.take_stream(backend.port),
            forwarder.take_error(backend.port),
        );
        match (stream, error) {
            (Some(stream), Some(error)) => Ok(Box::new(Forwarded {
                stream,
                error: Some(error.boxed()),
                pod,
                found: Arc::clone(&self.found),
            })),
            _ => Err(PodDialError::Forward {
                pod,
                message: "the forwarded port gave no stream; try again".to_owned(),
            }),
        }
    }
}

impl Dial for PodDial {
    fn dial(&self) -> BoxFuture<'_, Result<BoxedIo, DialError>> {
        Box::pin(async move {
            match self.forward().await {
                Ok(stream) => return Ok(stream),
                // The Pod may have been replaced since it was looked up: look again, once.
                Err(PodDialError::Api { .. }) => *self.found.lock().await = None,
                Err(error) => return Err(DialError::new(self.route(), error)),
            }
            self.forward()
                .await
                .map_err(|error| DialError::new(self.route(), error))
        })
    }

    fn route(&self) -> String {
        if let Some(Backend { pod, port }) = &self.only {
            return format!(
                "pod {}/{pod} port {port} through the API server",
                self.namespace
            );
        }
        format!(
            "service {}/{} port {} through the API server",
            self.namespace, self.service, self.port
        )
    }
}

impl std::fmt::Debug for PodDial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PodDial").field(&self.route()).finish()
    }
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    let ready = conditions
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True");
    ready && pod.metadata.deletion_timestamp.is_none()
}

/// Name, phase, and the reason why a container waits, if one does.
fn state(pod: &Pod) -> String {
    let status = pod.status.clone().unwrap_or_default();
    let waiting = status
        .container_statuses
        .into_iter()
        .flatten()
        .find_map(|container| container.state?.waiting?.reason);
    let phase = status.phase.unwrap_or_else(|| "no phase yet".to_owned());
    match waiting {
        Some(reason) => format!("{} {phase}: {reason}", pod.name_any()),
        None => format!("{} {phase}, not ready", pod.name_any()),
    }
}

/// The container's port that the Service's port leads to: its target by number or by name, else itself.
fn target_port(pod: &Pod, port: &ServicePort) -> Option<u16> {
    let number = match &port.target_port {
        None => port.port,
        Some(IntOrString::Int(number)) => *number,
        Some(IntOrString::String(name)) => {
            pod.spec
                .iter()
                .flat_map(|spec| &spec.containers)
                .flat_map(|container| container.ports.iter().flatten())
                .find(|port| port.name.as_ref() == Some(name))?
                .container_port
        }
    };
    u16::try_from(number).ok()
}

/// A forwarded stream whose end says why, where the kubelet gave a reason.
struct Forwarded {
    stream: DuplexStream,
    error: Option<BoxFuture<'static, Option<String>>>,
    pod: String,
    found: Arc<Mutex<Option<Backend>>>,
}

impl AsyncRead for Forwarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let ended = matches!(polled, Poll::Ready(Ok(()))) && buffer.filled().len() == before;
        if ended
            && let Some(error) = &mut self.error
            && let Poll::Ready(said) = error.poll_unpin(cx)
        {
            self.error = None;
            if let Some(message) = said {
                // The Pod may be on its way out: the next connection looks again.
                if let Ok(mut found) = self.found.try_lock() {
                    *found = None;
                }
                return Poll::Ready(Err(io::Error::other(PodDialError::Forward {
                    pod: self.pod.clone(),
                    message,
                })));
            }
        }
        polled
    }
}

impl AsyncWrite for Forwarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::serde_json::{from_value, json};

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
        going.metadata.deletion_timestamp =
            Some(from_value(json!("2026-01-01T00:00:00Z")).unwrap());
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
}
