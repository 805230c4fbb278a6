//! Whether every Pod of a registry lets a user in.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use kreg_auth::{Credentials, RegistryHost};
use kreg_registry::dial::Dial;
use kreg_registry::{RegistryClient, RegistryError, Transport};
use kreg_stream::PodStreams;
use tokio::time::{Instant, sleep};

use crate::pod_dial::{PodDial, PodDialError};

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(250);
/// Between two calls that hasten the change: the first may come before the kubelet knows of it.
const HASTE: Duration = Duration::from_secs(2);

/// Asks each Pod behind a registry's Service, through the API server: each reads the users by itself.
#[derive(Clone, Debug)]
pub struct LoginProbe {
    host: RegistryHost,
    transport: Transport,
    streams: PodStreams,
    namespace: String,
    service: String,
}

/// What the registry says to a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoginAnswer {
    /// Every Pod lets the user in.
    Admitted,
    /// Every Pod refuses the user.
    Refused,
    /// Some Pods let the user in, others do not.
    Mixed,
}

/// Why the registry's answer is not known, or not the wanted one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// No Pod can be reached.
    #[error("cannot ask the registry")]
    Pods(#[source] PodDialError),
    /// A Pod gave no answer.
    #[error("cannot ask the registry")]
    Request(#[source] RegistryError),
    /// A Pod answered neither 200 nor 401.
    #[error("the registry cannot tell")]
    Answer(#[source] RegistryError),
    /// The answer did not become the wanted one in time.
    #[error("the registry did not take the change up within {} s: {last}", limit.as_secs())]
    Late {
        /// How long was waited.
        limit: Duration,
        /// The last answer, in words.
        last: String,
    },
}

impl LoginProbe {
    /// Asks the Pods behind the Service `namespace`/`service` at the host's port.
    #[must_use]
    pub fn new(
        host: RegistryHost,
        transport: Transport,
        streams: PodStreams,
        namespace: impl Into<String>,
        service: impl Into<String>,
    ) -> LoginProbe {
        LoginProbe {
            host,
            transport,
            streams,
            namespace: namespace.into(),
            service: service.into(),
        }
    }

    /// What the Pods say to this user, each asked once.
    ///
    /// # Errors
    /// [`LoginError`] if one of them does not say.
    pub async fn ask(&self, user: &Credentials) -> Result<LoginAnswer, LoginError> {
        let pods = PodDial::new(
            self.streams.clone(),
            &self.namespace,
            &self.service,
            self.host.port(),
        );
        let pods = pods.each().await.map_err(LoginError::Pods)?;
        let mut answers = Vec::new();
        for pod in pods {
            let answer = self.ask_pod(Arc::new(pod), user).await?;
            // The others need not be asked: what they say makes no difference.
            if answers.last().is_some_and(|last| *last != answer) {
                return Ok(LoginAnswer::Mixed);
            }
            answers.push(answer);
        }
        Ok(answers.pop().unwrap_or(LoginAnswer::Mixed))
    }

    async fn ask_pod(
        &self,
        pod: Arc<dyn Dial>,
        user: &Credentials,
    ) -> Result<LoginAnswer, LoginError> {
        let answer = RegistryClient::new(self.host.clone(), pod, self.transport.clone())
            .with_credentials(user)
            .ping()
            .await
            .map_err(LoginError::Request)?;
        match answer.status {
            StatusCode::OK => Ok(LoginAnswer::Admitted),
            StatusCode::UNAUTHORIZED => Ok(LoginAnswer::Refused),
            _ => Err(LoginError::Answer(answer.into_error())),
        }
    }

    /// Asks until the answer is the wanted one, for at most `limit`. `hasten` is called at once and
    /// every two seconds: it may make the kubelet refresh the mounted users sooner than by itself.
    ///
    /// # Errors
    /// [`LoginError::Late`] with the last answer.
    pub async fn wait_for<F: Future<Output = ()>>(
        &self,
        user: &Credentials,
        wanted: LoginAnswer,
        limit: Duration,
        hasten: impl Fn() -> F,
    ) -> Result<(), LoginError> {
        let begun = Instant::now();
        let mut hastened: Option<Instant> = None;
        loop {
            // A registry that rereads its file may answer 400 once; only the last answer counts.
            let last = self.ask(user).await;
            if matches!(&last, Ok(answer) if *answer == wanted) {
                return Ok(());
            }
            if begun.elapsed() >= limit {
                let last = match last {
                    Ok(answer) => still(answer).to_owned(),
                    Err(error) => error.to_string(),
                };
                return Err(LoginError::Late { limit, last });
            }
            if hastened.is_none_or(|at| at.elapsed() >= HASTE) {
                hasten().await;
                hastened = Some(Instant::now());
            }
            sleep(PAUSE).await;
        }
    }
}

fn still(answer: LoginAnswer) -> &'static str {
    match answer {
        LoginAnswer::Admitted => "it still lets this user in",
        LoginAnswer::Refused => "it still refuses this user",
        LoginAnswer::Mixed => "some of its Pods let this user in, others do not",
    }
}
