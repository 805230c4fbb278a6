use futures::{StreamExt, stream};
use serde_json::json;

use super::*;

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
