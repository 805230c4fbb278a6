//! What was made, and why, as facts.

use std::fmt;

use kreg_pki::San;
use serde::{Serialize, Serializer};
use time::Date;

/// Something that was made because nothing that was held serves.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Made {
    /// A CA.
    Ca,
    /// A leaf of that CA.
    Certificate(Reason),
    /// A certificate that is its own anchor.
    SelfSigned(Reason),
    /// The certificate that was issued elsewhere takes the place of the one that was held.
    External(Reason),
    /// A password for this user.
    Password(String),
    /// A line in the users file for this user.
    HtpasswdEntry(String),
    /// Agents on the nodes, who then make what the nodes need.
    Agents,
}

/// Why a certificate is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// There was none.
    None,
    /// The one that is held does not cover these.
    NotCovered(Vec<San>),
    /// The one that is held ends soon, on this day.
    Ends(Date),
    /// The one that is held is not signed by this CA.
    NotSigned,
    /// The one that is held is another one.
    Another,
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Made::Ca => f.write_str("a new CA"),
            Made::Certificate(reason) => write!(f, "a new certificate ({reason})"),
            Made::SelfSigned(reason) => write!(f, "a new self-signed certificate ({reason})"),
            Made::External(reason) => write!(f, "the certificate that was given ({reason})"),
            Made::Password(user) => write!(f, "a password for user {user}"),
            Made::HtpasswdEntry(user) => write!(f, "an htpasswd entry for user {user}"),
            Made::Agents => {
                f.write_str("agents on the nodes; what they then change there is not shown")
            }
        }
    }
}

/// As its words.
impl Serialize for Made {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::None => f.write_str("there was none"),
            Reason::NotCovered(sans) => {
                let names: Vec<String> = sans.iter().map(ToString::to_string).collect();
                write!(f, "the old one does not cover {}", names.join(", "))
            }
            Reason::Ends(date) => write!(f, "the old one ends on {date}"),
            Reason::NotSigned => f.write_str("the old one is not signed by this CA"),
            Reason::Another => f.write_str("the old one is another"),
        }
    }
}
