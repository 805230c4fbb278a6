//! What is wrong with the certificates that the cluster holds and the registry serves.

use std::collections::BTreeSet;

use kreg_auth::ExposeSecret as _;
use kreg_pki::lint::{Lint, Report, Row, Severity};
use kreg_pki::{Authority, Certificate, San};
use time::OffsetDateTime;

use super::{Certificates, serving};
use crate::error::{Error, NotUp};
use crate::registry::standing;

const HELD: &str = "held by the cluster";
const SERVED: &str = "served";

/// What was found.
#[derive(Debug)]
#[non_exhaustive]
pub struct Linted {
    /// In what the cluster holds and the registry serves.
    pub report: Report,
    /// Why what the registry serves could not be looked at.
    pub unseen: Option<Error>,
}

/// The code of the finding that the registry serves another certificate than the cluster holds.
pub const NOT_THE_ONE_HELD: &str = "not-the-one-held";

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
        let mut looked_at = vec![format!(
            "{} as held by the cluster",
            registry.place().registry_name()
        )];
        let mut found: Vec<Row> = Row::all(HELD, of(chain)).collect();
        if let Some(key) = &state.ca_key_pem
            && let Err(cause) = Authority::from_pem(bundle, key.expose_secret())
        {
            found.push(unusable_ca_key(&cause));
        }
        let unseen = match serving::handshake(registry, bundle).await {
            Ok(shown) => {
                looked_at.push("the same as served".to_owned());
                let held = Certificate::all_from_pem(chain, "the registry's certificate").ok();
                let held = held.and_then(|held| held.into_iter().next());
                if let Some(leaf) = shown.chain.first()
                    && held.as_ref() != Some(leaf)
                {
                    let pem: String = shown.chain.iter().map(Certificate::to_pem).collect();
                    found.extend(Row::all(SERVED, of(&pem)));
                    found.push(not_the_one_held(leaf));
                }
                None
            }
            Err(error) => Some(error),
        };
        Ok(Linted {
            report: Report::new(looked_at, found),
            unseen,
        })
    }
}

fn unusable_ca_key(cause: &kreg_pki::Error) -> Row {
    Row {
        source: HELD,
        severity: Severity::Error,
        code: "ca-key",
        subject: "the CA's private key".to_owned(),
        message: cause.to_string(),
        remedy: "restore the CA's Secret: without the right key nothing can be renewed",
        refused_by: BTreeSet::new(),
    }
}

fn not_the_one_held(leaf: &Certificate) -> Row {
    Row {
        source: SERVED,
        severity: Severity::Warning,
        code: NOT_THE_ONE_HELD,
        subject: leaf.subject().to_owned(),
        message: "the registry serves another certificate than the cluster holds".to_owned(),
        remedy: "restart it",
        refused_by: BTreeSet::new(),
    }
}
