//! A new certificate for a registry, under the CA it has, or with itself as its anchor.

use kreg_k8s::{Profile, RegistryState};
use kreg_nodes::{NodeAccess, Receipt};
use kreg_pki::{Certificate, Issuer, Leaf, LeafRequest, San, SelfSigned, TrustBundle};
use tokio::task::block_in_place;

use super::keys::Keys;
use super::{Certificates, holdings, serving};
use crate::error::{CertificatesError, Error, Tried as _};
use crate::event::Observer;
use crate::registry::standing;

/// What a renewal starts from.
#[derive(Debug)]
#[non_exhaustive]
pub struct Renewal {
    /// What is served now.
    pub before: Certificate,
    /// What a new certificate would cover.
    pub sans: Vec<San>,
    /// The subject of the CA that would sign it; `None` where it is its own anchor.
    pub signer: Option<String>,
}

/// A certificate that was replaced.
#[derive(Debug)]
#[non_exhaustive]
pub struct Renewed {
    /// What is served now.
    pub after: Certificate,
    /// What clients trust now.
    pub bundle_pem: String,
    /// Nodes that still trust more than they need.
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

    /// What [`Certificates::renew`] would do. Changes nothing.
    ///
    /// # Errors
    /// As [`Certificates::renew`] before it changes anything.
    pub async fn renewal(&self) -> Result<Renewal, Error> {
        let state = self.registry.existing().await?;
        let before = self.leaf().await?;
        let sans = serving::names(self.registry, &state, &self.sans, &before)?;
        let signer = if self.is_self_signed() {
            None
        } else {
            let keys = Keys::read(self.registry, &state, &self.key).await?;
            Some(keys.signer().certificate().subject().to_owned())
        };
        Ok(Renewal {
            before,
            sans,
            signer,
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
        if self.is_self_signed() {
            return self.renew_self_signed(&state, &before, nodes, on).await;
        }
        let bundle = standing::bundle(self.registry.place(), &state)?;
        let keys = Keys::read(self.registry, &state, &self.key).await?;
        let blank = LeafRequest::new(self.registry.place().service());
        let leaf = self.issue(keys.signer(), blank, &state, &before)?;
        self.serve(&state, &leaf, bundle, on).await?;
        Ok(Renewed {
            after: leaf.certificate().clone(),
            bundle_pem: bundle.to_owned(),
            behind: Vec::new(),
        })
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
        Ok(Renewed {
            behind: holdings::publish(registry, state, &new, nodes, shown)?,
            after: leaf.certificate().clone(),
            bundle_pem: new.to_pem(),
        })
    }

    fn is_self_signed(&self) -> bool {
        self.registry.place().profile() == Profile::Tutorial
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
