//! A step of a rotation, in words.

use std::fmt;

use kreg_pki::Certificate;
use kreg_pki::rotation::Step;
use serde::{Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A step of a rotation, done or ahead. CAs are called by their common names.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Deed {
    /// A new CA is made and kept beside the old one.
    CreateAuthority,
    /// Every node is made to trust these CAs.
    Publish(Vec<String>),
    /// The registry serves a certificate of this CA.
    Serve(String),
    /// Every node pulls.
    Prove,
    /// These nodes are made to trust the CA.
    WaitForNodes(Vec<String>),
    /// Both CAs stay trusted until then.
    WaitUntil(OffsetDateTime),
    /// This CA and its key are deleted.
    Drop(String),
    /// Nothing.
    Done,
}

impl Deed {
    pub(super) fn of(step: &Step, name: impl Fn(&Certificate) -> String) -> Deed {
        match step {
            Step::CreateAuthority => Deed::CreateAuthority,
            Step::Publish(bundle) => {
                Deed::Publish(bundle.certificates().iter().map(name).collect())
            }
            Step::Serve(by) => Deed::Serve(name(by)),
            Step::Prove => Deed::Prove,
            Step::WaitForNodes { nodes, .. } => Deed::WaitForNodes(nodes.clone()),
            Step::WaitUntil(end) => Deed::WaitUntil(*end),
            Step::Drop(which) => Deed::Drop(name(which)),
            _ => Deed::Done,
        }
    }
}

/// As its words.
impl Serialize for Deed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Deed::CreateAuthority => f.write_str("make a new CA and keep it beside the old one"),
            Deed::Publish(names) => write!(f, "tell every node to trust {}", names.join(" and ")),
            Deed::Serve(by) => write!(
                f,
                "issue a certificate under {by} and have the registry serve it"
            ),
            Deed::Prove => f.write_str("prove it by a pull on every node"),
            Deed::WaitForNodes(nodes) => write!(f, "make {} trust the CA", nodes.join(", ")),
            Deed::WaitUntil(end) => {
                write!(f, "leave both trusted until {}", moment(*end))
            }
            Deed::Drop(which) => write!(f, "delete {which} and its key"),
            Deed::Done => f.write_str("done"),
        }
    }
}

/// In whole seconds, RFC 3339.
pub(super) fn moment(at: OffsetDateTime) -> String {
    let at = at.replace_nanosecond(0).unwrap_or(at);
    at.format(&Rfc3339).unwrap_or_default()
}

pub(super) fn common_name(certificate: &Certificate) -> String {
    let subject = certificate.subject();
    let name = subject.split_once("CN=");
    let name = name.map_or(subject, |(_, name)| name.split(',').next().unwrap_or(name));
    name.to_owned()
}
