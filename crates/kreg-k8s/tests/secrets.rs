//! Editing a Secret while others do: a mocked API server that answers request by request.

// Helpers of tests are not recognised as tests by clippy.toml.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{Method, Request, Response};
use kreg_k8s::{
    Error, Inventory, LiveCluster, Names, Place, Profile, RegistrySpec, Unfit, names, secret,
};
use kube::{Client, client::Body};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// A cluster that gives these answers in this order, and the bodies of the writes it got.
fn mocked(answers: Vec<(u16, Value)>) -> (LiveCluster, JoinHandle<Vec<Value>>) {
    let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    let server = tokio::spawn(async move {
        let mut writes = Vec::new();
        for (code, answer) in answers {
            let Some((request, send)) = handle.next_request().await else {
                break;
            };
            let (parts, body) = request.into_parts();
            if parts.method == Method::PATCH {
                let bytes = body.collect_bytes().await.unwrap();
                writes.push(serde_json::from_slice(&bytes).unwrap());
            }
            let body = Body::from(answer.to_string().into_bytes());
            send.send_response(Response::builder().status(code).body(body).unwrap());
        }
        writes
    });
    let cluster = LiveCluster::from_client(Client::new(service, "default"));
    (cluster, server)
}

fn live(spec: &RegistrySpec, version: &str, text: &str) -> (u16, Value) {
    let body = json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": "docker-registry-htpasswd", "namespace": "kreg-system", "uid": "u1",
            "resourceVersion": version, "labels": names::labels(spec.place().instance())},
        "data": {"htpasswd": STANDARD.encode(text), "other": STANDARD.encode("kept")}});
    (200, body)
}

/// What is asked for first: the Secret counts because of it.
fn record(spec: &RegistrySpec) -> (u16, Value) {
    let record = Inventory::new(spec).unwrap().to_object(spec.place());
    (200, record.value().clone())
}

fn lost_race() -> (u16, Value) {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 409, "reason": "Conflict",
        "message": "Operation cannot be fulfilled on secrets \"docker-registry-htpasswd\": the object has been modified; \
                    please apply your changes to the latest version and try again"});
    (409, body)
}

async fn append(cluster: &LiveCluster, spec: &RegistrySpec, line: &str) -> Result<bool, Error> {
    let names = Names::of(spec.place());
    secret::edit(cluster, spec.place(), &names.htpasswd, "htpasswd", |text| {
        let text = text.expose_secret();
        Ok::<_, Error>(SecretString::from(match text.contains(line) {
            true => text.to_owned(),
            false => format!("{text}{line}"),
        }))
    })
    .await
}

#[tokio::test]
async fn a_write_that_lost_a_race_is_edited_anew_at_once_and_loses_nothing() {
    let spec = RegistrySpec::new(Place::new(Profile::Default));
    let (cluster, server) = mocked(vec![
        record(&spec),
        live(&spec, "7", "ann:x\n"),
        lost_race(),
        record(&spec),
        live(&spec, "8", "ann:x\nbob:y\n"),
        live(&spec, "9", "ann:x\nbob:y\neve:z\n"),
    ]);
    let begun = Instant::now();
    assert!(append(&cluster, &spec, "eve:z\n").await.unwrap());
    // Not a pause of the retries: a stale version never becomes right by waiting.
    assert!(begun.elapsed() < Duration::from_millis(200));

    let writes = server.await.unwrap();
    let sent: Vec<_> = writes
        .iter()
        .map(|write| {
            let text = write["data"]["htpasswd"].as_str().unwrap();
            let text = String::from_utf8(STANDARD.decode(text).unwrap()).unwrap();
            let version = write["metadata"]["resourceVersion"].as_str().unwrap();
            (version.to_owned(), text)
        })
        .collect();
    assert_eq!(
        sent,
        [
            ("7".to_owned(), "ann:x\neve:z\n".to_owned()),
            ("8".to_owned(), "ann:x\nbob:y\neve:z\n".to_owned()),
        ]
    );
    assert_eq!(writes[1]["data"]["other"], STANDARD.encode("kept"));
}

#[tokio::test]
async fn a_race_that_is_always_lost_ends_with_the_servers_words() {
    let spec = RegistrySpec::new(Place::new(Profile::Default));
    let rounds = std::iter::repeat_with(|| [record(&spec), live(&spec, "7", ""), lost_race()]);
    let (cluster, server) = mocked(rounds.take(9).flatten().collect());
    let error = append(&cluster, &spec, "eve:z\n").await.unwrap_err();
    assert!(matches!(error, Error::Raced { .. }), "{error}");
    assert_eq!(server.await.unwrap().len(), 9);
}

#[tokio::test]
async fn an_edit_that_changes_nothing_writes_nothing() {
    let spec = RegistrySpec::new(Place::new(Profile::Default));
    let (cluster, server) = mocked(vec![record(&spec), live(&spec, "7", "eve:z\n")]);
    assert!(!append(&cluster, &spec, "eve:z\n").await.unwrap());
    assert!(server.await.unwrap().is_empty());
}

#[tokio::test]
async fn a_secret_of_somebody_else_is_left_alone() {
    let spec = RegistrySpec::new(Place::new(Profile::Default));
    let (code, mut foreign) = live(&spec, "7", "ann:x\n");
    foreign["metadata"]["labels"] = json!({});
    let (cluster, server) = mocked(vec![
        record(&spec),
        (code, foreign.clone()),
        record(&spec),
        (code, foreign),
    ]);
    let error = append(&cluster, &spec, "eve:z\n").await.unwrap_err();
    assert!(
        matches!(error.unfit(), Some(Unfit::NoEntry { .. })),
        "{error}"
    );
    let name = Names::of(spec.place()).htpasswd;
    assert!(!secret::remove(&cluster, spec.place(), &name).await.unwrap());
    assert!(server.await.unwrap().is_empty());
}
