use hyper_util::client::legacy::connect::Connected;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use super::*;

/// One end of a pipe, as a connection.
struct Pipe(TokioIo<DuplexStream>);

impl Connection for Pipe {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl Write for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, buffer)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// What a proxy with this answer hears, and what comes of it.
async fn asked(proxy: &str, target: &str, answer: &'static str) -> (String, String) {
    let (near, mut far) = tokio::io::duplex(4096);
    let heard = tokio::spawn(async move {
        let mut heard = vec![0; 4096];
        let length = far.read(&mut heard).await.unwrap();
        far.write_all(answer.as_bytes()).await.unwrap();
        heard.truncate(length);
        String::from_utf8(heard).unwrap()
    });
    let through = Through::new(&proxy.parse().unwrap(), ());
    let stream = Pipe(TokioIo::new(near));
    let outcome = match through.way.connect(stream, &target.parse().unwrap()).await {
        Ok(_) => "connected".to_owned(),
        Err(error) => format!("{error} (final: {})", error.is_final()),
    };
    (heard.await.unwrap(), outcome)
}

#[tokio::test]
async fn connect_names_host_and_port_and_sends_the_password_decoded() {
    let proxy = "http://jane:p%40ss@proxy:3128";
    let (heard, outcome) = asked(proxy, "https://[fd00::1]/", "HTTP/1.1 200 OK\r\n\r\n").await;
    assert!(
        heard.starts_with("CONNECT [fd00::1]:443 HTTP/1.1\r\n"),
        "{heard}"
    );
    assert!(heard.contains("host: [fd00::1]:443\r\n"), "{heard}");
    // echo -n 'jane:p@ss' | base64
    assert!(
        heard.contains("proxy-authorization: Basic amFuZTpwQHNz\r\n"),
        "{heard}"
    );
    assert_eq!(outcome, "connected");
    let (heard, _) = asked(
        "http://proxy:3128",
        "http://api/",
        "HTTP/1.1 200 OK\r\n\r\n",
    )
    .await;
    assert!(
        heard.starts_with("CONNECT api:80 ") && !heard.contains("authorization"),
        "{heard}"
    );
}

#[tokio::test]
async fn a_refusal_is_reported_with_its_status_and_without_the_password() {
    let (_, said) = asked(
        "http://jane:secret@proxy:3128",
        "https://api:6443/",
        "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n",
    )
    .await;
    let head = "the proxy http://proxy:3128 refuses to connect to api:6443: 407 ";
    assert!(
        said.starts_with(head) && said.ends_with("(final: true)"),
        "{said}"
    );
    assert!(!said.contains("secret"), "{said}");
    let busy = "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n";
    let (_, said) = asked("https://proxy:3128", "https://api:6443/", busy).await;
    assert!(
        said.contains("https://proxy:3128") && said.ends_with("(final: false)"),
        "{said}"
    );
}

#[tokio::test]
async fn what_is_no_proxy_is_no_tunnel() {
    for answer in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 200 OK\r\n\r\nhello",
        "",
    ] {
        let (_, said) = asked("http://proxy:3128", "https://api:6443/", answer).await;
        let head = "the proxy http://proxy:3128 did not connect to api:6443";
        assert!(said.starts_with(head), "{answer:?}: {said}");
    }
}
