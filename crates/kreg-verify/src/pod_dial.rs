//! The registry's Pod, reached through the API server, as `kubectl port-forward` does it.

use std::sync::Arc;

use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::{Pod, Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kreg_registry::dial::{BoxedIo, Dial, DialError};
use kreg_stream::{ForwardError, PodStreams, again};
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use tokio::sync::Mutex;

/// Dials a ready Pod behind a Service; each connection is a port-forward stream of its own.
///
/// Needs no route to the cluster's network and no name resolution, only the rights to `list pods` and to
/// `create pods/portforward`. The Pod is chosen again for each connection, because a Pod that terminates still takes
/// connections. [`PodDial::each`] gives a way to every one of several Pods.
pub struct PodDial {
    streams: PodStreams,
    namespace: String,
    service: String,
    port: u16,
    /// The Service's selector and port. They are read once, and again after a failure.
    leads: Arc<Mutex<Option<(String, ServicePort)>>>,
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
    /// The connection to the Pod did not open.
    #[error(transparent)]
    Forward(#[from] ForwardError),
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
        streams: PodStreams,
        namespace: impl Into<String>,
        service: impl Into<String>,
        port: u16,
    ) -> PodDial {
        PodDial {
            streams,
            namespace: namespace.into(),
            service: service.into(),
            port,
            leads: Arc::default(),
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
                self.streams.clone(),
                &self.namespace,
                &self.service,
                self.port,
            )
        };
        Ok(backends.into_iter().map(way).collect())
    }

    async fn backend(&self) -> Result<Backend, PodDialError> {
        match &self.only {
            Some(only) => Ok(only.clone()),
            None => Ok(self.look_up().await?.swap_remove(0)),
        }
    }

    fn api_error(&self, action: String) -> impl Fn(kube::Error) -> PodDialError {
        let namespace = self.namespace.clone();
        move |source| PodDialError::Api {
            action: action.clone(),
            namespace: namespace.clone(),
            source,
        }
    }

    async fn leads(&self) -> Result<(String, ServicePort), PodDialError> {
        let mut leads = self.leads.lock().await;
        if let Some(leads) = leads.as_ref() {
            return Ok(leads.clone());
        }
        let services: Api<Service> =
            Api::namespaced(self.streams.requests().clone(), &self.namespace);
        let service = again(|| services.get(&self.service))
            .await
            .map_err(self.api_error(format!("read service {}", self.service)))?;
        Ok(leads.insert(self.selector_and_port(&service)?).clone())
    }

    /// Never empty.
    async fn look_up(&self) -> Result<Vec<Backend>, PodDialError> {
        let (selector, port) = self.leads().await?;
        let pods: Api<Pod> = Api::namespaced(self.streams.requests().clone(), &self.namespace);
        let labelled = ListParams::default().labels(&selector);
        let listed = again(|| pods.list(&labelled))
            .await
            .map_err(self.api_error(format!("list the pods {selector}")))?;
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
        let forwarded = self
            .streams
            .forward(&self.namespace, &backend.pod, backend.port)
            .await?;
        Ok(Box::new(forwarded))
    }
}

impl Dial for PodDial {
    fn dial(&self) -> BoxFuture<'_, Result<BoxedIo, DialError>> {
        Box::pin(async move {
            match self.forward().await {
                Ok(stream) => return Ok(stream),
                // The Pod, or what the Service selects, may have been replaced since: look again, once.
                Err(PodDialError::Api { .. } | PodDialError::Forward(_)) => {
                    *self.leads.lock().await = None;
                }
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

#[cfg(test)]
mod tests;
