//! The checks against a registry that is huge, slow or wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may fail by them

#[path = "../../kreg-registry/tests/common/server.rs"]
mod server;

use std::sync::Arc;
use std::time::{Duration, Instant};

use kreg_auth::Credentials;
use kreg_registry::Transport;
use kreg_registry::dial::TcpDial;
use kreg_verify::checks::{List, Pages};
use kreg_verify::image::{Architecture, ProbeImage};
use kreg_verify::{Check, Context, Outcome, Status, Target};
use server::{HOST, Reply, Server, list};

fn context(server: &Server, image: &ProbeImage) -> Context {
    Context {
        target: Target {
            host: HOST.parse().unwrap(),
            ca_pem: String::new(),
            credentials: Credentials::new("u", "p").unwrap(),
        },
        dial: Arc::new(TcpDial::new(format!("127.0.0.1:{}", server.port))),
        transport: Transport::PlainHttp,
        image: image.clone(),
        repository: OWN.parse().unwrap(),
        tag: TAG.parse().unwrap(),
        litter: Arc::default(),
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
    let context = context(server, image);
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
