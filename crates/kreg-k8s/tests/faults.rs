//! An API server that refuses, stumbles or is gone: mocked answer by answer, plus real sockets where nobody listens.

// Helpers of tests are not recognised as tests by clippy.toml.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{net::TcpListener, path::PathBuf, time::Duration};

use http::{Request, Response};
use kreg_k8s::{
    ApplyMode, Cluster, Connection, Deleted, Error, Kind, LiveCluster, Object, ObjectRef, Place,
    Profile, Query, Retry, rights,
};
use kube::{Client, Config, client::Body};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// A cluster that gives these answers in this order, and the requests it got.
fn mocked(answers: Vec<(u16, Value)>) -> (LiveCluster, JoinHandle<Vec<String>>) {
    let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    let server = tokio::spawn(async move {
        let mut requests = Vec::new();
        for (code, answer) in answers {
            let Some((request, send)) = handle.next_request().await else {
                break;
            };
            requests.push(format!("{} {}", request.method(), request.uri()));
            let body = Body::from(answer.to_string().into_bytes());
            send.send_response(Response::builder().status(code).body(body).unwrap());
        }
        requests
    });
    let retry = Retry {
        tries: 3,
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(5),
        ..Retry::default()
    };
    (
        LiveCluster::from_client(Client::new(service, "default")).with_retry(retry),
        server,
    )
}

fn refusal(code: u16, reason: &str, message: &str) -> (u16, Value) {
    (
        code,
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message}),
    )
}

fn config_map() -> Object {
    Object::from_value(json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": "images", "uid": "u1"}, "data": {"a": "b"}}))
    .unwrap()
}

#[tokio::test]
async fn a_server_that_stumbles_twice_is_asked_a_third_time() {
    let object = config_map();
    let (cluster, server) = mocked(vec![
        refusal(500, "InternalError", "etcdserver: leader changed"),
        refusal(429, "TooManyRequests", "slow down"),
        (200, object.value().clone()),
    ]);
    let applied = cluster.apply(&object, ApplyMode::default()).await.unwrap();
    assert_eq!(applied.uid(), Some("u1"));
    let requests = server.await.unwrap();
    assert_eq!(requests.len(), 3);
    assert_eq!(
        requests[0],
        "PATCH /api/v1/namespaces/images/configmaps/settings?&fieldManager=kreg&fieldValidation=Strict"
    );
    assert!(requests.iter().all(|request| request == &requests[0]));
}

#[tokio::test]
async fn a_server_that_never_recovers_is_given_up_with_the_object_and_the_way_on() {
    let (cluster, server) = mocked(vec![refusal(503, "ServiceUnavailable", "shutting down"); 3]);
    let error = cluster
        .apply(&config_map(), ApplyMode::default())
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(
            error,
            Error::Unreachable {
                action: "apply",
                tries: 3,
                ..
            }
        ),
        "{text}"
    );
    assert!(
        text.contains("ConfigMap images/settings") && text.contains("run the same command again"),
        "{text}"
    );
    assert!(
        !text.contains("shutting down"),
        "the source says it, once: {text}"
    );
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("shutting down"), "{source}");
    assert_eq!(server.await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_field_conflict_names_the_other_manager_and_is_not_repeated() {
    let (code, mut body) = refusal(409, "Conflict", "Apply failed with 1 conflict");
    body["details"] = json!({"name": "settings", "kind": "configmaps", "causes": [{"reason": "FieldManagerConflict",
        "message": "conflict with \"argocd-controller\" using v1", "field": ".data.a"}]});
    let (cluster, server) = mocked(vec![(code, body)]);
    let error = cluster
        .apply(&config_map(), ApplyMode::default())
        .await
        .unwrap_err();
    let Error::Conflict { conflicts, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(
        (conflicts[0].manager.as_str(), conflicts[0].field.as_str()),
        ("argocd-controller", ".data.a")
    );
    assert!(
        error.to_string().contains(
            "ConfigMap images/settings is also managed by \"argocd-controller\" (.data.a)"
        ),
        "{error}"
    );
    assert_eq!(server.await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_lost_race_is_run_again() {
    let object = config_map();
    let (cluster, server) = mocked(vec![
        refusal(
            409,
            "Conflict",
            "Operation cannot be fulfilled: the object has been modified",
        ),
        (200, object.value().clone()),
    ]);
    cluster.apply(&object, ApplyMode::default()).await.unwrap();
    assert_eq!(server.await.unwrap().len(), 2);
}

#[tokio::test]
async fn missing_rights_and_a_quota_are_told_apart() {
    let rbac = "secrets \"x\" is forbidden: User \"ann\" cannot patch resource \"secrets\" in API group \"\"";
    let denied = refusal(403, "Forbidden", rbac);
    let (cluster, server) = mocked(vec![denied.clone(), (200, json!("ok")), denied]);
    let error = cluster
        .apply(&config_map(), ApplyMode::default())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Denied { .. }), "{error}");
    assert!(
        error.to_string().contains("User \"ann\" cannot patch"),
        "{error}"
    );
    // The second one came from a server that had said it is ready.
    assert_eq!(server.await.unwrap()[1], "GET /readyz");

    let quota = "pods \"x\" is forbidden: exceeded quota: small";
    let (cluster, server) = mocked(vec![refusal(403, "Forbidden", quota)]);
    let error = cluster
        .apply(&config_map(), ApplyMode::default())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Refused { code: 403, .. }), "{error}");
    assert_eq!(server.await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_server_that_denies_everything_while_it_starts_is_asked_again() {
    let early =
        "configmaps \"settings\" is forbidden: User \"kubernetes-admin\" cannot patch resource";
    let (denied, object) = (refusal(403, "Forbidden", early), config_map());
    let (cluster, server) = mocked(vec![
        denied.clone(),
        refusal(
            403,
            "Forbidden",
            "User \"kubernetes-admin\" cannot get path \"/readyz\"",
        ),
        denied,
        (200, json!("ok")),
        (200, object.value().clone()),
    ]);
    cluster.apply(&object, ApplyMode::default()).await.unwrap();
    assert_eq!(server.await.unwrap().len(), 5);
}

#[tokio::test]
async fn a_review_that_says_no_while_the_server_starts_is_asked_again() {
    let review = |allowed: bool| {
        (
            201,
            json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {}, "status": {"allowed": allowed}}),
        )
    };
    let place = Place::new(Profile::Default);
    let right = &rights::needed(&place, rights::Extras::default())[0];
    let starting = refusal(
        500,
        "InternalError",
        "[-]informer-sync failed: not finished",
    );
    let (cluster, _) = mocked(vec![review(false), starting, review(true)]);
    assert!(cluster.may(right).await.unwrap());

    let (cluster, server) = mocked(vec![review(false), (200, json!("ok")), review(false)]);
    assert!(!cluster.may(right).await.unwrap());
    assert_eq!(server.await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_field_outside_the_schema_is_a_refusal_though_the_server_says_500() {
    let message = "failed to create typed patch object (images/settings; /v1, Kind=ConfigMap): .dta: field not declared in schema";
    let (cluster, server) = mocked(vec![refusal(500, "InternalError", message)]);
    let error = cluster
        .apply(&config_map(), ApplyMode::default())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Refused { code: 500, .. }), "{error}");
    assert_eq!(server.await.unwrap().len(), 1);
}

#[tokio::test]
async fn deletes_go_by_uid_whatever_the_wording_of_the_server() {
    let reference = config_map().reference().clone();
    for message in [
        "Operation cannot be fulfilled on configmaps \"settings\": the UID in the precondition (u1) does not match the UID in record (u2). The object might have been deleted and then recreated",
        "Operation cannot be fulfilled on configmaps \"settings\": StorageError: invalid object, Precondition failed: UID in precondition: u1, UID in object meta: u2",
    ] {
        let (cluster, server) = mocked(vec![refusal(409, "Conflict", message)]);
        assert_eq!(
            cluster.delete(&reference, "u1").await.unwrap(),
            Deleted::OtherUid
        );
        assert_eq!(server.await.unwrap().len(), 1);
    }
    let (cluster, _) = mocked(vec![refusal(404, "NotFound", "not found")]);
    assert_eq!(
        cluster.delete(&reference, "u1").await.unwrap(),
        Deleted::Absent
    );
}

#[tokio::test]
async fn lists_are_read_to_their_last_page_and_an_unknown_kind_has_no_objects() {
    let page = |name: &str, token: &str| {
        let metadata = json!({"continue": token, "resourceVersion": "1"});
        (
            200,
            json!({"kind": "ConfigMapList", "apiVersion": "v1", "metadata": metadata,
            "items": [{"metadata": {"name": name, "namespace": "images"}}]}),
        )
    };
    let (cluster, server) = mocked(vec![page("one", "more"), page("two", "")]);
    let found = cluster
        .list(&Query::all(Kind::ConfigMap).within("images").labelled("a=b"))
        .await
        .unwrap();
    let names: Vec<_> = found
        .iter()
        .map(|object| object.reference().to_string())
        .collect();
    assert_eq!(names, ["ConfigMap images/one", "ConfigMap images/two"]);
    let requests = server.await.unwrap();
    assert!(
        requests[0].contains("labelSelector=a%3Db") && requests[1].contains("continue=more"),
        "{requests:?}"
    );

    let (cluster, _) = mocked(vec![refusal(
        404,
        "NotFound",
        "the server could not find the requested resource",
    )]);
    assert!(
        cluster
            .list(&Query::all(Kind::ServiceCIDR))
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_list_whose_token_has_expired_begins_anew() {
    let page = |name: &str, token: &str| {
        let metadata = json!({"continue": token, "resourceVersion": "1"});
        let items = json!([{"metadata": {"name": name, "namespace": "images"}}]);
        (
            200,
            json!({"kind": "ConfigMapList", "apiVersion": "v1", "metadata": metadata, "items": items}),
        )
    };
    let expired = refusal(410, "Expired", "The provided continue parameter is too old");
    let (cluster, server) = mocked(vec![
        page("one", "more"),
        expired,
        page("one", "again"),
        page("two", ""),
    ]);
    let query = Query::all(Kind::ConfigMap).within("images");
    let found = cluster.list(&query).await.unwrap();
    let names: Vec<_> = found.iter().map(|one| one.reference().name()).collect();
    assert_eq!(names, ["one", "two"]);
    let requests = server.await.unwrap();
    assert!(!requests[2].contains("continue="), "{requests:?}");
    assert!(requests[3].contains("continue=again"), "{requests:?}");
}

#[tokio::test]
async fn a_server_that_is_gone_is_named_by_what_was_asked_of_it() {
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let config = Config::new(format!("http://{address}").parse().unwrap());
    let retry = Retry {
        tries: 2,
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(1),
        ..Retry::default()
    };
    let cluster = LiveCluster::from_client(Client::try_from(config).unwrap()).with_retry(retry);
    let error = cluster
        .get(&ObjectRef::new(Kind::Service, "images", "docker-registry"))
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::Unreachable { tries: 2, .. }),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .starts_with("could not get Service images/docker-registry: the API server"),
        "{error}"
    );
}

#[tokio::test]
async fn without_a_kubeconfig_the_error_says_where_it_looked() {
    let connection = Connection {
        kubeconfig: Some(PathBuf::from("/nonexistent/kubeconfig")),
        ..Connection::default()
    };
    let error = LiveCluster::connect(&connection).await.err().unwrap();
    assert!(matches!(error, Error::Kubeconfig { .. }), "{error}");
    assert!(
        error.to_string().contains("/nonexistent/kubeconfig"),
        "{error}"
    );
}
