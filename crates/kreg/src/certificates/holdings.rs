//! What cluster and nodes hold, as the state machine of [`kreg_pki::rotation`] needs it.

use std::collections::BTreeSet;

use kreg_k8s::RegistryState;
use kreg_nodes::{NodeAccess, Receipt, State, Trust};
use kreg_pki::rotation::{Holdings, NodeTrust};
use kreg_pki::{BACKDATE, TrustBundle};
use tokio::task::block_in_place;

use super::keys::Keys;
use super::{Certificates, serving};
use crate::error::{Error, NotUp, Tried as _};
use crate::event::Observer;
use crate::nodes;
use crate::registry::{Registry, standing};
use crate::words::count;

/// One look at everything.
pub(super) struct Look {
    pub(super) state: RegistryState,
    pub(super) keys: Keys,
    pub(super) holdings: Holdings,
}

impl Look {
    /// `all` are the names of every node of the cluster; of those that `nodes` leaves out nothing is known.
    pub(super) async fn take(
        certificates: &Certificates<'_>,
        nodes: &dyn NodeAccess,
        all: &[String],
    ) -> Result<Self, Error> {
        let registry = certificates.registry;
        let state = registry.existing().await?;
        let keys = Keys::read(registry, &state, &certificates.key).await?;
        let bundle = standing::bundle(registry.place(), &state)?;
        let published = TrustBundle::from_pem(bundle, "the CA bundle")
            .tried("cannot read the CA bundle that the cluster holds")?;
        let serving = serving::leaf(registry, bundle, certificates.timeout).await?;
        let known = trusted_by(registry, &state, nodes, &candidates(&published, &keys))?;
        let trust = |name: &String| {
            let found = known.iter().find(|node| node.name == *name).cloned();
            // One that is to be left alone is listed too: it counts as unknown.
            found.unwrap_or_else(|| NodeTrust::unknown(name))
        };
        let holdings = Holdings {
            authorities: keys.certificates(),
            published,
            proven: keys.proven.clone(),
            // A leaf is put to use as soon as it is made.
            serving_since: serving.not_before() + BACKDATE,
            serving,
            nodes: all.iter().map(trust).collect(),
        };
        Ok(Look {
            state,
            keys,
            holdings,
        })
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
    registry: &Registry,
    state: &RegistryState,
    nodes: &dyn NodeAccess,
    candidates: &[TrustBundle],
) -> Result<Vec<NodeTrust>, Error> {
    let mut known: Vec<NodeTrust> = Vec::new();
    let mut lost = BTreeSet::new();
    for bundle in candidates {
        if known.len() + lost.len() == nodes.nodes().len() && !known.is_empty() {
            break;
        }
        let trust = trust_in(registry, state, bundle)?;
        for receipt in block_in_place(|| nodes.status(&trust)) {
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

/// What every node is to hold of the registry with these CAs.
fn trust_in(
    registry: &Registry,
    state: &RegistryState,
    bundle: &TrustBundle,
) -> Result<Trust, Error> {
    let place = registry.place();
    let address = state.cluster_ip;
    let address = address.ok_or_else(|| NotUp::Address(place.instance().to_owned()))?;
    nodes::trust(place, address, &bundle.to_pem())
}

/// Has every node trust these CAs. Gives those that do not, each with its reason.
pub(super) fn publish(
    registry: &Registry,
    state: &RegistryState,
    bundle: &TrustBundle,
    nodes: &dyn NodeAccess,
    (what, on): (&str, &dyn Observer),
) -> Result<Vec<Receipt>, Error> {
    let trust = trust_in(registry, state, bundle)?;
    let stage = on.stage(what);
    let receipts = block_in_place(|| nodes.trust(&trust));
    let all = receipts.len();
    let bad: Vec<Receipt> = receipts
        .into_iter()
        .filter(|receipt| !receipt.is_ok())
        .collect();
    let result = format!("{} of {} done", all - bad.len(), count(all, "node"));
    if bad.is_empty() {
        stage.done(result);
    } else {
        stage.partly(result);
    }
    Ok(bad)
}
