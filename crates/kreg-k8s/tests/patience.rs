//! How long kreg waits for an API server that refuses, through the client that kreg really uses.

// Helpers of tests are not recognised as tests by clippy.toml.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use kreg_k8s::{Cluster as _, Error, Kind, LiveCluster, ObjectRef, Retry};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

/// Answers every request with this status and these headers, and counts the requests.
async fn refusing(status: &'static str, headers: &'static str) -> (LiveCluster, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let requests = Arc::clone(&count);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let requests = Arc::clone(&requests);
            tokio::spawn(async move {
                let mut heard = Vec::new();
                let mut buffer = [0; 4096];
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    heard.extend_from_slice(&buffer[..read]);
                    if !heard.ends_with(b"\r\n\r\n") {
                        continue;
                    }
                    heard.clear();
                    requests.fetch_add(1, Ordering::Relaxed);
                    let answer =
                        format!("HTTP/1.1 {status}\r\n{headers}content-length: 4\r\n\r\nbusy");
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    let config = kube::Config::new(url.parse().unwrap());
    let retry = Retry {
        tries: 3,
        first_pause: Duration::from_millis(10),
        longest_pause: Duration::from_millis(50),
        ..Retry::default()
    };
    let cluster = LiveCluster::from_config(config).unwrap();
    (cluster.with_retry(retry), count)
}

/// A read fails after exactly the tries of [`Retry`], and within their pauses.
async fn is_bounded(status: &'static str, headers: &'static str) {
    let (cluster, requests) = refusing(status, headers).await;
    let begun = Instant::now();
    let object = ObjectRef::new(Kind::ConfigMap, "images", "settings");
    let asked = tokio::time::timeout(Duration::from_secs(20), cluster.get(&object)).await;
    let error = asked.expect("the tries end").unwrap_err();
    assert!(
        matches!(error, Error::Unreachable { tries: 3, .. }),
        "{error}"
    );
    assert_eq!(requests.load(Ordering::Relaxed), 3, "{status}");
    // Two pauses of at most 50 ms; the rest is a slow machine.
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_server_that_answers_503_is_asked_as_often_as_documented() {
    is_bounded("503 Service Unavailable", "").await;
}

#[tokio::test]
async fn a_server_that_asks_for_an_hour_of_patience_does_not_get_it() {
    is_bounded("503 Service Unavailable", "retry-after: 3600\r\n").await;
    is_bounded("429 Too Many Requests", "retry-after: 3600\r\n").await;
}

#[test]
fn the_default_tries_take_about_18_seconds_at_most() {
    let retry = Retry::default();
    let mut pause = retry.first_pause;
    let mut sum = Duration::ZERO;
    for _ in 1..retry.tries {
        sum += pause.min(retry.longest_pause);
        pause *= 2;
    }
    assert!(
        (Duration::from_secs(17)..Duration::from_secs(19)).contains(&sum),
        "{sum:?}"
    );
}

#[tokio::test]
async fn a_limit_ends_the_tries_of_a_server_that_refuses() {
    let (cluster, requests) = refusing("503 Service Unavailable", "").await;
    let cluster = cluster.with_retry(Retry {
        tries: 1000,
        first_pause: Duration::from_millis(100),
        longest_pause: Duration::from_millis(100),
        limit: Duration::from_millis(550),
    });
    let error = get(&cluster).await;
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    // The first, and one after each whole pause.
    let tried = requests.load(Ordering::Relaxed);
    assert!((1..=6).contains(&tried), "{tried}");
}

#[tokio::test]
async fn a_limit_ends_the_wait_for_a_server_that_says_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let cluster = LiveCluster::from_config(kube::Config::new(url.parse().unwrap())).unwrap();
    let cluster = cluster.with_retry(Retry {
        limit: Duration::from_secs(1),
        ..Retry::default()
    });
    let begun = Instant::now();
    let error = get(&cluster).await;
    assert!(
        matches!(error, Error::Unreachable { tries: 1, .. }),
        "{error}"
    );
    // Without the limit, the read timeout of 30 s ends the first of eight tries.
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
}

async fn get(cluster: &LiveCluster) -> Error {
    let object = ObjectRef::new(Kind::ConfigMap, "images", "settings");
    cluster.get(&object).await.unwrap_err()
}
