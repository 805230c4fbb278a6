//! A request that is tried again, for those who have only a client and whose own retries are off.

use std::time::Duration;

use crate::proxied::ProxyError;

/// How often a request is tried in all. With the pauses between, that takes about 4 s.
const TRIES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Runs `request` until it succeeds or is refused for good, five times at most. What is tried again: 429 and 5xx (Kubernetes
/// API conventions, "HTTP Status codes"), and a connection that broke. A request that creates something must bear that an
/// earlier try was carried out and only its answer was lost.
///
/// # Errors
/// That of the last try.
pub async fn again<T, F>(mut request: impl FnMut() -> F) -> Result<T, kube::Error>
where
    F: Future<Output = Result<T, kube::Error>>,
{
    let mut pause = FIRST_PAUSE;
    for _ in 1..TRIES {
        match request().await {
            Err(error) if is_passing(&error) => {
                tracing::debug!(?pause, %error, "the API server gave no usable answer; trying again");
                tokio::time::sleep(pause).await;
            }
            other => return other,
        }
        pause *= 2;
    }
    request().await
}

/// Whether the same request may well succeed a moment later: the server is busy or restarts (429 and 5xx), or the
/// connection broke. What a proxy refuses for good does not pass.
#[must_use]
pub fn is_passing(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => status.code == 429 || (500..=599).contains(&status.code),
        kube::Error::Service(_) | kube::Error::HyperError(_) | kube::Error::ReadEvents(_) => {
            !is_refused_by_a_proxy(error)
        }
        _ => false,
    }
}

fn is_refused_by_a_proxy(error: &kube::Error) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(refused) = error.downcast_ref::<ProxyError>() {
            return refused.is_final();
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn refused(code: u16) -> kube::Error {
        let mut status = kube::core::Status::failure("no", "Test");
        status.code = code;
        kube::Error::Api(Box::new(status))
    }

    async fn tried(code: u16, failures: u32) -> (u32, bool) {
        let tries = Cell::new(0);
        let outcome = again(|| {
            tries.set(tries.get() + 1);
            let fails = tries.get() <= failures;
            async move {
                match fails {
                    true => Err(refused(code)),
                    false => Ok(()),
                }
            }
        })
        .await;
        (tries.get(), outcome.is_ok())
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_is_tried_again_and_what_is_refused_is_not() {
        assert_eq!(tried(503, 2).await, (3, true));
        assert_eq!(tried(429, 4).await, (5, true));
        assert_eq!(tried(503, 9).await, (5, false));
        assert_eq!(tried(403, 9).await, (1, false));
        assert_eq!(tried(409, 9).await, (1, false));
    }
}
