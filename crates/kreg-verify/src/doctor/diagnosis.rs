//! What a rule has to say.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::fix::Fix;
use super::signature::Signature;

/// One cause, what shows it, and how to fix it: as data, or, by [`Diagnosis::map_fix`], in the words of the program that
/// shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "F: Deserialize<'de>"))]
pub struct Diagnosis<F = Fix> {
    /// Which signature it is.
    pub id: Signature,
    /// Whether pulls or pushes fail by it now.
    pub severity: Severity,
    /// The cause in one line.
    pub cause: String,
    /// What was observed, verbatim where it was text.
    pub evidence: Vec<String>,
    /// What to do, in order.
    pub fix: Vec<F>,
    /// The node that it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub node: Option<String>,
    /// The object that it is about, such as `Secret kreg-system/docker-registry-tls`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub object: Option<String>,
    /// What follows from it and goes away with it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub consequences: Vec<Diagnosis<F>>,
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

impl<F> Diagnosis<F> {
    /// The same with each step of the way out as `step` gives it, in the consequences too.
    #[must_use]
    pub fn map_fix<T>(self, step: &impl Fn(F) -> T) -> Diagnosis<T> {
        let consequences = self.consequences.into_iter();
        Diagnosis {
            id: self.id,
            severity: self.severity,
            cause: self.cause,
            evidence: self.evidence,
            fix: self.fix.into_iter().map(step).collect(),
            node: self.node,
            object: self.object,
            consequences: consequences.map(|one| one.map_fix(step)).collect(),
        }
    }

    /// The cause, then evidence and consequences, one to a line.
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.severity {
            Severity::Error => "✗",
            Severity::Warning => "!",
        };
        write!(f, "{mark} {}", self.name())?;
        for line in &self.evidence {
            write!(f, "\n    seen: {}", indented(line.trim()))?;
        }
        for other in &self.consequences {
            write!(f, "\n    hence: {}", other.name())?;
        }
        Ok(())
    }

    /// Signature, node and cause.
    fn name(&self) -> String {
        let node = self.node.as_ref().map(|node| format!(" on {node}"));
        format!("{}{}: {}", self.id, node.unwrap_or_default(), self.cause)
    }
}

impl fmt::Display for Diagnosis {
    /// The cause, then evidence and consequences, one to a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}

impl fmt::Display for Diagnosis<String> {
    /// The same, and then the steps of the way out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)?;
        for step in &self.fix {
            write!(f, "\n    fix:  {}", indented(step))?;
        }
        Ok(())
    }
}

/// Further lines stand below the first.
fn indented(text: &str) -> String {
    text.replace('\n', "\n          ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_in_words_are_shown_and_serialised_like_the_rest() {
        let follows = Diagnosis::new(Signature::ScaledToZero, "none").fix("up");
        let mut found = Diagnosis::new(Signature::StaleAddress, "wrong")
            .seen("hosts.toml")
            .fix("first\nthen")
            .on("w1");
        found.consequences.push(follows);
        let found = found.map_fix(&|step| match step {
            Fix::Words(words) => words,
            _ => String::new(),
        });
        assert_eq!(
            found.to_string(),
            "✗ stale-address on w1: wrong\n    seen: hosts.toml\n    hence: scaled-to-zero: none\n    fix:  first\n          \
             then"
        );
        assert_eq!(found.consequences[0].fix, ["up"]);
        let json = serde_json::to_string(&found).unwrap();
        assert!(
            json.contains(r#""fix":["first\nthen"],"node":"w1""#),
            "{json}"
        );
        assert_eq!(
            serde_json::from_str::<Diagnosis<String>>(&json).unwrap(),
            found
        );
    }
}
