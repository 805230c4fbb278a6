//! Bounded patience with an API server that is busy, restarting or briefly out of reach.

use std::time::{Duration, Instant};

use kube::Client;

use crate::error::{Error, FieldConflict};

/// How often and how long a request is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Tries in all, the first included.
    pub tries: u32,
    /// Pause after the first failure; it doubles each time.
    pub first_pause: Duration,
    /// The longest pause; a `Retry-After` of the server is cut to it.
    pub longest_pause: Duration,
    /// The longest time for all tries and pauses together.
    pub limit: Duration,
}

impl Default for Retry {
    /// Eight tries over about 18 seconds: longer than an API server takes to restart. Where nothing answers at all, each
    /// try waits as well; three minutes bear that.
    fn default() -> Self {
        Retry {
            tries: 8,
            first_pause: Duration::from_millis(250),
            longest_pause: Duration::from_secs(5),
            limit: Duration::from_secs(180),
        }
    }
}

impl Retry {
    /// Runs `request` until it succeeds, fails for good, or the tries are used up.
    pub(crate) async fn run<T, F>(
        &self,
        client: &Client,
        action: &'static str,
        object: &str,
        mut request: impl FnMut() -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, kube::Error>>,
    {
        let begun = Instant::now();
        let mut denials = Denials::default();
        let mut tries = 0;
        let mut earlier = None;
        loop {
            tries += 1;
            let left = self.limit.saturating_sub(begun.elapsed());
            let error = match tokio::time::timeout(left, request()).await {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(error)) => error,
                // The error of the try before says more.
                Err(_) => earlier.take().unwrap_or_else(|| self.silence()),
            };
            let pause = self.pause(tries, &error);
            let denied = is_denial(&error);
            let last = tries >= self.tries || begun.elapsed() + pause >= self.limit;
            let is_final = match denied {
                true => last || denials.count(client).await,
                false => !is_passing(&error),
            };
            if is_final {
                return Err(classify(action, object, error));
            }
            if last {
                return Err(Error::Unreachable {
                    action,
                    object: object.to_owned(),
                    tries,
                    waited: begun.elapsed(),
                    server: String::new(),
                    source: Box::new(error),
                });
            }
            if denied && denials.over() {
                continue;
            }
            tracing::debug!(action, object, tries, ?pause, %error, "the API server did not answer usably; trying again");
            tokio::time::sleep(pause).await;
            earlier = Some(error);
        }
    }

    fn silence(&self) -> kube::Error {
        let text = format!("no answer within {} s", self.limit.as_secs_f64());
        kube::Error::Service(std::io::Error::new(std::io::ErrorKind::TimedOut, text).into())
    }

    fn pause(&self, tries: u32, error: &kube::Error) -> Duration {
        let asked = match error {
            kube::Error::Api(status) => status
                .details
                .as_ref()
                .map_or(0, |details| details.retry_after_seconds),
            _ => 0,
        };
        self.doubled(tries)
            .max(Duration::from_secs(asked.into()))
            .min(self.longest_pause)
    }

    /// The pause after this many tries, unless the server asks for more.
    pub(crate) fn doubled(&self, tries: u32) -> Duration {
        let doubled = self.first_pause * 2_u32.saturating_pow(tries.saturating_sub(1).min(16));
        doubled.min(self.longest_pause)
    }
}

/// Whether a "no" is to be believed. An API server that has just been started knows no role bindings yet and denies
/// everything to everybody; what counts is the answer of a server that had said before that it is ready.
#[derive(Debug, Default)]
pub(crate) struct Denials {
    ready: bool,
}

impl Denials {
    /// Takes one more denial: `true` if it counts, `false` if the same is to be asked again.
    pub(crate) async fn count(&mut self, client: &Client) -> bool {
        if self.ready {
            return true;
        }
        // `/readyz` waits for the caches of RBAC, and by default everybody may ask for it.
        if let Ok(request) = http::Request::get("/readyz").body(Vec::new()) {
            self.ready = client.request_text(request).await.is_ok();
        }
        false
    }

    /// Whether the server is ready by now, and may be asked again at once.
    pub(crate) fn over(&self) -> bool {
        self.ready
    }
}

/// Whether the same request may well succeed a moment later. Every request of this crate is safe to repeat.
fn is_passing(error: &kube::Error) -> bool {
    match error {
        // Server-side apply answers 500 to a field outside the schema; that is our mistake, not its bad moment.
        kube::Error::Api(status) if status.code == 500 => !status
            .message
            .contains("failed to create typed patch object"),
        // Not a field conflict but a lost race: the object changed or came to be while the server merged.
        kube::Error::Api(status) if status.code == 409 => {
            field_conflicts(status).is_empty() && !is_precondition(status)
        }
        _ => kreg_stream::is_passing(error),
    }
}

/// A delete whose uid precondition does not hold; asking again cannot change that.
/// Source: apiserver `pkg/registry/rest/delete.go`, `pkg/storage/interfaces.go`; two layers, two wordings.
pub(crate) fn is_precondition(status: &kube::core::Status) -> bool {
    let message = &status.message;
    status.code == 409
        && (message.contains("Precondition failed") || message.contains("UID in the precondition"))
}

/// Who holds which field, from a 409 of server-side apply.
/// Source: apimachinery `pkg/util/managedfields/internal/conflict.go`.
pub(crate) fn field_conflicts(status: &kube::core::Status) -> Vec<FieldConflict> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes
        .filter(|cause| cause.reason == "FieldManagerConflict")
        .map(|cause| FieldConflict {
            manager: cause
                .message
                .split('"')
                .nth(1)
                .unwrap_or(&cause.message)
                .to_owned(),
            field: cause.field.clone(),
        })
        .collect()
}

/// Whether this is the authenticator's or the authorizer's "no".
fn is_denial(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if is_denied(status))
}

/// 403 is also what admission plugins and quotas answer; only the authorizer speaks of a User.
fn is_denied(status: &kube::core::Status) -> bool {
    status.code == 401 || (status.code == 403 && status.message.contains("User \""))
}

/// What an answer that is final means to the caller.
pub(crate) fn classify(action: &'static str, object: &str, error: kube::Error) -> Error {
    match error {
        kube::Error::Api(status) if is_denied(&status) => Error::Denied {
            action,
            object: object.to_owned(),
            message: status.message,
        },
        kube::Error::Api(status) if status.code == 409 => Error::Raced {
            action,
            object: object.to_owned(),
            reason: status.reason,
            message: status.message,
        },
        kube::Error::Api(status) => Error::Refused {
            action,
            object: object.to_owned(),
            code: status.code,
            reason: status.reason,
            message: status.message,
        },
        other => Error::Unreachable {
            action,
            object: object.to_owned(),
            tries: 1,
            waited: Duration::ZERO,
            server: String::new(),
            source: Box::new(other),
        },
    }
}
