//! A new certificate for a registry, under the CA it has, or with itself as its anchor.

use kreg_k8s::{Profile, RegistryState};
use kreg_nodes::{NodeAccess, Receipt};
use kreg_pki::{Certificate, Issuer, Leaf, LeafRequest, SelfSigned, TrustBundle, View};
use serde::Serialize;
use time::OffsetDateTime;
use tokio::task::block_in_place;

use super::elsewhere::refuse_elsewhere;
use super::keys::Keys;
use super::{Certificates, holdings, serving};
use crate::error::{CertificatesError, Error, Tried as _};
use crate::event::Observer;
use crate::registry::standing;

/// A certificate that was replaced, would be, or is kept.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Renewed {
    /// Host and port of the registry.
    pub registry: String,
    /// Whether another certificate is served now.
    pub changed: bool,
    /// What was served.
    pub before: View,
    /// What is served now; the same as before if nothing was changed.
    pub after: View,
    /// What would be done, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ahead: Vec<String>,
    /// Nodes that still trust more than they need.
    #[serde(rename = "nodes")]
    pub behind: Vec<Receipt>,
}

impl Certificates<'_> {
    /// The leaf that is served now.
    ///
    /// # Errors
    /// [`Error::NotUp`], [`CertificatesError::NothingServed`], and [`Error::Failed`] if the registry is not ready.
    pub async fn leaf(&self) -> Result<Certificate, Error> {
        let state = self.registry.existing().await?;
        let bundle = standing::bundle(self.registry.place(), &state)?;
        serving::leaf(self.registry, bundle, self.timeout).await
    }

    /// The one that is served now, as one that is kept. Changes nothing.
    ///
    /// # Errors
    /// As [`Certificates::leaf`].
    pub async fn kept(&self) -> Result<Renewed, Error> {
        Ok(self.unchanged(&self.leaf().await?))
    }

    /// What [`Certificates::renew`] would do. Changes nothing.
    ///
    /// # Errors
    /// As [`Certificates::renew`] before it changes anything.
    pub async fn renewal(&self) -> Result<Renewed, Error> {
        let state = self.registry.existing().await?;
        let before = self.leaf().await?;
        let names = serving::names(self.registry, &state, &self.sans, &before)?;
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let names = names.join(", ");
        let ahead = if self.is_self_signed(&state)? {
            vec![
                format!("make a self-signed certificate for {names}"),
                "tell every node to trust the old one and the new one".to_owned(),
                "have the registry serve the new one: one restart".to_owned(),
                "tell every node to trust the new one only".to_owned(),
            ]
        } else {
            let keys = Keys::read(self.registry, &state, &self.key).await?;
            let signer = keys.signer().certificate().subject();
            vec![
                format!("issue a certificate for {names} under {signer}"),
                "have the registry serve it: one restart, nodes stay as they are".to_owned(),
            ]
        };
        Ok(Renewed {
            ahead,
            ..self.unchanged(&before)
        })
    }

    /// Has the registry serve a new certificate. Under a CA nodes stay as they are. One that is its own anchor reaches every
    /// node before the registry serves it; a run that is cut short leaves nodes that trust one certificate too many, until
    /// the next.
    ///
    /// # Errors
    /// [`Error::Certificates`], [`Error::NotUp`], and [`Error::Failed`] for the step that failed.
    pub async fn renew(&self, nodes: &dyn NodeAccess, on: &dyn Observer) -> Result<Renewed, Error> {
        let state = self.registry.existing().await?;
        let before = self.leaf().await?;
        if self.is_self_signed(&state)? {
            return self.renew_self_signed(&state, &before, nodes, on).await;
        }
        let bundle = standing::bundle(self.registry.place(), &state)?;
        let keys = Keys::read(self.registry, &state, &self.key).await?;
        let blank = LeafRequest::new(self.registry.place().service());
        let leaf = self.issue(keys.signer(), blank, &state, &before)?;
        self.serve(&state, &leaf, bundle, on).await?;
        Ok(self.replaced(&before, &leaf, Vec::new()))
    }

    async fn renew_self_signed(
        &self,
        state: &RegistryState,
        before: &Certificate,
        nodes: &dyn NodeAccess,
        on: &dyn Observer,
    ) -> Result<Renewed, Error> {
        let registry = self.registry;
        let blank = SelfSigned::request(registry.place().service())
            .tried("the registry's name cannot stand in a certificate")?;
        let leaf = block_in_place(|| self.issue(&SelfSigned, blank, state, before))?;
        let new = SelfSigned.trust(&leaf);
        let bundle = standing::bundle(registry.place(), state)?;
        let old = TrustBundle::from_pem(bundle, "the registry's certificate")
            .tried("cannot read the certificate that the cluster holds")?
            .union(&TrustBundle::from(before.clone()));
        let both = old.union(&new);
        let shown = ("trust in both on the nodes", on);
        let behind = holdings::publish(registry, state, &both, nodes, shown)?;
        if !behind.is_empty() {
            return Err(CertificatesError::NotTrusted(behind).into());
        }
        self.serve(state, &leaf, &new.to_pem(), on).await?;
        let shown = ("trust in the new one only", on);
        let behind = holdings::publish(registry, state, &new, nodes, shown)?;
        Ok(self.replaced(before, &leaf, behind))
    }

    fn unchanged(&self, before: &Certificate) -> Renewed {
        let view = View::of(before, OffsetDateTime::now_utc());
        Renewed {
            registry: self.registry.place().registry_name(),
            changed: false,
            after: view.clone(),
            before: view,
            ahead: Vec::new(),
            behind: Vec::new(),
        }
    }

    fn replaced(&self, before: &Certificate, leaf: &Leaf, behind: Vec<Receipt>) -> Renewed {
        Renewed {
            changed: true,
            after: View::of(leaf.certificate(), OffsetDateTime::now_utc()),
            behind,
            ..self.unchanged(before)
        }
    }

    /// Whether a new one is its own anchor; fails where the one that is held was issued elsewhere.
    fn is_self_signed(&self, state: &RegistryState) -> Result<bool, Error> {
        let place = self.registry.place();
        if place.profile() != Profile::Tutorial {
            return Ok(false);
        }
        refuse_elsewhere(place, state)?;
        Ok(true)
    }

    /// A leaf for all that the registry is called, and all that the old one covers.
    pub(super) fn issue(
        &self,
        issuer: &dyn Issuer,
        blank: LeafRequest,
        state: &RegistryState,
        before: &Certificate,
    ) -> Result<Leaf, Error> {
        let names = serving::names(self.registry, state, &self.sans, before)?;
        let mut request = blank.sans(names);
        if let Some(days) = self.leaf_days {
            request = request.validity_days(days);
        }
        let leaf = issuer.issue(&request);
        leaf.tried("cannot issue the registry's certificate")
    }

    async fn serve(
        &self,
        state: &RegistryState,
        leaf: &Leaf,
        bundle_pem: &str,
        on: &dyn Observer,
    ) -> Result<(), Error> {
        let stage = on.stage("new certificate");
        serving::serve(self.registry, state, leaf, bundle_pem, self.timeout).await?;
        stage.done("served");
        Ok(())
    }
}
