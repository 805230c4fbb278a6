//! A certificate that was issued elsewhere: judged before anything is written, and its CA reaches the nodes first.

use std::sync::{Arc, Mutex};

use kreg_auth::ExposeSecret as _;
use kreg_k8s::{Cluster, ClusterFacts, FolderCluster, NodeFact, Place, Profile, StorageClassFact};
use kreg_nodes::{LocalRoot, Node, NodeTransport, Trust};
use kreg_pki::{Authority, AuthorityRequest, Issuer as _, Leaf, LeafRequest};

use super::*;
use crate::event::{Event, silent};
use crate::issued::Issued;

const ADDRESS: &str = "10.96.0.50";

/// Nodes that note what they are told to trust, and end in this state.
struct Told {
    nodes: [Node; 1],
    tree: LocalRoot,
    bundles: Mutex<Vec<String>>,
    state: State,
}

impl Told {
    fn ending(state: State) -> Self {
        Self {
            nodes: [Node::new("w1", "192.0.2.1")],
            tree: LocalRoot::new("/nowhere"),
            bundles: Mutex::default(),
            state,
        }
    }

    fn bundles(&self) -> Vec<String> {
        self.bundles.lock().unwrap().clone()
    }
}

impl NodeAccess for Told {
    fn name(&self) -> &'static str {
        "told"
    }
    fn nodes(&self) -> &[Node] {
        &self.nodes
    }
    fn transport(&self) -> &dyn NodeTransport {
        &self.tree
    }
    fn trust(&self, trust: &Trust) -> Vec<Receipt> {
        self.bundles.lock().unwrap().push(trust.ca_pem().to_owned());
        let receipt = serde_json::json!({
            "node": "w1", "address": "192.0.2.1", "state": self.state, "files": [], "warnings": [], "millis": 0,
        });
        vec![serde_json::from_value(receipt).unwrap()]
    }
}

async fn registry(folder: &FolderCluster) -> Registry {
    let cluster: Arc<dyn Cluster> = Arc::new(folder.clone());
    let mut facts = ClusterFacts::read(cluster.as_ref()).await.unwrap();
    facts.nodes.push(NodeFact {
        name: "w1".to_owned(),
        ready: true,
        ..NodeFact::default()
    });
    facts.storage_classes.push(StorageClassFact {
        name: "local".to_owned(),
        default: true,
        provisioner: "example.com/local".to_owned(),
        waits_for_pod: true,
    });
    let place = Place::new(Profile::Default);
    Registry::claim(cluster, facts, place).await.unwrap()
}

fn authority() -> Authority {
    Authority::generate(&AuthorityRequest::new("elsewhere")).unwrap()
}

fn leaf(registry: &Registry, by: &Authority) -> Leaf {
    let names = registry
        .place()
        .certificate_names(Some(ADDRESS.parse().unwrap()));
    let sans = names.iter().map(|name| name.parse().unwrap());
    by.issue(&LeafRequest::new("registry").sans(sans)).unwrap()
}

/// As the registry of `held` stands, what `given` leads to.
async fn led(
    held: &Authority,
    given: &Authority,
    nodes: Option<&Told>,
    on: &dyn Observer,
) -> Result<(), Error> {
    let folder = tempfile::tempdir().unwrap();
    let registry = registry(&FolderCluster::open(folder.path()).unwrap()).await;
    let mut state = registry.state().await.unwrap();
    state.cluster_ip = Some(ADDRESS.parse().unwrap());
    state.ca_bundle_pem = Some(held.certificate_pem());
    let leaf = leaf(&registry, given);
    let key = leaf.key_pem().expose_secret();
    let ca = given.certificate_pem();
    let external = External::from_pem(leaf.chain_pem(), key, Some(ca.as_bytes())).unwrap();
    let intent = Intent::of(&registry);
    let nodes = nodes.map(|nodes| nodes as &dyn NodeAccess);
    registry.lead_over(&intent, &external, &state, nodes, on)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_trusts_both_cas_before_the_new_one_is_served() {
    let (old, new) = (authority(), authority());
    let nodes = Told::ending(State::Changed);
    led(&old, &new, Some(&nodes), &silent).await.unwrap();
    let both = old.bundle().union(&new.bundle()).to_pem();
    assert_eq!(nodes.bundles(), [both]);
}

#[tokio::test(flavor = "multi_thread")]
async fn under_the_same_ca_nodes_are_left_as_they_are() {
    let same = authority();
    let nodes = Told::ending(State::Changed);
    led(&same, &same, Some(&nodes), &silent).await.unwrap();
    assert!(nodes.bundles().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_does_not_trust_the_new_ca_keeps_the_old_certificate_served() {
    let nodes = Told::ending(State::Unreachable);
    let error = led(&authority(), &authority(), Some(&nodes), &silent).await;
    match error.unwrap_err() {
        Error::Certificates(CertificatesError::NotTrusted(behind)) => {
            assert_eq!(behind[0].node, "w1");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nodes_are_left_out_it_is_said_that_they_do_not_trust_the_new_ca() {
    let heard = Mutex::new(Vec::new());
    let hears = |event: &Event<'_>| heard.lock().unwrap().push(format!("{event:?}"));
    led(&authority(), &authority(), None, &hears).await.unwrap();
    let heard = heard.into_inner().unwrap();
    assert!(heard[0].contains("they do not trust it yet"), "{heard:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_clients_would_refuse_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let registry = registry(&FolderCluster::open(folder.path()).unwrap()).await;
    let (ca, another) = (authority(), authority());
    let leaf = leaf(&registry, &ca);
    let nodes = Told::ending(State::Changed);
    let refused = async |address: Option<&str>, ca: &Authority| {
        let mut intent = Intent::of(&registry);
        let address = address.map(|text| text.parse().unwrap());
        intent.spec = intent.spec.with_cluster_ip(address);
        intent.issued = Some(Issued::Pem {
            chain: leaf.chain_pem().into_bytes(),
            key: leaf.key_pem().clone(),
            ca: Some(ca.certificate_pem().into_bytes()),
        });
        match registry.up(&intent, Some(&nodes), &silent).await {
            Err(Error::Issued(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    let error = refused(Some(ADDRESS), &another).await;
    assert!(matches!(error, IssuedError::Refused(_)), "{error:?}");
    let error = refused(None, &ca).await;
    assert!(matches!(error, IssuedError::NoAddress), "{error:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    assert!(nodes.bundles().is_empty());
}
