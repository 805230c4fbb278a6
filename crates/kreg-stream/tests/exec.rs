//! A program in a container: every way in which it, or the connection to it, can end.

// Helpers of tests are not recognised as tests by clippy.toml.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::Duration;

use common::{Peer, accept, server, short};
use kreg_stream::{Broken, Ended, ExecError, Program};
use tokio::task::JoinHandle;

const SUCCESS: &[u8] = br#"{"metadata":{},"status":"Success"}"#;
const SEVEN: &[u8] =
    br#"{"metadata":{},"status":"Failure","message":"command terminated with exit code 7",
    "reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"7"}]}}"#;

async fn begun(
    stdin: &'static [u8],
    limit: Duration,
) -> (JoinHandle<Result<Ended, ExecError>>, Peer) {
    let (listener, streams) = server(short()).await;
    let run = tokio::spawn(async move {
        let program = Program {
            namespace: "images",
            pod: "registry-0",
            container: "registry",
            command: &["/bin/sh", "-c"],
            stdin,
            limit,
            output_max: 1000,
        };
        streams.exec(program).await
    });
    let mut peer = accept(&listener).await;
    assert!(
        peer.path.contains("/pods/registry-0/exec?"),
        "{}",
        peer.path
    );
    for channel in [1, 2, 3] {
        peer.say(channel, b"").await;
    }
    (run, peer)
}

const LONG: Duration = Duration::from_secs(30);

async fn ended(run: JoinHandle<Result<Ended, ExecError>>) -> Result<Ended, ExecError> {
    let ended = tokio::time::timeout(Duration::from_secs(10), run).await;
    ended.expect("it ends").unwrap()
}

#[tokio::test]
async fn what_it_reads_writes_and_how_it_ends_is_passed_on() {
    let (run, mut peer) = begun(b"input", LONG).await;
    assert_eq!(peer.hear().await.unwrap(), (0, "input".into()));
    peer.say(1, b"out").await;
    peer.say(2, b"err").await;
    peer.say(1, b"put").await;
    peer.say(3, SEVEN).await;
    let ended = ended(run).await.unwrap();
    assert_eq!(
        (ended.stdout, ended.stderr),
        (b"output".into(), b"err".into())
    );
}

#[tokio::test]
async fn the_exit_code_is_read_out_of_the_status() {
    for (status, code) in [
        (SUCCESS, Some(0)),
        (SEVEN, Some(7)),
        (
            &br#"{"status":"Failure","message":"no such file"}"#[..],
            None,
        ),
    ] {
        let (run, mut peer) = begun(b"", LONG).await;
        peer.say(3, status).await;
        assert_eq!(ended(run).await.unwrap().code(), code);
    }
}

#[tokio::test]
async fn a_program_that_is_silent_far_beyond_the_limit_is_waited_for_while_pings_are_answered() {
    let (run, mut peer) = begun(b"", LONG).await;
    assert!(peer.idle(Duration::from_secs(3)).await >= 5);
    peer.say(1, b"done").await;
    peer.say(3, SUCCESS).await;
    assert_eq!(ended(run).await.unwrap().stdout, b"done");
}

#[tokio::test]
async fn a_connection_that_is_cut_ends_it() {
    let (run, mut peer) = begun(b"", LONG).await;
    peer.say(1, b"half").await;
    drop(peer);
    let error = ended(run).await.unwrap_err();
    assert!(matches!(error, ExecError::Broken(Broken::Cut)), "{error}");
    assert!(error.to_string().contains("may still run"), "{error}");
}

#[tokio::test]
async fn a_close_without_a_status_is_not_taken_for_success() {
    let (run, mut peer) = begun(b"", LONG).await;
    peer.socket.close(None).await.unwrap();
    let error = ended(run).await.unwrap_err();
    assert!(matches!(error, ExecError::Broken(Broken::Cut)), "{error}");
}

#[tokio::test]
async fn a_server_that_answers_no_ping_ends_it() {
    let (run, peer) = begun(b"", LONG).await;
    let error = ended(run).await.unwrap_err();
    assert!(
        matches!(error, ExecError::Broken(Broken::Silent { .. })),
        "{error}"
    );
    drop(peer);
}

#[tokio::test]
async fn a_program_that_never_ends_is_given_up_though_the_server_is_there() {
    let (run, mut peer) = begun(b"", Duration::from_secs(2)).await;
    let (error, _) = tokio::join!(ended(run), peer.idle(Duration::from_secs(4)));
    let error = error.unwrap_err();
    assert!(matches!(error, ExecError::Unended { .. }), "{error}");
}

#[tokio::test]
async fn a_program_that_writes_too_much_is_given_up() {
    let (run, mut peer) = begun(b"", LONG).await;
    peer.say(1, &[0; 600]).await;
    peer.say(2, &[0; 600]).await;
    peer.say(1, &[0; 600]).await;
    let error = ended(run).await.unwrap_err();
    assert!(
        matches!(error, ExecError::TooMuch { limit: 1000 }),
        "{error}"
    );
}
