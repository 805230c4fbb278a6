//! Says what is wrong with a registry's certificates before a client does.
//!
//! The three TLS stacks that meet a registry disagree: what curl accepts,
//! containerd may refuse, and the other way round. [`Lint`] looks at the files
//! and names, for every [`Finding`], the clients that refuse because of it. The
//! crate's tests hold that prediction against OpenSSL, Go and rustls, row by
//! row.
//!
//! ```
//! use kreg_pki::lint::{Code, Lint};
//! # use kreg_pki::{Authority, AuthorityRequest, Issuer, LeafRequest};
//! # let ca = Authority::generate(&AuthorityRequest::new("r"))?;
//! # let leaf = ca.issue(&LeafRequest::new("r").sans(["registry".parse()?]))?;
//! # let (chain, trust) = (leaf.chain_pem(), ca.certificate_pem());
//! # let now = time::OffsetDateTime::now_utc();
//! let findings = Lint::new(&chain, &trust, now)
//!     .endpoints(["10.96.0.50".parse()?])
//!     .run();
//! assert_eq!(findings[0].code, Code::NameNotCovered);
//! # Ok::<(), kreg_pki::Error>(())
//! ```

mod facts;
mod files;
mod finding;
mod form_rules;
mod leaf_rules;
mod limits;
mod path;
mod path_rules;
mod report;

use std::collections::BTreeSet;

use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;

pub use files::{FilesError, files};
pub use finding::{Client, Code, Finding, Severity};
pub use report::{Report, Row};

use crate::{Certificate, Error, PrivateKey, San, blocks, readers};
use facts::Facts;

const CHAIN: &str = "the server's certificate file";
const TRUST: &str = "the trust file";
const KEY: &str = "the server's key file";

/// The contents to look at. Pure: reads no clock, no disk, no system trust store; [`files`] reads them from disk.
#[derive(Clone, Debug)]
pub struct Lint<'a> {
    chain: &'a [u8],
    trust: &'a [u8],
    key: Option<&'a SecretString>,
    endpoints: Vec<San>,
    now: OffsetDateTime,
}

impl<'a> Lint<'a> {
    /// `chain` is what the registry serves (`tls.crt`), `trust` what clients
    /// hold (`ca.crt`), both PEM in any condition.
    #[must_use]
    pub fn new<C, T>(chain: &'a C, trust: &'a T, now: OffsetDateTime) -> Self
    where
        C: AsRef<[u8]> + ?Sized,
        T: AsRef<[u8]> + ?Sized,
    {
        Self {
            chain: chain.as_ref(),
            trust: trust.as_ref(),
            key: None,
            endpoints: Vec::new(),
            now,
        }
    }

    /// Also checks that the key (`tls.key`) belongs to the certificate.
    #[must_use]
    pub fn key(mut self, key: &'a SecretString) -> Self {
        self.key = Some(key);
        self
    }

    /// Also checks that the certificate serves these names and addresses.
    #[must_use]
    pub fn endpoints(mut self, endpoints: impl IntoIterator<Item = San>) -> Self {
        self.endpoints.extend(endpoints);
        self
    }

    /// Everything that is wrong, errors first. Empty means that Go, OpenSSL
    /// and rustls all read the files, and accept the registry under every endpoint.
    #[must_use]
    pub fn run(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let chain = read(self.chain, CHAIN, &mut findings);
        findings.extend(form_rules::certificates(self.chain, CHAIN, readers::chain));
        let anchors = read(self.trust, TRUST, &mut findings);
        findings.extend(form_rules::certificates(self.trust, TRUST, readers::bundle));
        if let Some((leaf, links)) = chain.split_first() {
            self.check_key(leaf, links, &mut findings);
            findings.extend(leaf_rules::check(leaf, &self.endpoints));
            self.check_paths(leaf, links, &anchors, &mut findings);
        }
        findings.sort_by_key(|finding| (finding.severity, finding.code));
        findings.dedup();
        findings
    }

    fn check_key(&self, leaf: &Facts, links: &[Facts], findings: &mut Vec<Finding>) {
        let Some(key) = self.key else { return };
        let own = &leaf.certificate;
        let read = PrivateKey::from_pem(key.expose_secret(), KEY);
        if read.is_ok() {
            findings.extend(form_rules::key(key.expose_secret().as_bytes(), KEY));
        }
        match read {
            Err(error) => findings.push(unusable_key(own, &error)),
            Ok(key) if own.belongs_to(&key) => {}
            Ok(key) => {
                let elsewhere = links.iter().any(|link| link.certificate.belongs_to(&key));
                let (code, message) = if elsewhere {
                    (
                        Code::ChainOrder,
                        "it stands first, but the key belongs to a later one",
                    )
                } else {
                    (
                        Code::KeyMismatch,
                        "its public key is not that of the private key",
                    )
                };
                findings.push(Finding::new(code, own.subject(), message, Client::ALL));
            }
        }
    }

    /// Judges the path that the fewest clients refuse. Clients try all of them, so that one
    /// which accepts another path does not refuse. Only warns about certificates that stand
    /// aside.
    fn check_paths(
        &self,
        leaf: &Facts,
        links: &[Facts],
        anchors: &[Facts],
        findings: &mut Vec<Finding>,
    ) {
        let judged: Vec<_> = path::all(leaf, links, anchors)
            .into_iter()
            .map(|path| (path_rules::check(&path, self.now), path))
            .collect();
        let accepting: BTreeSet<Client> = judged
            .iter()
            .flat_map(|(found, _)| {
                let refusing = refused_by(found);
                Client::ALL
                    .into_iter()
                    .filter(move |client| !refusing.contains(client))
            })
            .collect();
        let best = judged
            .into_iter()
            .min_by_key(|(found, path)| (refused_by(found).len(), found.len(), path.len()));
        let path =
            match best {
                Some((mut found, path)) => {
                    found
                        .iter_mut()
                        .for_each(|finding| finding.excuse(&accepting));
                    findings.extend(found);
                    path
                }
                None => {
                    findings.push(Finding::new(
                        Code::Untrusted,
                        leaf.certificate.subject(),
                        format!(
                            "no certificate of the trust file leads to it; its issuer is {}",
                            leaf.certificate.issuer()
                        ),
                        Client::ALL,
                    ));
                    findings.extend(path_rules::check(&vec![leaf], self.now).into_iter().filter(
                        |finding| matches!(finding.code, Code::Expired | Code::NotYetValid),
                    ));
                    Vec::new()
                }
            };
        for pair in path.windows(2) {
            let (own, issuer) = (pair[0], pair[1]);
            if let Some(other) = anchors.iter().chain(links).find(|other| {
                other.certificate != issuer.certificate
                    && own.certificate != other.certificate
                    && own.certificate.names_as_issuer(&other.certificate)
                    && !own.names_another_issuer(other)
                    && !own.is_issued_by(other)
            }) {
                findings.push(Finding::new(
                    Code::IssuerAmbiguous,
                    own.certificate.subject(),
                    format!(
                        "two certificates are called {}, and OpenSSL may try the wrong one",
                        other.certificate.subject()
                    ),
                    [],
                ));
            }
        }
        let aside = |facts: &&Facts| {
            !path
                .iter()
                .any(|used| used.certificate == facts.certificate)
        };
        let idle = [(anchors, "trusted"), (links, "sent along")];
        for (facts, role) in idle
            .iter()
            .flat_map(|(all, role)| all.iter().map(move |f| (f, role)))
        {
            if let Some((code, message)) =
                path_rules::out_of_date(facts, self.now).filter(|_| aside(&facts))
            {
                let message = format!("{message}; it is {role} but not in use");
                findings.push(Finding::new(code, facts.certificate.subject(), message, []));
            }
        }
    }
}

/// The clients that refuse for any of these reasons.
#[must_use]
pub fn refused_by(findings: &[Finding]) -> BTreeSet<Client> {
    findings
        .iter()
        .flat_map(|finding| finding.refused_by.iter().copied())
        .collect()
}

/// Whether any of them is an error.
#[must_use]
pub fn has_errors(findings: &[Finding]) -> bool {
    findings
        .iter()
        .any(|finding| finding.severity == Severity::Error)
}

/// Every readable certificate of a file; the rest become findings.
fn read(pem: &[u8], what: &str, findings: &mut Vec<Finding>) -> Vec<Facts> {
    let blocks = match blocks::parse(pem, what) {
        Ok(blocks) => blocks,
        Err(error) => {
            findings.push(Finding::new(Code::Unreadable, what, error.to_string(), []));
            return Vec::new();
        }
    };
    let mut certificates = Vec::new();
    for block in &blocks {
        if blocks::is_private_key(block.label()) {
            findings.push(Finding::new(
                Code::PrivateKeyInBundle,
                what,
                format!("it holds a {} block", block.label()),
                [],
            ));
        } else if block.label() == blocks::CERTIFICATE {
            match Certificate::from_der(block.der()) {
                Ok(certificate) => certificates.extend(Facts::read(certificate)),
                Err(error) => {
                    findings.push(Finding::new(Code::Unreadable, what, error.to_string(), []));
                }
            }
        }
    }
    if certificates.is_empty() {
        let odd = form_rules::odd(pem).map_or_else(String::new, |odd| format!(" ({odd})"));
        findings.push(Finding::new(
            Code::Unreadable,
            what,
            format!("it holds no readable certificate{odd}"),
            [],
        ));
    }
    certificates
}

fn unusable_key(own: &Certificate, error: &Error) -> Finding {
    Finding::new(Code::KeyUnusable, own.subject(), error.to_string(), [])
}
