//! What the cluster holds, and what the registry serves, side by side.

use kreg_k8s::{Names, RegistryState};
use kreg_pki::{Certificate, TrustBundle, View};
use serde::Serialize;
use time::OffsetDateTime;

use super::{Certificates, keys, serving};
use crate::error::{Error, NotUp, Tried as _};
use crate::event::Observer;
use crate::registry::standing;
use crate::words::chain;

/// The certificates of a registry.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Shown {
    /// Host and port.
    pub registry: String,
    /// Its namespace.
    pub namespace: String,
    /// The chain that the cluster holds for the registry, leaf first.
    pub stored: Vec<View>,
    /// The chain that the registry shows, leaf first; empty if it cannot be reached.
    pub served: Vec<View>,
    /// Why it cannot be reached, or what a strict client has against it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub served_problem: Option<String>,
    /// Whether the two leaves are one.
    pub served_is_stored: bool,
    /// What clients are told to trust.
    pub trusted: Vec<View>,
    /// Where the CA's private key is.
    pub ca_key: Whereabouts,
    /// Whether a second CA is there, with a rotation not yet at its end.
    pub rotating: bool,
}

/// Where a CA's private key was found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Whereabouts {
    /// In a Secret that no Pod mounts.
    InCluster,
    /// With an operator, in a file, or with the issuer of a certificate from elsewhere.
    Outside,
    /// There is none: the certificate is its own anchor.
    None,
}

impl Certificates<'_> {
    /// Reads what the cluster holds, and shakes hands with the registry.
    ///
    /// # Errors
    /// As [`Registry::existing`](crate::Registry::existing), [`Error::NotUp`] without a certificate, and
    /// [`Error::Failed`] where one cannot be read.
    pub async fn show(&self, on: &dyn Observer) -> Result<Shown, Error> {
        let place = self.registry.place();
        let state = self.registry.existing().await?;
        let bundle = standing::bundle(place, &state)?;
        let name = || NotUp::Certificate(place.instance().to_owned());
        let held = state.tls_chain_pem.as_ref().ok_or_else(name)?;
        let stored = Certificate::all_from_pem(held, "the registry's certificate")
            .tried("cannot read the certificate that the cluster holds")?;
        let trusted = TrustBundle::from_pem(bundle, "the CA bundle")
            .tried("cannot read the CA bundle that the cluster holds")?;
        let stage = on.stage("the registry by TLS");
        let (served, problem) = match serving::handshake(self.registry, bundle).await {
            Ok(shown) => (shown.chain, shown.problem.map(|fault| fault.to_string())),
            Err(error) => (Vec::new(), Some(chain(&error))),
        };
        match &problem {
            None => stage.done(""),
            Some(problem) => stage.failed(problem),
        }
        let now = OffsetDateTime::now_utc();
        Ok(Shown {
            registry: place.registry_name(),
            namespace: place.namespace().to_owned(),
            served_is_stored: served.first() == stored.first(),
            stored: View::all(&stored, now),
            served: View::all(&served, now),
            served_problem: problem,
            trusted: View::all(trusted.certificates(), now),
            ca_key: self.whereabouts(&state),
            rotating: keys::is_rotating(self.registry).await?,
        })
    }

    fn whereabouts(&self, state: &RegistryState) -> Whereabouts {
        match (Names::of(self.registry.place()).ca, &state.ca_key_pem) {
            (None, _) => Whereabouts::None,
            (Some(_), Some(_)) => Whereabouts::InCluster,
            (Some(_), None) => Whereabouts::Outside,
        }
    }
}
