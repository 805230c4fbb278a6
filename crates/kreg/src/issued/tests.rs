//! A certificate that was issued elsewhere is judged as clients would, before anything is written.

use std::sync::Arc;

use kreg_k8s::{ApplyMode, Cluster, ClusterFacts, FolderCluster, Place, Profile};
use kreg_pki::lint::Code;
use kreg_pki::{Authority, AuthorityRequest, Leaf};
use serde_json::json;
use time::Duration;

use super::*;

const NOW: OffsetDateTime = time::macros::datetime!(2026-11-23 12:00 UTC);

fn authority() -> Authority {
    Authority::generate(&AuthorityRequest::new("elsewhere").issued_at(NOW)).unwrap()
}

fn leaf(by: &Authority, names: &[&str]) -> Leaf {
    let sans = names.iter().map(|name| name.parse().unwrap());
    let request = LeafRequest::new("registry").sans(sans).issued_at(NOW);
    by.issue(&request.validity_days(90)).unwrap()
}

fn issued(leaf: &Leaf, key: &SecretString, ca: Option<&Authority>) -> Issued {
    Issued::Pem {
        chain: leaf.chain_pem().into_bytes(),
        key: key.clone(),
        ca: ca.map(|ca| ca.certificate_pem().into_bytes()),
    }
}

async fn registry(cluster: &FolderCluster) -> Registry {
    let cluster: Arc<dyn Cluster> = Arc::new(cluster.clone());
    let facts = ClusterFacts::read(cluster.as_ref()).await.unwrap();
    let place = Place::new(Profile::Default);
    Registry::claim(cluster, facts, place).await.unwrap()
}

/// Judged as of `now`, for clients that say `registry` or `10.96.0.50`.
async fn judged(issued: &Issued, now: OffsetDateTime) -> Result<External, IssuedError> {
    let folder = tempfile::tempdir().unwrap();
    let registry = registry(&FolderCluster::open(folder.path()).unwrap()).await;
    let sans = ["registry".parse().unwrap(), "10.96.0.50".parse().unwrap()];
    let judged = registry.external(issued, &sans, now).await;
    judged.map_err(|error| match error {
        Error::Issued(error) => error,
        other => panic!("{other:?}"),
    })
}

/// The words of a certificate that cannot be used at all.
async fn unusable(issued: &Issued, now: OffsetDateTime) -> String {
    match judged(issued, now).await {
        Err(IssuedError::Unusable(cause)) => cause.to_string(),
        other => panic!("{other:?}"),
    }
}

const NAMES: [&str; 2] = ["registry", "10.96.0.50"];

#[tokio::test]
async fn one_that_every_client_takes_serves_as_it_is() {
    let ca = authority();
    let leaf = leaf(&ca, &NAMES);
    let external = judged(&issued(&leaf, leaf.key_pem(), Some(&ca)), NOW).await;
    assert_eq!(external.unwrap().bundle().to_pem(), ca.certificate_pem());
}

#[tokio::test]
async fn a_chain_that_is_none_and_a_key_of_another_are_refused() {
    let ca = authority();
    let (one, other) = (leaf(&ca, &NAMES), leaf(&ca, &NAMES));
    let garbage = Issued::Pem {
        chain: b"no PEM".to_vec(),
        key: one.key_pem().clone(),
        ca: None,
    };
    let told = unusable(&garbage, NOW).await;
    assert!(told.contains("PEM"), "{told}");
    let told = unusable(&issued(&one, other.key_pem(), Some(&ca)), NOW).await;
    assert!(told.contains("belongs to the private key"), "{told}");
}

#[tokio::test]
async fn without_its_ca_it_is_refused_unless_the_chain_reaches_the_root() {
    let ca = authority();
    let leaf = leaf(&ca, &NAMES);
    let told = unusable(&issued(&leaf, leaf.key_pem(), None), NOW).await;
    assert!(told.contains("does not reach a self-signed root"), "{told}");
    let whole = Issued::Pem {
        chain: (leaf.chain_pem() + &ca.certificate_pem()).into_bytes(),
        key: leaf.key_pem().clone(),
        ca: None,
    };
    let external = judged(&whole, NOW).await.unwrap();
    assert_eq!(external.bundle().to_pem(), ca.certificate_pem());
}

#[tokio::test]
async fn one_that_is_over_or_lacks_a_name_is_refused() {
    let ca = authority();
    let good = leaf(&ca, &NAMES);
    let late = NOW + Duration::days(91);
    let told = unusable(&issued(&good, good.key_pem(), Some(&ca)), late).await;
    assert!(told.contains("have it renewed"), "{told}");
    let narrow = leaf(&ca, &["registry"]);
    let told = unusable(&issued(&narrow, narrow.key_pem(), Some(&ca)), NOW).await;
    assert!(told.contains("10.96.0.50"), "{told}");
}

#[tokio::test]
async fn what_clients_would_refuse_is_listed_by_reason() {
    let (ca, another) = (authority(), authority());
    let leaf = leaf(&ca, &NAMES);
    match judged(&issued(&leaf, leaf.key_pem(), Some(&another)), NOW).await {
        Err(IssuedError::Refused(found)) => assert_eq!(found[0].code, Code::Untrusted),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_secret_that_is_not_there_or_not_whole_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = FolderCluster::open(folder.path()).unwrap();
    let registry = registry(&cluster).await;
    let issued = Issued::Secret {
        namespace: "certificates".to_owned(),
        name: "registry-tls".to_owned(),
    };
    let error = registry.external(&issued, &[], NOW).await.unwrap_err();
    let is_missing = matches!(error, Error::Issued(IssuedError::NoSecret(_)));
    assert!(is_missing, "{error:?}");
    let half = Object::from_value(json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": { "name": "registry-tls", "namespace": "certificates" },
        "data": { "tls.crt": "" },
    }));
    let made = cluster.apply(&half.unwrap(), ApplyMode::default()).await;
    made.unwrap();
    match registry.external(&issued, &[], NOW).await.unwrap_err() {
        Error::Issued(IssuedError::NoEntry { key, .. }) => assert_eq!(key, "tls.key"),
        other => panic!("{other:?}"),
    }
}
