//! A certificate that was issued elsewhere cannot serve.

use std::path::PathBuf;

use kreg_k8s::ObjectRef;
use kreg_pki::lint::Finding;

/// Why a certificate that was issued elsewhere cannot serve. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssuedError {
    /// The certificate must cover the registry's address, and nobody has chosen one yet.
    #[error(
        "the certificate must cover the registry's address, which is not chosen yet; nothing was changed"
    )]
    NoAddress,
    /// A file of it cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// The key's file is not text.
    #[error("{} is not PEM", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// Where it is not UTF-8.
        source: std::string::FromUtf8Error,
    },
    /// A name that is to be that of a Secret is not one.
    #[error("`{0}` does not name a Secret with its namespace")]
    NoName(
        /// The text.
        String,
    ),
    /// The Secret is not there.
    #[error("there is no {0} with the certificate")]
    NoSecret(
        /// The Secret.
        Box<ObjectRef>,
    ),
    /// The Secret lacks an entry.
    #[error("{secret} has no {key}")]
    NoEntry {
        /// The Secret.
        secret: Box<ObjectRef>,
        /// The entry.
        key: &'static str,
    },
    /// It is not a certificate with its key.
    #[error("the certificate that was given cannot be used")]
    Unusable(#[source] kreg_pki::Error),
    /// Clients would refuse it.
    #[error("clients would refuse the certificate that was given; nothing was changed:\n{}", listed(.0))]
    Refused(
        /// Each reason.
        Vec<Finding>,
    ),
}

fn listed(findings: &[Finding]) -> String {
    let line = |one: &Finding| format!("- {}: {}; {}", one.subject, one.message, one.remedy);
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}
