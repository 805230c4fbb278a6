//! A connection to a port of a Pod: what it survives, and what it says when it breaks.

// Helpers of tests are not recognised as tests by clippy.toml.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::{Duration, Instant};

use common::{Peer, accept, server, short};
use kreg_stream::{Broken, ForwardError, Forwarded};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};

async fn opened() -> (Forwarded, Peer) {
    let (listener, streams) = server(short()).await;
    let (forwarded, peer) = tokio::join!(
        streams.forward("images", "registry-0", 5000),
        accept(&listener)
    );
    let mut peer = peer;
    assert_eq!(
        peer.path,
        "/api/v1/namespaces/images/pods/registry-0/portforward?&ports=5000"
    );
    for channel in [0, 1] {
        peer.say(channel, &5000_u16.to_le_bytes()).await;
    }
    (forwarded.unwrap(), peer)
}

/// Why the connection broke, as its reader hears it.
async fn why(forwarded: &mut Forwarded) -> Broken {
    let mut rest = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), forwarded.read_to_end(&mut rest));
    let error = read.await.expect("it ends").unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("port 5000 of pod images/registry-0"),
        "{text}"
    );
    match error.into_inner().unwrap().downcast::<ForwardError>() {
        Ok(error) => match *error {
            ForwardError::Broken { why, .. } => why,
            other => panic!("{other}"),
        },
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn silence_far_beyond_the_limit_is_survived_while_pings_are_answered() {
    let (mut forwarded, mut peer) = opened().await;
    // Three times the limit of silence, thirty times the read timeout of requests.
    let pings = peer.idle(Duration::from_secs(3)).await;
    assert!(pings >= 5, "{pings}");
    forwarded.write_all(b"late").await.unwrap();
    assert_eq!(peer.hear().await.unwrap(), (0, "late".into()));
    peer.say(0, b"answer").await;
    let mut answer = [0; 6];
    forwarded.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"answer");
}

#[tokio::test]
async fn an_upload_without_a_word_back_is_survived() {
    let (mut forwarded, mut peer) = opened().await;
    let sent = tokio::spawn(async move {
        for _ in 0..30 {
            forwarded.write_all(&[7; 1000]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        forwarded
    });
    let mut heard = 0;
    while heard < 30_000 {
        heard += peer.hear().await.expect("the upload goes on").1.len();
    }
    drop(sent.await.unwrap());
    assert!(peer.hear().await.is_none(), "dropping it closes it");
}

#[tokio::test]
async fn a_reader_that_takes_nothing_for_a_while_is_no_fault_of_the_server() {
    let (mut forwarded, mut peer) = opened().await;
    let size = 4 << 20;
    let sending = tokio::spawn(async move {
        for _ in 0..(size >> 16) {
            peer.say(0, &[1; 1 << 16]).await;
        }
        peer.hear().await
    });
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut all = vec![0; size];
    forwarded.read_exact(&mut all).await.unwrap();
    drop(forwarded);
    assert!(sending.await.unwrap().is_none());
}

#[tokio::test]
async fn a_server_that_answers_no_ping_breaks_it() {
    let (mut forwarded, peer) = opened().await;
    let begun = Instant::now();
    assert!(matches!(why(&mut forwarded).await, Broken::Silent { .. }));
    assert!(begun.elapsed() >= Duration::from_millis(900));
    drop(peer);
}

#[tokio::test]
async fn a_server_that_takes_nothing_breaks_an_upload() {
    let (mut forwarded, peer) = opened().await;
    let error = loop {
        let written =
            tokio::time::timeout(Duration::from_secs(10), forwarded.write_all(&[0; 1 << 16]));
        if let Err(error) = written.await.expect("it ends") {
            break error;
        }
    };
    assert!(error.to_string().contains("silent"), "{error}");
    drop(peer);
}

#[tokio::test]
async fn a_connection_that_is_cut_is_not_taken_for_its_end() {
    let (mut forwarded, mut peer) = opened().await;
    peer.say(0, b"half").await;
    drop(peer);
    let mut half = [0; 4];
    forwarded.read_exact(&mut half).await.unwrap();
    assert_eq!(&half, b"half");
    assert_eq!(why(&mut forwarded).await, Broken::Cut);
}

#[tokio::test]
async fn the_nodes_words_are_passed_on() {
    let (mut forwarded, mut peer) = opened().await;
    peer.say(1, b"error forwarding port 5000: connection refused\n")
        .await;
    let said = "error forwarding port 5000: connection refused".to_owned();
    assert_eq!(why(&mut forwarded).await, Broken::Node(said));
}

#[tokio::test]
async fn the_servers_reason_is_passed_on() {
    let (mut forwarded, mut peer) = opened().await;
    let frame = CloseFrame {
        code: CloseCode::Away,
        reason: "shutting down".into(),
    };
    peer.socket.send_close(frame).await;
    let expected = Broken::Closed {
        code: 1001,
        reason: "shutting down".to_owned(),
    };
    assert_eq!(why(&mut forwarded).await, expected);
}

#[tokio::test]
async fn the_pods_own_end_is_an_end() {
    let (mut forwarded, mut peer) = opened().await;
    peer.say(0, b"bye").await;
    peer.socket.close(None).await.unwrap();
    let mut all = Vec::new();
    forwarded.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"bye");
}

#[tokio::test]
async fn a_server_that_does_not_open_the_stream_is_given_up() {
    let limits = kreg_stream::Limits {
        connect: Duration::from_millis(500),
        ..short()
    };
    let (listener, streams) = server(limits).await;
    let forwarding = streams.forward("images", "registry-0", 5000);
    let (error, _held) = tokio::join!(forwarding, listener.accept());
    assert!(matches!(error.unwrap_err(), ForwardError::Slow { .. }));
}

trait SendClose {
    async fn send_close(&mut self, frame: CloseFrame);
}

impl SendClose for tokio_tungstenite::WebSocketStream<tokio::net::TcpStream> {
    async fn send_close(&mut self, frame: CloseFrame) {
        use futures::SinkExt as _;
        self.send(Message::Close(Some(frame))).await.unwrap();
    }
}
