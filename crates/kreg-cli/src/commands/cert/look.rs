//! What cluster and nodes hold, as the state machine of [`kreg_pki::rotation`] wants it.

use std::collections::BTreeSet;

use kreg_k8s::{ClusterFacts, RegistryState};
use kreg_nodes::{Receipt, State, Trust};
use kreg_pki::rotation::{Holdings, NodeTrust};
use kreg_pki::{BACKDATE, TrustBundle};

use super::keys::Keys;
use super::serving;
use crate::error::{Error, Tried as _};
use crate::fleet::{self, Nodes};
use crate::session::Session;

/// One look at everything.
pub(super) struct Look {
    pub(super) state: RegistryState,
    pub(super) keys: Keys,
    pub(super) nodes: Nodes,
    pub(super) holdings: Holdings,
}

impl Look {
    pub(super) async fn take(
        session: &Session,
        ca_key: Option<&std::path::Path>,
    ) -> Result<Self, Error> {
        let state = session.existing().await?;
        let keys = Keys::read(session, &state, ca_key).await?;
        let bundle = state.ca_bundle_pem.clone().unwrap_or_default();
        let published = TrustBundle::from_pem(&bundle, "the CA bundle")
            .tried("cannot read the CA bundle that the cluster holds")?;
        let serving = serving::leaf(session, &bundle).await?;
        // Nodes join at any time: they are listed anew at every look.
        let facts = ClusterFacts::read(&session.cluster)
            .await
            .tried("cannot list the nodes")?;
        let nodes = Nodes::new(session, &facts, &[])?;
        let known = trusted_by(session, &state, &nodes, &candidates(&published, &keys))?;
        let trust = |name: &str| {
            let found = known.iter().find(|node| node.name == name).cloned();
            // One that kreg is told to leave alone is listed too: it counts as unknown.
            found.unwrap_or_else(|| NodeTrust::unknown(name))
        };
        let holdings = Holdings {
            authorities: keys.certificates(),
            published,
            proven: keys.proven.clone(),
            // A leaf is put to use as soon as it is made.
            serving_since: serving.not_before() + BACKDATE,
            serving,
            nodes: facts.nodes.iter().map(|node| trust(&node.name)).collect(),
        };
        Ok(Self {
            state,
            keys,
            nodes,
            holdings,
        })
    }

    /// What every node is to be told for this bundle.
    pub(super) fn trust(&self, session: &Session, bundle: &TrustBundle) -> Result<Trust, Error> {
        trust_of(session, &self.state, bundle)
    }
}

/// Every set of CAs that a node may have been told to trust.
fn candidates(published: &TrustBundle, keys: &Keys) -> Vec<TrustBundle> {
    let all = keys.certificates();
    let mut candidates = vec![published.clone(), TrustBundle::new(all.iter().cloned())];
    candidates.extend(all.into_iter().map(TrustBundle::from));
    candidates.dedup();
    candidates
}

/// Which of the candidates each node holds whole and in order. A node that holds none of them, or
/// cannot be asked, is unknown: it counts as one that trusts nothing.
fn trusted_by(
    session: &Session,
    state: &RegistryState,
    nodes: &Nodes,
    candidates: &[TrustBundle],
) -> Result<Vec<NodeTrust>, Error> {
    let mut known: Vec<NodeTrust> = Vec::new();
    let mut lost = BTreeSet::new();
    for bundle in candidates {
        if known.len() + lost.len() == nodes.len() && !known.is_empty() {
            break;
        }
        for receipt in nodes.status(&trust_of(session, state, bundle)?) {
            let name = &receipt.node;
            if known.iter().any(|node| &node.name == name) {
                continue;
            }
            match receipt.state {
                State::Unchanged => known.push(NodeTrust::holding(name, bundle)),
                State::Changed => {}
                _ => {
                    lost.insert(name.clone());
                }
            }
        }
    }
    Ok(known)
}

pub(super) fn trust_of(
    session: &Session,
    state: &RegistryState,
    bundle: &TrustBundle,
) -> Result<Trust, Error> {
    let address = state.cluster_ip.ok_or_else(|| {
        Error::failed("the registry's service has no address").help("run `kreg up`")
    })?;
    fleet::trust(&session.settings, &session.place, address, &bundle.to_pem())
}

/// Tells nodes what to trust; those that are not done, each with its reason.
pub(super) fn tell(nodes: &Nodes, trust: &Trust) -> (usize, Vec<Receipt>) {
    let receipts = nodes.trust(trust);
    let all = receipts.len();
    let bad: Vec<Receipt> = receipts
        .into_iter()
        .filter(|receipt| !receipt.is_ok())
        .collect();
    (all - bad.len(), bad)
}
