//! What comes through a real API server from a real kubelet: a program that says nothing for longer than any read
//! timeout, and a log that says too much.

// Helpers of tests are not recognised as tests by clippy.toml.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::{Duration, Instant};

use common::{cluster, remove_namespaces, teams, write_as};
use kreg_k8s::{Cluster, Kind, LiveCluster, ObjectRef, PodState, pod_state};
use kreg_stream::Program;
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn a_program_that_is_silent_for_90_seconds_is_heard_to_its_end() {
    let cluster = cluster().await;
    let teams = teams(&cluster, "silent", &["a"]).await;
    let (namespace, name) = (teams[0].as_str(), "sleeper");
    started(&cluster, namespace, name, "sleep 600").await;
    let program = Program {
        namespace,
        pod: name,
        container: "main",
        command: &["sh", "-c", "sleep 90; echo done"],
        stdin: &[],
        limit: Duration::from_secs(180),
        output_max: 1024,
    };
    let begun = Instant::now();
    let ended = cluster.streams().exec(program).await.unwrap();
    assert!(
        begun.elapsed() >= Duration::from_secs(90),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(ended.code(), Some(0));
    assert_eq!(ended.stdout, b"done\n");
    remove_namespaces(&cluster, &teams).await;
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn of_a_log_no_more_than_a_mebibyte_is_read() {
    let cluster = cluster().await;
    let teams = teams(&cluster, "loud", &["a"]).await;
    let namespace = teams[0].as_str();
    let shouts = "head -c 3000000 /dev/zero | tr '\\0' x; echo; sleep 600";
    let pod = started(&cluster, namespace, "loud", shouts).await;
    let begun = Instant::now();
    let read = loop {
        let log = cluster.pod_log(&pod, "main", false, 1000).await.unwrap();
        if log.len() >= 1 << 20 {
            break log;
        }
        assert!(begun.elapsed() < PATIENCE, "{} bytes", log.len());
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    assert_eq!(read.len(), 1 << 20);
    remove_namespaces(&cluster, &teams).await;
}

/// A Pod that runs `script`, once it is ready.
async fn started(cluster: &LiveCluster, namespace: &str, name: &str, script: &str) -> ObjectRef {
    // Before 1.24 a token comes some time after its account, and a Pod that wants it is refused until then.
    let body = json!({ "spec": {
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": false,
        "containers": [
            { "name": "main", "image": "kreg.test/registry:2.8.2", "command": ["sh", "-c", script] },
        ],
    } });
    write_as(cluster, "test", Kind::Pod, namespace, name, body, true).await;
    let pod = ObjectRef::new(Kind::Pod, namespace, name);
    let begun = Instant::now();
    while pod_state(&cluster.get(&pod).await.unwrap().unwrap()) != PodState::Ready {
        assert!(begun.elapsed() < PATIENCE, "{pod} does not start");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    pod
}
