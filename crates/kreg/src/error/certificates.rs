//! Certificates were not replaced.

use std::path::PathBuf;

use kreg_k8s::ObjectRef;
use kreg_nodes::Receipt;

use crate::proof::Proof;
use crate::words::bullet_list;

/// Why certificates were not replaced. What was served goes on being served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificatesError {
    /// The tutorial's certificate is its own anchor.
    #[error("the tutorial profile has no CA: its certificate vouches for itself")]
    NoAuthority,
    /// The certificate was issued elsewhere, and so is the next one. Nothing was changed.
    #[error(
        "the registry's certificate was issued elsewhere, by {issuer}: a new one comes from there; nothing was changed"
    )]
    IssuedElsewhere {
        /// The subject of its issuer.
        issuer: String,
    },
    /// The Secret of a rotation is not complete. Nothing was changed.
    #[error("{secret} has no {lacks}")]
    HalfRotation {
        /// The Secret.
        secret: Box<ObjectRef>,
        /// What it lacks.
        lacks: &'static str,
    },
    /// The key that signs is that of a third CA. Nothing was changed.
    #[error("the CA's key is neither the old one's nor the new one's")]
    StrangeKey,
    /// A CA has no key here.
    #[error("there is no key for {0}")]
    NoKeyFor(
        /// The CA's subject.
        String,
    ),
    /// The file that should hold the key does not.
    #[error("there is no private key of the CA in {}", .0.display())]
    NoKeyInFile(
        /// The file.
        PathBuf,
    ),
    /// The key is not in the cluster.
    #[error("the CA's private key is not in the cluster")]
    NoKeyInCluster,
    /// The file with the key cannot be read.
    #[error("cannot read the CA's key {}", file.display())]
    KeyFile {
        /// The file.
        file: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A rotation is over, and a key that nobody needs is left.
    #[error("cannot remove {}", file.display())]
    KeyFileLeft {
        /// The file.
        file: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A handshake gave no certificate.
    #[error("the registry shows no certificate")]
    NothingServed,
    /// The registry did not take the new certificate up.
    #[error("the cluster holds the new certificate, but the registry still serves {0}")]
    StillServed(
        /// Fingerprint of the one that it serves.
        String,
    ),
    /// There is no Pod.
    #[error("there is no registry that could be restarted")]
    NoWorkload,
    /// Some nodes do not trust the new certificate, so the registry keeps the one it has. Every node goes on pulling.
    #[error(
        "not every node trusts the new certificate, so the registry keeps the one it has; every node goes on \
         pulling:\n{}",
        bullet_list(.0)
    )]
    NotTrusted(
        /// The nodes, and why.
        Vec<Receipt>,
    ),
    /// Some nodes do not trust a CA, so the registry keeps the certificate it has. Every node goes on pulling.
    #[error(
        "{} not trust {authority} yet, so the registry keeps the certificate it has; every node goes on pulling:\n{}",
        if nodes.len() == 1 { "1 node does".to_owned() } else { format!("{} nodes do", nodes.len()) },
        nodes.join("\n")
    )]
    Behind {
        /// A line for each node, and why.
        nodes: Vec<String>,
        /// The CA.
        authority: String,
    },
    /// The proof after a step does not hold, so the old CA stays trusted.
    #[error("the proof does not hold")]
    Unproven(Box<Proof>),
    /// More steps than any rotation has: somebody else works on it too.
    #[error("the rotation did not come to its end")]
    Endless,
}

impl CertificatesError {
    /// Whether what was asked for is at fault.
    #[must_use]
    pub fn is_input(&self) -> bool {
        use CertificatesError as E;
        matches!(
            self,
            E::NoAuthority | E::IssuedElsewhere { .. } | E::NoKeyInFile(_) | E::KeyFile { .. }
        )
    }
}
