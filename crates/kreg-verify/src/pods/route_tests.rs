use super::*;
use crate::check::Status;

fn of(end: End, events: &[&str]) -> Outcome {
    let events = events.iter().map(|line| (*line).to_owned()).collect();
    judge(&Seen::new(end, events))
}

fn failed(words: &str) -> End {
    End::PullFailed(PullFailure::of(words), words.to_owned())
}

#[test]
fn a_pull_that_came_through_shows_the_way() {
    let pulled = "Pulled: Successfully pulled image \"r:5000/a\" in 54ms";
    assert_eq!(of(End::Exited(0), &[pulled]).status, Status::Pass);
    // Pulled, and then something else went wrong.
    assert_eq!(
        of(End::Stuck("StartError".into()), &[pulled]).status,
        Status::Pass
    );
}

#[test]
fn an_answer_of_any_kind_was_reached_and_none_was_not() {
    for reached in ["401 Unauthorized", "r:5000/a: not found"] {
        let outcome = of(failed(reached), &[]);
        assert_eq!(outcome.status, Status::Pass, "{outcome:?}");
        assert!(outcome.message.contains(reached), "{outcome:?}");
    }
    for lost in [
        "dial tcp: lookup r on 10.0.0.2:53: no such host",
        "dial tcp 10.96.0.50:5000: connect: connection refused",
        "dial tcp 10.96.0.50:5000: i/o timeout",
    ] {
        let outcome = of(failed(lost), &[]);
        assert_eq!(outcome.status, Status::Fail, "{outcome:?}");
        assert!(outcome.message.contains("this node"), "{outcome:?}");
        let late = of(End::TimedOut(lost.into()), &[]);
        assert_eq!(late.status, Status::Fail, "{late:?}");
    }
}

#[test]
fn who_answers_with_a_certificate_that_is_refused_is_not_known() {
    for stranger in [
        "x509: certificate signed by unknown authority",
        "http: server gave HTTP response to HTTPS client",
    ] {
        let outcome = of(failed(stranger), &[]);
        assert_eq!(outcome.status, Status::Skipped, "{outcome:?}");
        assert!(outcome.message.contains(stranger), "{outcome:?}");
    }
}

#[test]
fn what_never_came_to_a_pull_shows_nothing() {
    for end in [
        End::Stuck("OutOfpods: too many".into()),
        End::Lost("somebody deleted the pod".into()),
        End::TimedOut("the kubelet has not begun".into()),
    ] {
        assert_eq!(of(end, &[]).status, Status::Skipped);
    }
}
