use futures::{StreamExt, stream};
use serde_json::json;

use super::*;
use crate::check::Status;
use crate::image::{Architecture, UnknownArchitecture};

const LINE: &str = "kreg-verify 00\n";

fn facts() -> NodeFacts {
    NodeFacts {
        name: "w1".into(),
        ready: Ok(()),
        architecture: Ok(Architecture::Amd64),
        os: "linux".into(),
        runtime: "containerd://1.6.20".into(),
        kubelet: "v1.34.4".into(),
    }
}

fn pod_with(state: serde_json::Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": { "name": "p" },
        "status": { "containerStatuses": [{
            "name": "probe", "image": "", "imageID": "r@sha256:1", "ready": false, "restartCount": 0, "state": state,
        }] },
    }))
    .unwrap()
}

fn waiting(reason: &str, message: &str) -> Pod {
    pod_with(json!({ "waiting": { "reason": reason, "message": message } }))
}

async fn end_of(news: Vec<Option<Pod>>) -> End {
    let news = stream::iter(news.into_iter().map(Ok)).chain(stream::pending());
    follow(
        news,
        Instant::now() + Duration::from_millis(50),
        Patience::OfKubelet,
    )
    .await
    .0
}

#[test]
fn nodes_where_nothing_can_be_tried_are_told_apart() {
    let of = |facts| NodePull::new(facts, 0).attempt.obstacle();
    assert_eq!(of(facts()), None);
    let down = of(NodeFacts {
        ready: Err("Kubelet stopped posting".into()),
        ..facts()
    })
    .unwrap();
    assert_eq!(down.status, Status::Fail);
    assert!(down.message.contains("NotReady") && down.message.contains("stopped posting"));
    let odd = of(NodeFacts {
        architecture: Err(UnknownArchitecture("mips".into())),
        ..facts()
    })
    .unwrap();
    assert_eq!(odd.status, Status::Fail);
    assert!(odd.message.contains("mips"));
    let windows = of(NodeFacts {
        os: "windows".into(),
        ..facts()
    })
    .unwrap();
    assert_eq!(windows.status, Status::Skipped);
}

#[tokio::test]
async fn a_refused_certificate_ends_the_wait_and_a_refused_connection_does_not() {
    let x509 = waiting(
        "ErrImagePull",
        "x509: certificate signed by unknown authority",
    );
    assert!(matches!(
        end_of(vec![None, Some(x509)]).await,
        End::PullFailed(PullFailure::Certificate, _)
    ));
    let refused = waiting("ErrImagePull", "connect: connection refused");
    let done = pod_with(json!({ "terminated": { "exitCode": 0 } }));
    assert!(matches!(
        end_of(vec![Some(refused.clone()), Some(done)]).await,
        End::Exited(0)
    ));
    assert!(matches!(
        end_of(vec![Some(refused)]).await,
        End::PullFailed(PullFailure::Unreachable, _)
    ));
}

/// The end of Pods that a kubelet reports, each at its millisecond.
async fn end_by(patience: Patience, news: Vec<(u64, Pod)>) -> End {
    let begun = Instant::now();
    let news = stream::iter(news).then(move |(at, pod)| async move {
        tokio::time::sleep_until(begun + Duration::from_millis(at)).await;
        Ok(Some(pod))
    });
    let news = news.chain(stream::pending());
    follow(news, begun + Duration::from_secs(60), patience)
        .await
        .0
}

/// A hosts file is read again after 5 s at most, and the kubelet pulls again after 10 to 15 s; here
/// it all goes faster.
#[tokio::test]
async fn a_name_that_is_not_found_yet_is_waited_for_where_nodes_go_by_name() {
    let by_name = Patience::OfLookups(Duration::from_millis(500));
    let lookup = "dial tcp: lookup docker-registry: no such host";
    let failed = || waiting("ErrImagePull", lookup);
    let back_off = || waiting("ImagePullBackOff", "Back-off pulling image \"r\"");
    let refused = || waiting("ErrImagePull", "connect: connection refused");
    let done = || pod_with(json!({ "terminated": { "exitCode": 0 } }));

    let passes = vec![(0, failed()), (10, back_off()), (50, done())];
    let end = end_by(by_name, passes.clone()).await;
    assert!(matches!(end, End::Exited(0)), "{end:?}");

    // However often it is said, it is not waited for longer.
    let stays = vec![
        (0, failed()),
        (300, back_off()),
        (400, failed()),
        (3000, done()),
    ];
    let end = end_by(by_name, stays).await;
    assert!(
        matches!(end, End::PullFailed(PullFailure::NoSuchHost, _)),
        "{end:?}"
    );

    // The name was found, and something else is waited for, as ever.
    let found = vec![(0, failed()), (50, refused()), (1000, done())];
    let end = end_by(by_name, found).await;
    assert!(matches!(end, End::Exited(0)), "{end:?}");

    // Led by an address, or in a watch, nothing is waited for.
    for patience in [Patience::OfKubelet, Patience::None] {
        let end = end_by(patience, passes.clone()).await;
        assert!(
            matches!(end, End::PullFailed(PullFailure::NoSuchHost, _)),
            "{end:?}"
        );
    }
    // Nor is it after a refused certificate.
    let x509 = vec![(0, waiting("ErrImagePull", "x509: no")), (50, done())];
    let end = end_by(by_name, x509).await;
    assert!(
        matches!(end, End::PullFailed(PullFailure::Certificate, _)),
        "{end:?}"
    );
}

#[test]
fn only_containerd_is_led_by_an_address() {
    for (runtime, by_name) in [
        ("containerd://1.7.24", false),
        ("containerd://2.1.4-k3s1", false),
        ("cri-o://1.37.0", true),
        ("docker://28.5.2", true),
    ] {
        let node = NodeFacts {
            runtime: runtime.into(),
            ..facts()
        };
        assert_eq!(node.by_name(), by_name, "{runtime}");
    }
}

#[tokio::test]
async fn silence_deletion_and_exit_codes_end_the_wait() {
    assert!(matches!(end_of(vec![None]).await, End::TimedOut(_)));
    let creating = waiting("ContainerCreating", "");
    assert!(
        matches!(end_of(vec![Some(creating.clone())]).await, End::TimedOut(w) if w == "ContainerCreating")
    );
    assert!(matches!(
        end_of(vec![Some(creating), None]).await,
        End::Lost(_)
    ));
    let crashed = pod_with(json!({ "terminated": { "exitCode": 139 } }));
    assert!(matches!(
        end_of(vec![Some(crashed)]).await,
        End::Exited(139)
    ));
}

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
    assert!(
        outcome.message.contains("kreg nodes trust"),
        "{}",
        outcome.message
    );
}

#[test]
fn a_pull_that_began_and_did_not_end_hangs() {
    let lines =
        |lines: &[&str]| -> Vec<String> { lines.iter().map(|line| (*line).to_owned()).collect() };
    let pulling = "Pulling: Pulling image \"r\"";
    assert_eq!(hung(&lines(&[pulling])), Some(pulling));
    // It came, and something else hangs; or it never came to a pull.
    let pulled = "Pulled: Successfully pulled image \"r\"";
    assert_eq!(hung(&lines(&[pulling, pulled])), None);
    assert_eq!(hung(&lines(&["FailedMount: no volume"])), None);
}

#[test]
fn the_root_cause_is_what_is_left_when_the_wrapping_is_off() {
    let image = "r:5000/kreg/verify@sha256:00";
    let cause = "failed to do request: Head \"https://10.0.0.1:5000/v2/\": x509: certificate signed by unknown authority";
    let words = format!(
        "Failed: Failed to pull image \"{image}\": failed to pull and unpack image \"{image}\": \
         failed to resolve reference \"{image}\": {cause}"
    );
    assert_eq!(root_cause(&words), cause);
    assert_eq!(
        root_cause("no basic auth credentials"),
        "no basic auth credentials"
    );
}
