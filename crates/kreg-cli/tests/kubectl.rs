//! kreg and kubectl reach the same cluster the same way, as the same user, and fail at the same inputs.
//!
//! Both run on the same kubeconfigs and environments, in a network of their own, where real proxies (Apache, microsocks)
//! lead to a stand-in for an API server that sees which of them a connection comes from. Their answers are
//! `docs/kubectl.md`; with `KREG_WRITE_DOCS=1` the test writes it.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may"
)]

#[path = "kubectl/identities.rs"]
mod identities;
#[path = "kubectl/page.rs"]
mod page;
#[path = "kubectl/stand_in.rs"]
mod stand_in;
#[path = "kubectl/ways.rs"]
mod ways;
#[path = "kubectl/world.rs"]
mod world;

use std::process::Command;
use std::time::Duration;

use kreg_k8s::{Connection, LiveCluster};
use kreg_stream::Program;

/// Says which part of this test a process is.
const PART: &str = "KREG_TEST_PART";

#[test]
#[ignore = "needs root, kubectl as $KUBECTL, apache2 and microsocks: run by cargo xtask test"]
fn kreg_answers_as_kubectl_does() {
    match std::env::var(PART).as_deref() {
        Ok("inside") => inside(),
        Ok("streams") => streams(),
        _ => {
            let mut again = myself("unshare");
            let status = again.env(PART, "inside").status().unwrap();
            assert!(status.success(), "see above");
        }
    }
}

/// Runs this test program again, under `unshare`: it gets a network and files of its own. Without `unshare` it runs as it is.
fn myself(by: &str) -> Command {
    let myself = std::env::current_exe().unwrap();
    let mut command = Command::new(if by.is_empty() {
        myself.as_os_str()
    } else {
        by.as_ref()
    });
    if !by.is_empty() {
        command.args(["--net", "--mount"]).arg(&myself);
    }
    command.args([
        "--exact",
        "kreg_answers_as_kubectl_does",
        "--include-ignored",
        "--nocapture",
    ]);
    command
}

fn inside() {
    let world = world::World::new();
    let ways = ways::answers(&world);
    let identities = identities::answers(&world);
    page::holds(&world.kubectl_version(), &ways, &identities);
}

/// What needs streams and no command: `exec` and `port-forward` to a Pod of the stand-in.
fn streams() {
    let connection = Connection {
        limit: Some(Duration::from_secs(8)),
        ..Connection::default()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let cluster = LiveCluster::connect(&connection).await.unwrap();
        let program = Program {
            namespace: "default",
            pod: "p",
            container: "c",
            command: &["true"],
            stdin: &[],
            limit: Duration::from_secs(8),
            output_max: 1024,
        };
        let streams = cluster.streams();
        let ended = streams.exec(program).await.unwrap();
        assert_eq!(ended.code(), Some(0));
        drop(streams.forward("default", "p", 80).await.unwrap());
    });
}
