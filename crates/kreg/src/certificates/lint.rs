//! What is wrong with the certificates that the cluster holds and the registry serves.

use kreg_auth::ExposeSecret as _;
use kreg_pki::lint::{Finding, Lint};
use kreg_pki::{Authority, Certificate, San};
use time::OffsetDateTime;

use super::{Certificates, serving};
use crate::error::{Error, NotUp};
use crate::registry::standing;

/// What was found.
#[derive(Debug)]
#[non_exhaustive]
pub struct Linted {
    /// In what the cluster holds.
    pub held: Vec<Finding>,
    /// Why the CA's private key, where the cluster holds it, is not usable.
    pub ca_key: Option<kreg_pki::Error>,
    /// In what the registry serves, or why that could not be seen.
    pub served: Result<Served, Error>,
}

/// What was found in what the registry serves.
#[derive(Debug)]
#[non_exhaustive]
pub enum Served {
    /// The same as the cluster holds.
    Held,
    /// Another certificate.
    Another {
        /// Its subject.
        subject: String,
        /// What was found in it.
        findings: Vec<Finding>,
    },
}

impl Certificates<'_> {
    /// Judges them as every client would that reaches the registry by `endpoints`, or by all its names and its address.
    ///
    /// # Errors
    /// As [`Registry::existing`](crate::Registry::existing), and [`Error::NotUp`] without a certificate.
    pub async fn lint(&self, endpoints: &[San], now: OffsetDateTime) -> Result<Linted, Error> {
        let registry = self.registry;
        let state = registry.existing().await?;
        let bundle = standing::bundle(registry.place(), &state)?;
        let name = || NotUp::Certificate(registry.place().instance().to_owned());
        let chain = state.tls_chain_pem.as_ref().ok_or_else(name)?;
        let required = serving::required(registry, &state)?;
        let endpoints = if endpoints.is_empty() {
            &required
        } else {
            endpoints
        };
        let of = |pem: &str| {
            let lint = Lint::new(pem, bundle, now).endpoints(endpoints.iter().cloned());
            match &state.tls_key_pem {
                Some(key) if pem == chain => lint.key(key).run(),
                _ => lint.run(),
            }
        };
        let ca_key = state.ca_key_pem.as_ref();
        let served = serving::seen(registry, bundle).await.map(|seen| {
            let held = Certificate::all_from_pem(chain, "the registry's certificate").ok();
            let held = held.and_then(|held| held.into_iter().next());
            match seen.chain.first() {
                Some(leaf) if held.as_ref() != Some(leaf) => {
                    let pem: String = seen.chain.iter().map(Certificate::to_pem).collect();
                    Served::Another {
                        subject: leaf.subject().to_owned(),
                        findings: of(&pem),
                    }
                }
                _ => Served::Held,
            }
        });
        Ok(Linted {
            held: of(chain),
            ca_key: ca_key.and_then(|key| Authority::from_pem(bundle, key.expose_secret()).err()),
            served,
        })
    }
}
