//! The client and the checks against a server that wants to harm them, or that is huge.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may fail by them

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kreg_auth::Credentials;
use kreg_verify::checks::{List, Pages};
use kreg_verify::dial::TcpDial;
use kreg_verify::image::{Architecture, Digest, ProbeImage};
use kreg_verify::registry::{RegistryClient, RegistryError, Repository, Transport};
use kreg_verify::{Check, Context, Outcome, Status, Target};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const HOST: &str = "docker-registry:5000";
const MIB: usize = 1 << 20;

/// What the server answers.
enum Reply {
    /// This status, these headers and this body.
    Whole(u16, Vec<String>, String),
    /// A body that does not end, as fast as it can be read.
    Endless(u16),
    /// A body that does not end, a byte at a time.
    Drip,
    /// Nothing at all.
    Never,
}

fn list(body: String, next: Option<String>) -> Reply {
    let link = next.map(|next| format!("Link: <{next}>; rel=\"next\""));
    Reply::Whole(200, link.into_iter().collect(), body)
}

/// A server on loopback that answers by method and path.
struct Server {
    port: u16,
    /// `GET /v2/...`, in order.
    asked: Arc<Mutex<Vec<String>>>,
    /// Bytes of bodies that it got rid of.
    sent: Arc<Mutex<usize>>,
}

impl Server {
    async fn start(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Server {
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

    fn client(&self) -> RegistryClient {
        let dial = Arc::new(TcpDial::new(format!("127.0.0.1:{}", self.port)));
        RegistryClient::new(HOST.parse().unwrap(), dial, Transport::PlainHttp)
            .with_timeout(Duration::from_secs(20))
    }

    fn context(&self, image: &ProbeImage) -> Context {
        Context {
            target: Target {
                host: HOST.parse().unwrap(),
                ca_pem: String::new(),
                credentials: Credentials::new("u", "p").unwrap(),
            },
            dial: Arc::new(TcpDial::new(format!("127.0.0.1:{}", self.port))),
            transport: Transport::PlainHttp,
            image: image.clone(),
            repository: OWN.parse().unwrap(),
            tag: TAG.parse().unwrap(),
            pods: None,
            litter: Arc::default(),
        }
    }

    /// How many requests began like this.
    fn count(&self, beginning: &str) -> usize {
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

fn repository() -> Repository {
    "a".parse().unwrap()
}

#[tokio::test]
async fn a_document_without_end_is_cut_off() {
    for status in [200, 401, 500] {
        let server = Server::start(move |_| Reply::Endless(status)).await;
        let client = server.client();
        let errors = [
            client.ping().await.unwrap_err(),
            client.catalog(100, None).next().await.unwrap_err(),
            client
                .tags(&repository(), 100, None)
                .next()
                .await
                .unwrap_err(),
            client
                .manifest(&repository(), &Digest::of(b"x"))
                .await
                .unwrap_err(),
        ];
        for error in &errors {
            assert!(matches!(error, RegistryError::TooLong { .. }), "{error:?}");
        }
        // What the kernel buffers comes on top.
        let sent = *server.sent.lock().unwrap() / errors.len();
        assert!(sent < 24 * MIB, "{sent} bytes for each document");
    }
}

#[tokio::test]
async fn a_blob_is_read_only_as_far_as_its_size_goes() {
    let server = Server::start(|_| Reply::Endless(200)).await;
    let (mut sink, digest) = (Vec::new(), Digest::of(b"x"));
    let error = server
        .client()
        .pull_blob(&repository(), &digest, 100_000, &mut sink)
        .await
        .unwrap_err();
    let cut = matches!(error, RegistryError::TooLong { most: 100_000, .. });
    assert!(cut && sink.len() <= 100_000, "{error:?}, {}", sink.len());
}

#[tokio::test]
async fn a_blob_that_comes_byte_by_byte_is_given_up() {
    let server = Server::start(|_| Reply::Drip).await;
    let client = server.client().with_timeout(Duration::from_secs(1));
    let begun = Instant::now();
    let error = client
        .pull_blob(&repository(), &Digest::of(b"x"), 50_000, &mut Vec::new())
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::Timeout { .. }), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn an_image_with_an_endless_layer_leaves_no_file() {
    let layer = Digest::of(b"x");
    let blob = format!(r#"{{"mediaType":"a/b","size":10,"digest":"{layer}"}}"#);
    let manifest = format!(r#"{{"schemaVersion":2,"config":{blob},"layers":[]}}"#);
    let server = Server::start(move |request| match request.contains("/manifests/") {
        true => {
            let kind = "Content-Type: application/vnd.oci.image.manifest.v1+json";
            Reply::Whole(200, vec![kind.to_owned()], manifest.clone())
        }
        false => Reply::Endless(200),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let tag: kreg_verify::registry::Tag = "v1".parse().unwrap();
    let pulled = server
        .client()
        .pull_layout(&repository(), &tag, folder.path())
        .await;
    assert!(format!("{pulled:?}").contains("TooLong"), "{pulled:?}");
    let blobs = folder.path().join("blobs/sha256");
    let part = |name: &str| name.contains("part") || name == layer.hex();
    for file in std::fs::read_dir(blobs).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert!(!part(&name), "{name} is left");
    }
}

#[tokio::test]
async fn a_list_that_links_in_a_circle_is_an_error() {
    for circle in [["/v2/_catalog?n=1"; 2], ["/v2/b", "/v2/c"]] {
        let server = Server::start(move |request| {
            let next = circle[usize::from(request.ends_with(circle[0]))];
            list(
                r#"{"repositories":["a"]}"#.to_owned(),
                Some(next.to_owned()),
            )
        })
        .await;
        let mut pages = server.client().catalog(1, None);
        let error = loop {
            match pages.next().await {
                Ok(page) => assert!(page.is_some(), "the list has an end"),
                Err(error) => break error,
            }
        };
        assert!(error.to_string().contains("has no end"), "{error}");
    }
}

/// As [`kreg_verify::Verification`] names them.
const OWN: &str = "kreg/verify";
const TAG: &str = "probe-1";

/// What the server answers to a request for the catalogue, if not what a registry would.
type Catalog = fn(&str) -> Option<Reply>;

/// A registry with 100,000 repositories beside the probe's; `catalog` may answer in its place.
async fn huge(image: &ProbeImage, catalog: Catalog) -> Server {
    let mut names: Vec<String> = (0..100_000).map(|n| format!("team/r{n:06}")).collect();
    names.extend([OWN.to_owned(), format!("{OWN}/mount")]);
    // distribution compares names with `/` before every other character.
    let key = |name: &str| name.replace('/', "\0");
    names.sort_by_key(|name| key(name));
    let digest = image.digest().clone();
    Server::start(move |request| {
        let query = |name: &str| {
            let parameters = request.split_once('?').map_or("", |(_, all)| all);
            parameters
                .split('&')
                .find_map(|one| one.strip_prefix(name)?.strip_prefix('='))
        };
        if request.starts_with("GET /v2/_catalog") {
            if let Some(reply) = catalog(request) {
                return reply;
            }
            let last = key(query("last").unwrap_or_default());
            let n = query("n").map_or(100, |n| n.parse().unwrap());
            let page: Vec<_> = names
                .iter()
                .filter(|name| key(name) > last)
                .take(n)
                .collect();
            let next =
                (page.len() == n).then(|| format!("/v2/_catalog?n={n}&last={}", page[n - 1]));
            return list(
                serde_json::json!({ "repositories": page }).to_string(),
                next,
            );
        }
        if request.contains("/tags/list") {
            return list(format!(r#"{{"name":"{OWN}","tags":["{TAG}"]}}"#), None);
        }
        let stated = format!("Docker-Content-Digest: {digest}");
        Reply::Whole(200, vec![stated], String::new())
    })
    .await
}

async fn checked(server: &Server, image: &ProbeImage) -> [Outcome; 2] {
    let context = server.context(image);
    [List.run(&context).await, Pages.run(&context).await]
}

#[tokio::test]
async fn with_100_000_repositories_one_page_of_one_name_is_asked_for() {
    let image = ProbeImage::fresh([Architecture::Amd64]).unwrap();
    let server = huge(&image, |_| None).await;
    for outcome in checked(&server, &image).await {
        assert_eq!(outcome.status, Status::Pass, "{outcome:?}");
    }
    assert_eq!(server.count("GET /v2/_catalog"), 1);
    assert_eq!(server.count("GET /v2/_catalog?n=1&last=kreg/verif"), 1);
    let asked = server.asked.lock().unwrap();
    assert!(asked.len() <= 6, "{asked:?}");
}

#[tokio::test]
async fn a_catalogue_that_is_slow_is_a_note_and_one_that_is_wrong_is_a_failure() {
    let image = ProbeImage::fresh([Architecture::Amd64]).unwrap();
    let slow = huge(&image, |_| Some(Reply::Never)).await;
    let begun = Instant::now();
    let [listed, paged] = checked(&slow, &image).await;
    assert_eq!(listed.status, Status::Pass, "{listed:?}");
    assert_eq!(paged.status, Status::Pass, "{paged:?}");
    assert!(paged.message.contains("longer than 5 s"), "{paged:?}");
    assert!(begun.elapsed() < Duration::from_secs(10));

    let wrong: [(Catalog, &str); 5] = [
        (|_| Some(Reply::Whole(500, vec![], String::new())), "500"),
        (|_| Some(Reply::Endless(200)), "longer than"),
        (
            |_| Some(list(r#"{"repositories":["kreg/verify"]}"#.into(), None)),
            "Link header is missing",
        ),
        (
            |_| Some(list(r#"{"repositories":["team/a"]}"#.into(), None)),
            "leaves out [\"kreg/verify\"]",
        ),
        (
            |_| Some(list(r#"{"repositories":null}"#.into(), None)),
            "ended after 0 pages",
        ),
    ];
    for (catalog, says) in wrong {
        let [listed, paged] = checked(&huge(&image, catalog).await, &image).await;
        assert_eq!(listed.status, Status::Pass, "{listed:?}");
        assert_eq!(paged.status, Status::Fail, "{paged:?}");
        assert!(paged.message.contains(says), "{paged:?}");
    }
}
