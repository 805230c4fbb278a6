//! Streams through a real API server and a real kubelet: a program that says nothing for longer than any read timeout.

// Helpers of tests are not recognised as tests by clippy.toml.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::{Duration, Instant};

use common::{cluster, remove_namespaces, teams, write_as};
use kreg_k8s::{Cluster, Kind, ObjectRef, PodState, pod_state};
use kreg_stream::Program;
use serde_json::json;

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn a_program_that_is_silent_for_90_seconds_is_heard_to_its_end() {
    let cluster = cluster().await;
    let teams = teams(&cluster, "silent", &["a"]).await;
    let (namespace, name) = (teams[0].as_str(), "sleeper");
    let body = json!({ "spec": { "terminationGracePeriodSeconds": 0, "containers": [
        { "name": "main", "image": "kreg.test/registry:2.8.2", "command": ["sleep", "600"] },
    ] } });
    write_as(&cluster, "test", Kind::Pod, namespace, name, body, true).await;
    let pod = ObjectRef::new(Kind::Pod, namespace, name);
    let begun = Instant::now();
    while pod_state(&cluster.get(&pod).await.unwrap().unwrap()) != PodState::Ready {
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "{pod} does not start"
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
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
