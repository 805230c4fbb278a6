//! One pull of a watch: what counts is the first answer.

use kreg_stream::again;
use kube::api::DeleteParams;
use kube::runtime::watcher;
use tokio::time::Instant;

use super::end::End;
use super::events::{events, root_cause};
use super::follow::{Patience, create, follow};
use super::manifest::pod;
use super::pulls::NodePulls;
use crate::causes::with_causes;
use crate::pull_failure::PullFailure;

/// How one Pod of a watch ended.
#[derive(Clone, Debug)]
pub(crate) enum PullEnd {
    /// Its image was pulled and ran.
    Ran,
    /// The pull failed, if only once.
    Failed(PullFailure, String),
    /// The pull began and did not end in time.
    Hung(String),
    /// It did not come to a pull in time.
    TimedOut(String),
    /// It could not be started, or went before its end.
    NoPod(String),
}

/// Starts one Pod, sees it to its end or to the first failure of its pull, and takes it away.
pub(crate) async fn try_pull(
    pulls: &NodePulls,
    run: &str,
    name: &str,
    node: &str,
    image: &str,
) -> PullEnd {
    let pods = pulls.api();
    let deadline = Instant::now() + pulls.timeout;
    if let Err(error) = create(&pods, &pod(pulls, run, name, node, image)).await {
        return PullEnd::NoPod(with_causes(&error));
    }
    let news = watcher::watch_object(pods.clone(), name);
    let (end, last) = follow(news, deadline, Patience::None).await;
    let hung = match (&end, &last) {
        (End::TimedOut(_), Some(pod)) => {
            let events = events(pulls, pod, &end).await;
            hung(&events).map(str::to_owned)
        }
        _ => None,
    };
    // Whatever it says: the end of the watch sweeps what is left.
    let how = DeleteParams::default().grace_period(0);
    let _ = again(|| pods.delete(name, &how)).await;
    match end {
        End::Exited(0) => PullEnd::Ran,
        // It was pulled, and the registry is not to blame for the rest.
        End::Exited(code) => PullEnd::NoPod(format!("the program ended with code {code}")),
        End::PullFailed(kind, words) => PullEnd::Failed(kind, root_cause(&words).to_owned()),
        End::TimedOut(words) => match hung {
            Some(event) => PullEnd::Hung(format!(
                "no end after {} s: {event}",
                pulls.timeout.as_secs()
            )),
            None => PullEnd::TimedOut(words),
        },
        End::Stuck(words) | End::Lost(words) => PullEnd::NoPod(words),
    }
}

/// The event of a pull that began, where none tells of its end.
fn hung(events: &[String]) -> Option<&str> {
    let find = |reason: &str| events.iter().find(|line| line.starts_with(reason));
    match find("Pulled: ") {
        Some(_) => None,
        None => find("Pulling: ").map(String::as_str),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pull_that_began_and_did_not_end_hangs() {
        let lines = |lines: &[&str]| -> Vec<String> {
            lines.iter().map(|line| (*line).to_owned()).collect()
        };
        let pulling = "Pulling: Pulling image \"r\"";
        assert_eq!(hung(&lines(&[pulling])), Some(pulling));
        // It came, and something else hangs; or it never came to a pull.
        let pulled = "Pulled: Successfully pulled image \"r\"";
        assert_eq!(hung(&lines(&[pulling, pulled])), None);
        assert_eq!(hung(&lines(&["FailedMount: no volume"])), None);
    }
}
