//! A server on loopback that wants to harm its client.
#![allow(dead_code, unreachable_pub)] // each test file uses its part

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kreg_registry::dial::TcpDial;
use kreg_registry::{RegistryClient, Transport};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

pub const HOST: &str = "docker-registry:5000";

/// What the server answers.
pub enum Reply {
    /// This status, these headers and this body.
    Whole(u16, Vec<String>, String),
    /// A body that does not end, as fast as it can be read.
    Endless(u16),
    /// A body that does not end, a byte at a time.
    Drip,
    /// Nothing at all.
    Never,
}

pub fn list(body: String, next: Option<String>) -> Reply {
    let link = next.map(|next| format!("Link: <{next}>; rel=\"next\""));
    Reply::Whole(200, link.into_iter().collect(), body)
}

/// A server on loopback that answers by method and path.
pub struct Server {
    pub port: u16,
    /// `GET /v2/...`, in order.
    pub asked: Arc<Mutex<Vec<String>>>,
    /// Bytes of bodies that it got rid of.
    pub sent: Arc<Mutex<usize>>,
}

impl Server {
    pub async fn start(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, sent) = (Arc::default(), Arc::default());
        let server = Server { port, asked, sent };
        let (asked, sent) = (Arc::clone(&server.asked), Arc::clone(&server.sent));
        let answer = Arc::new(answer);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (asked, sent) = (Arc::clone(&asked), Arc::clone(&sent));
                let answer = Arc::clone(&answer);
                tokio::spawn(async move { serve(stream, answer.as_ref(), &asked, &sent).await });
            }
        });
        server
    }

    pub fn client(&self) -> RegistryClient {
        let dial = Arc::new(TcpDial::new(format!("127.0.0.1:{}", self.port)));
        RegistryClient::new(HOST.parse().unwrap(), dial, Transport::PlainHttp)
            .with_timeout(Duration::from_secs(20))
    }

    /// How many requests began like this.
    pub fn count(&self, beginning: &str) -> usize {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .filter(|one| one.starts_with(beginning))
            .count()
    }
}

/// Answers requests without bodies on one connection until either side has enough.
async fn serve(
    mut stream: TcpStream,
    answer: &(dyn Fn(&str) -> Reply + Send + Sync),
    asked: &Mutex<Vec<String>>,
    sent: &Mutex<usize>,
) -> Option<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).unwrap();
        let words: Vec<&str> = head.split(' ').take(2).collect();
        let request = words.join(" ");
        asked.lock().unwrap().push(request.clone());
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        match answer(&request) {
            Reply::Whole(status, headers, body) => {
                let mut whole =
                    format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
                for header in headers {
                    whole.push_str(&header);
                    whole.push_str("\r\n");
                }
                whole.push_str("\r\n");
                if !request.starts_with("HEAD ") {
                    whole.push_str(&body);
                }
                stream.write_all(whole.as_bytes()).await.ok()?;
            }
            Reply::Endless(status) => {
                let head = chunked.replace("200", &status.to_string());
                stream.write_all(head.as_bytes()).await.ok()?;
                let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
                loop {
                    stream.write_all(&chunk).await.ok()?;
                    *sent.lock().unwrap() += chunk.len();
                }
            }
            Reply::Drip => {
                stream.write_all(chunked.as_bytes()).await.ok()?;
                loop {
                    stream.write_all(b"1\r\n \r\n").await.ok()?;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
            Reply::Never => std::future::pending().await,
        }
    }
}
