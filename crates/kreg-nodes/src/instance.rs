//! What tells one installation's files from another's.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::RegistryId;

/// The longest DNS-1123 label, in bytes (RFC 1123, section 2.1).
const LABEL_MAX: usize = 63;

/// One installation: its name, a DNS-1123 label such as `docker-registry`, and the id that tells it from
/// another one of that name.
///
/// The name is that of the journal `/var/lib/kreg/<instance>/` and of the markers in `/etc/hosts`, so it
/// holds nothing that a path, a line or a shell could take for anything else. The id is written into the
/// journal: a program for another id leaves that journal, and the files it is about, alone. An
/// installation without an id goes by its name, as those of an earlier kreg do.
///
/// ```
/// use kreg_nodes::InstanceId;
/// assert!(InstanceId::new("docker-registry").is_ok());
/// assert!(InstanceId::new("../etc").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InstanceId {
    name: String,
    id: Option<RegistryId>,
}

/// Why a text is no [`InstanceId`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{given}` is no instance name: write a DNS-1123 label, 1 to 63 of a-z, 0-9 and `-`, \
     beginning and ending with a letter or digit, as in `docker-registry`"
)]
pub struct InstanceError {
    given: String,
}

impl InstanceId {
    /// An instance of this name.
    ///
    /// # Errors
    /// [`InstanceError`] if it is no DNS-1123 label.
    pub fn new(name: impl Into<String>) -> Result<InstanceId, InstanceError> {
        let given = name.into();
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let label = (1..=LABEL_MAX).contains(&given.len())
            && given.bytes().all(|b| plain(b) || b == b'-')
            && given.bytes().next().is_some_and(plain)
            && given.bytes().last().is_some_and(plain);
        match label {
            true => Ok(InstanceId {
                name: given,
                id: None,
            }),
            false => Err(InstanceError { given }),
        }
    }

    /// The installation of this name that has that id.
    #[must_use]
    pub fn with_id(mut self, id: RegistryId) -> InstanceId {
        self.id = Some(id);
        self
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The id, if it is known.
    #[must_use]
    pub fn id(&self) -> Option<&RegistryId> {
        self.id.as_ref()
    }

    /// Whose a journal has to be that this installation may write to: its id, or else its name.
    pub(crate) fn owner(&self) -> &str {
        self.id.as_ref().map_or(&self.name, RegistryId::as_str)
    }

    /// The directory on a node that holds what was there before: `/var/lib/kreg/<instance>`.
    #[must_use]
    pub fn journal(&self) -> String {
        format!("{JOURNALS}/{}", self.name)
    }
}

/// The parent of all journals on a node.
pub(crate) const JOURNALS: &str = "/var/lib/kreg";

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl FromStr for InstanceId {
    type Err = InstanceError;

    fn from_str(given: &str) -> Result<InstanceId, InstanceError> {
        InstanceId::new(given)
    }
}

impl TryFrom<String> for InstanceId {
    type Error = InstanceError;

    fn try_from(given: String) -> Result<InstanceId, InstanceError> {
        InstanceId::new(given)
    }
}

impl From<InstanceId> for String {
    fn from(id: InstanceId) -> String {
        id.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_labels_and_nothing_else() {
        for good in ["a", "docker-registry", "r2", &"a".repeat(63)] {
            assert!(InstanceId::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "-a",
            "a-",
            "A",
            "a.b",
            "a/b",
            "a b",
            "a\nb",
            "..",
            "$(x)",
            &"a".repeat(64),
        ] {
            assert!(InstanceId::new(bad).is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<InstanceId>("\"a/b\"").is_err());
    }
}
