//! What a rule has to say.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::fix::Fix;
use super::signature::Signature;

/// One cause, what shows it, and how to fix it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Diagnosis {
    /// Which signature it is.
    pub id: Signature,
    /// Whether pulls or pushes fail by it now.
    pub severity: Severity,
    /// The cause in one line.
    pub cause: String,
    /// What was observed, verbatim where it was text.
    pub evidence: Vec<String>,
    /// What to do, in order.
    pub fix: Vec<Fix>,
    /// The node that it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub node: Option<String>,
    /// The object that it is about, such as `Secret kreg-system/docker-registry-tls`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub object: Option<String>,
    /// What follows from it and goes away with it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub consequences: Vec<Diagnosis>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Pulls, pushes or logins fail by it.
    Error,
    /// Not yet, or not for everybody.
    Warning,
}

impl Diagnosis {
    /// An error with this cause.
    #[must_use]
    pub fn new(id: Signature, cause: impl Into<String>) -> Diagnosis {
        Diagnosis {
            id,
            severity: Severity::Error,
            cause: cause.into(),
            evidence: Vec::new(),
            fix: Vec::new(),
            node: None,
            object: None,
            consequences: Vec::new(),
        }
    }

    /// The same as a warning.
    #[must_use]
    pub fn warning(mut self) -> Diagnosis {
        self.severity = Severity::Warning;
        self
    }

    /// The same with one more observation.
    #[must_use]
    pub fn seen(mut self, evidence: impl Into<String>) -> Diagnosis {
        self.evidence.push(evidence.into());
        self
    }

    /// The same with more observations.
    #[must_use]
    pub fn seen_all<T: Into<String>>(mut self, evidence: impl IntoIterator<Item = T>) -> Diagnosis {
        self.evidence.extend(evidence.into_iter().map(Into::into));
        self
    }

    /// The same with one more step of the way out.
    #[must_use]
    pub fn fix(mut self, step: impl Into<Fix>) -> Diagnosis {
        self.fix.push(step.into());
        self
    }

    /// The same, about a node.
    #[must_use]
    pub fn on(mut self, node: impl Into<String>) -> Diagnosis {
        self.node = Some(node.into());
        self
    }

    /// The same, about an object.
    #[must_use]
    pub fn about(mut self, object: impl Into<String>) -> Diagnosis {
        self.object = Some(object.into());
        self
    }
}

impl fmt::Display for Diagnosis {
    /// The cause, then evidence and consequences, one to a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.severity {
            Severity::Error => "✗",
            Severity::Warning => "!",
        };
        write!(f, "{mark} {}", self.id)?;
        if let Some(node) = &self.node {
            write!(f, " on {node}")?;
        }
        write!(f, ": {}", self.cause)?;
        for line in &self.evidence {
            write!(
                f,
                "\n    seen: {}",
                line.trim().replace('\n', "\n          ")
            )?;
        }
        for other in &self.consequences {
            write!(f, "\n    hence: {}", other.id)?;
            if let Some(node) = &other.node {
                write!(f, " on {node}")?;
            }
            write!(f, ": {}", other.cause)?;
        }
        Ok(())
    }
}
