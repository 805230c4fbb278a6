use super::*;
use crate::check::Status;
use crate::remedy::Remedy;

const LINE: &str = "kreg-verify 00\n";

#[test]
fn only_exit_0_with_the_very_line_is_a_proof() {
    let of = |end: &End, log: &str, events: &[String]| {
        judge(end, log, LINE, events, Duration::from_secs(9))
    };
    let pulled = vec![
        "Pulled: Successfully pulled image \"r\" in 123ms (123ms including waiting)".to_owned(),
    ];
    let good = of(&End::Exited(0), LINE, &pulled);
    assert_eq!(
        (good.status, good.message.as_str()),
        (Status::Pass, "pulled in 123ms, ran, printed its nonce")
    );
    assert_eq!(of(&End::Exited(0), LINE, &[]).status, Status::Pass);
    for log in ["", "kreg-verify 01\n", "kreg-verify 00"] {
        assert_eq!(
            of(&End::Exited(0), log, &pulled).status,
            Status::Fail,
            "{log:?}"
        );
    }
    assert_eq!(of(&End::Exited(1), LINE, &pulled).status, Status::Fail);
    assert_eq!(
        of(&End::Lost("x".into()), LINE, &pulled).status,
        Status::Fail
    );
    assert!(
        of(&End::TimedOut("ContainerCreating".into()), "", &[])
            .message
            .contains("9 s")
    );
}

#[test]
fn a_failed_pull_gives_the_kubelets_words_and_the_way_out() {
    let end = End::PullFailed(PullFailure::Other, "Back-off pulling image".into());
    let words = "Failed: Failed to pull image \"r\": x509: certificate signed by unknown authority";
    let outcome = judge(&end, "", LINE, &[words.to_owned()], Duration::from_secs(9));
    assert_eq!(outcome.status, Status::Fail);
    assert!(outcome.message.contains(words), "{}", outcome.message);
    assert_eq!(outcome.remedy, Some(Remedy::TrustAndCompare));
}
