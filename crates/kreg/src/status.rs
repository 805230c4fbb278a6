//! What is there of a registry, and what was changed by hand.

use std::net::IpAddr;

use kreg_auth::{ExposeSecret as _, Htpasswd};
use kreg_k8s::{Drift, ObjectRef, RegistrySpec, RegistryState, WorkloadState, pull};
use kreg_nodes::daemonset::StandingAgents;
use kreg_nodes::{NodeAccess, Receipt, State};
use kreg_pki::{Certificate, TrustBundle};
use serde::Serialize;
use time::OffsetDateTime;
use tokio::task::block_in_place;

use crate::agents::Guard;
use crate::error::{Error, Tried as _};
use crate::event::Observer;
use crate::nodes;
use crate::registry::Registry;
use crate::user_list::Login;

/// What is there of a registry.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Status {
    /// The registry, as in image references.
    pub registry: String,
    /// Its namespace.
    pub namespace: String,
    /// Its address.
    #[serde(rename = "clusterIP")]
    pub cluster_ip: Option<IpAddr>,
    /// Whether it serves.
    pub workload: WorkloadState,
    /// Its certificates, and those that clients trust.
    pub certificates: Vec<Held>,
    /// Who is in its users file.
    pub users: Vec<Login>,
    /// What was changed by hand; in JSON only if it could be looked for.
    #[serde(skip_serializing_if = "Comparison::is_unknown")]
    pub drift: Comparison,
    /// Secrets that carry the labels of copies of the pull Secret, and that no record lists.
    #[serde(rename = "unlistedCopies", skip_serializing_if = "Vec::is_empty")]
    pub unlisted: Vec<ObjectRef>,
    /// What the agents on the nodes run and may write, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agents: Option<StandingAgents>,
    /// Whether others are kept out of the agents.
    #[serde(skip)]
    pub guard: Guard,
    /// What was found on each node.
    pub nodes: Vec<Receipt>,
}

/// The objects against what the last run made of them.
#[derive(Debug, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Comparison {
    /// What differs.
    Drift(Vec<Drift>),
    /// There is no record to compare with.
    NoRecord,
    /// An older kreg made the registry, and did not say what it made.
    NotDeclared,
    /// The server is asked by a dry run, which this account may not do.
    Denied(
        /// The server's words.
        String,
    ),
}

impl Comparison {
    fn is_unknown(&self) -> bool {
        !matches!(self, Self::Drift(_))
    }
}

/// A certificate.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Held {
    /// What it is for.
    pub role: Role,
    /// Its subject's common name.
    pub subject: String,
    /// When it ends.
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
    /// Whole days until then.
    pub days_left: i64,
    /// Whether it is in the last third of its life, or not valid now; of a trusted one only if it issued what is served.
    pub renewal_due: bool,
    /// SHA-256 of its DER form, in hexadecimal.
    pub fingerprint: String,
}

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The registry serves it.
    Registry,
    /// Clients trust it.
    Trusted,
}

impl Status {
    /// Whether the registry serves.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self.workload, WorkloadState::Ready { .. })
    }

    /// Whether anything is not as it was made.
    #[must_use]
    pub fn has_drift(&self) -> bool {
        let differs = |receipt: &Receipt| receipt.state == State::Changed;
        let objects = matches!(&self.drift, Comparison::Drift(drift) if !drift.is_empty());
        objects || self.guard.is_drift() || self.nodes.iter().any(differs)
    }
}

impl Registry {
    /// What is there of the registry, in the cluster and on the nodes. Writes nothing.
    ///
    /// # Errors
    /// As [`Registry::existing`], and [`Error::Failed`] where something cannot be read.
    pub async fn status(
        &self,
        nodes: Option<&dyn NodeAccess>,
        on: &dyn Observer,
    ) -> Result<Status, Error> {
        let (cluster, place) = (self.cluster().as_ref(), self.place());
        let state = self.existing().await?;
        let nodes = match (nodes, state.cluster_ip, &state.ca_bundle_pem) {
            (Some(nodes), Some(address), Some(bundle)) => {
                let stage = on.stage(format!("nodes by {}", nodes.name()));
                let trust = nodes::trust(place, address, bundle)?;
                let receipts = block_in_place(|| nodes.status(&trust));
                stage.done("");
                receipts
            }
            _ => Vec::new(),
        };
        let drift = self.comparison(&state).await?;
        let guard = if self.agents().are_there() {
            Guard::look(cluster, self.facts().version.as_deref()).await?
        } else {
            Guard::InPlace
        };
        let unlisted = pull::unlisted(cluster, place)
            .await
            .tried("cannot look for Secrets that are labelled as copies of the pull secret")?;
        let users = state.htpasswd.iter();
        let users = users.flat_map(|text| Htpasswd::parse(text.expose_secret()).users());
        Ok(Status {
            registry: place.registry_name(),
            namespace: place.namespace().to_owned(),
            cluster_ip: state.cluster_ip,
            certificates: certificates(
                state.tls_chain_pem.as_deref(),
                state.ca_bundle_pem.as_deref(),
                OffsetDateTime::now_utc(),
            )?,
            users: users.map(Login::from).collect(),
            drift,
            unlisted,
            agents: self.agents().standing().cloned(),
            guard,
            nodes,
            workload: state.workload,
        })
    }

    /// Every object against what the last run made of it.
    pub(crate) async fn comparison(&self, state: &RegistryState) -> Result<Comparison, Error> {
        let Some(inventory) = &state.inventory else {
            return Ok(Comparison::NoRecord);
        };
        let spec = RegistrySpec::recalled(self.place(), inventory)
            .tried("cannot tell what this registry should be")?;
        let Some(spec) = spec else {
            return Ok(Comparison::NotDeclared);
        };
        match kreg_k8s::drift(self.cluster().as_ref(), &spec, state).await {
            Err(kreg_k8s::Error::Denied { message, .. }) => Ok(Comparison::Denied(message)),
            other => other
                .tried("cannot compare the registry with what was made of it")
                .map(Comparison::Drift),
        }
    }
}

/// What the registry serves, and what clients trust, leaf first.
pub(crate) fn certificates(
    chain: Option<&str>,
    bundle: Option<&str>,
    now: OffsetDateTime,
) -> Result<Vec<Held>, Error> {
    let read = |pem: Option<&str>, what| match pem {
        Some(pem) => TrustBundle::from_pem(pem, what)
            .tried("cannot read a certificate that the cluster holds"),
        None => Ok(TrustBundle::default()),
    };
    let chain = read(chain, "registry")?;
    let trusted = read(bundle, "trusted")?;
    // A self-signed one is in both, and its renewal is that of the registry's.
    let used: Vec<&Certificate> = trusted
        .issuers_of(chain.certificates())
        .filter(|root| !chain.contains(root))
        .collect();
    let held = |role, certificate: &Certificate| Held {
        role,
        subject: certificate.subject().to_owned(),
        not_after: certificate.not_after(),
        days_left: (certificate.not_after() - now).whole_days(),
        renewal_due: certificate.needs_renewal(now, certificate.renewal_threshold())
            && (role == Role::Registry || used.contains(&certificate)),
        fingerprint: certificate.fingerprint().to_owned(),
    };
    let served = chain.certificates().iter();
    let roots = trusted.certificates().iter();
    Ok(served
        .map(|one| held(Role::Registry, one))
        .chain(roots.map(|one| held(Role::Trusted, one)))
        .collect())
}

#[cfg(test)]
mod tests {
    use kreg_pki::{Authority, AuthorityRequest, Issuer as _, LeafRequest, SelfSigned};
    use time::Duration;

    use super::*;

    const NOW: OffsetDateTime = time::macros::datetime!(2026-11-23 12:00 UTC);

    fn due(chain: &str, bundle: &str, after_days: i64) -> Vec<Role> {
        certificates(Some(chain), Some(bundle), NOW + Duration::days(after_days))
            .unwrap()
            .iter()
            .filter(|held| held.renewal_due)
            .map(|held| held.role)
            .collect()
    }

    #[test]
    fn renewal_is_due_in_the_last_third() {
        let ca = |days| {
            let request = AuthorityRequest::new("r").issued_at(NOW);
            Authority::generate(&request.validity_days(days)).unwrap()
        };
        let (used, old) = (ca(3650), ca(100));
        let leaf = LeafRequest::new("r")
            .sans(["r".parse().unwrap()])
            .issued_at(NOW);
        let chain = used.issue(&leaf).unwrap().chain_pem();
        // The old CA, which issued nothing that is served, may end.
        let bundle = used.bundle().union(&old.bundle()).to_pem();
        assert_eq!(due(&chain, &bundle, 264), []);
        assert_eq!(due(&chain, &bundle, 265), [Role::Registry]);
        assert_eq!(due(&chain, &bundle, 3000), [Role::Registry, Role::Trusted]);
    }

    #[test]
    fn a_self_signed_certificate_is_due_once() {
        let request = SelfSigned::request("r").unwrap().issued_at(NOW);
        let leaf = SelfSigned.issue(&request).unwrap();
        let bundle = SelfSigned.trust(&leaf).to_pem();
        assert_eq!(due(&leaf.chain_pem(), &bundle, 300).len(), 1);
    }
}
