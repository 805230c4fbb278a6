//! One object and what an apply makes of it.

use std::fmt;

use serde::Serialize;

use crate::{diff::FieldDiff, error::FieldConflict, object_ref::ObjectRef};

/// What happens to one object.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "action", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Action {
    /// It is not there yet.
    Create,
    /// Some fields change.
    Update {
        /// Which.
        fields: Vec<FieldDiff>,
    },
    /// It has to be deleted and made again.
    Replace {
        /// Why.
        reason: String,
        /// Fields that differ, as far as the server would say.
        fields: Vec<FieldDiff>,
    },
    /// Nothing to do; nothing is sent.
    Unchanged,
    /// kreg made it once and it is no longer wanted.
    Delete,
}

/// One object and what happens to it. `Display` has a line for each field.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// The object.
    pub object: ObjectRef,
    /// What happens.
    #[serde(flatten)]
    pub action: Action,
    /// Fields that somebody changed or added by hand, or another tool declares, and that are taken back.
    #[serde(rename = "takenFrom", skip_serializing_if = "Vec::is_empty")]
    pub taken_from: Vec<FieldConflict>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let object = &self.object;
        let none: &[FieldDiff] = &[];
        let fields = match &self.action {
            Action::Create => write!(f, "+ {object}").map(|()| none),
            Action::Delete => write!(f, "- {object}").map(|()| none),
            Action::Update { fields } => write!(f, "~ {object}").map(|()| fields.as_slice()),
            Action::Replace { reason, fields } => {
                write!(f, "± {object} ({reason})").map(|()| fields.as_slice())
            }
            Action::Unchanged => write!(f, "= {object}").map(|()| none),
        };
        for field in fields? {
            write!(f, "\n    {field}")?;
        }
        for held in &self.taken_from {
            write!(f, "\n    {} was changed by {}", held.field, held.manager)?;
        }
        Ok(())
    }
}

impl Change {
    /// Whether anything would be written.
    #[must_use]
    pub fn is_change(&self) -> bool {
        self.action != Action::Unchanged
    }
}
