//! Why a way to the nodes could not be prepared or retired.

use std::error::Error;

use crate::{Advice, Node, Receipt, State};

/// Why a way to the nodes could not be prepared or retired.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
#[non_exhaustive]
pub struct AccessError {
    /// What was tried, or what is in the way.
    pub what: String,
    /// What to do next.
    pub remedy: Option<String>,
    /// The setting that the remedy is about.
    pub advice: Option<Advice>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl AccessError {
    /// An error of its own: `what` is in the way.
    #[must_use]
    pub fn new(what: impl Into<String>) -> AccessError {
        AccessError {
            what: what.into(),
            remedy: None,
            advice: None,
            source: None,
        }
    }

    /// For `map_err`: `what` was tried, and the error is why it failed.
    pub fn tried<E>(what: impl Into<String>) -> impl FnOnce(E) -> AccessError
    where
        E: Error + Send + Sync + 'static,
    {
        let what = what.into();
        move |source| AccessError {
            source: Some(Box::new(source)),
            ..AccessError::new(what)
        }
    }

    /// With what to do next.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> AccessError {
        self.remedy = Some(remedy.into());
        self
    }

    /// With the setting that the remedy is about.
    #[must_use]
    pub fn with_advice(mut self, advice: Advice) -> AccessError {
        self.advice = Some(advice);
        self
    }

    /// A receipt for each of `nodes`, none of which was done for this reason.
    #[must_use]
    pub fn receipts(&self, nodes: &[Node], step: &str) -> Vec<Receipt> {
        let failed = |node| {
            let receipt = Receipt::new(node, State::Failed);
            let remedy = self.remedy.clone().unwrap_or_default();
            Receipt {
                advice: self.advice.clone(),
                ..receipt.because(step, self.reason(), remedy)
            }
        };
        nodes.iter().map(failed).collect()
    }

    /// This and all of its sources in one line.
    fn reason(&self) -> String {
        let mut words = vec![self.what.clone()];
        let mut next = self.source();
        while let Some(error) = next {
            let text = error.to_string();
            // Some libraries repeat their source in their own message.
            if !words.last().is_some_and(|last| last.contains(&text)) {
                words.push(text);
            }
            next = error.source();
        }
        words.join(": ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_node_is_told_the_whole_reason_and_the_remedy() {
        let source = std::io::Error::other("no route");
        let error = AccessError::tried("cannot list agents")(source).with_remedy("wait");
        let nodes = [Node::new("a", ""), Node::new("b", "")];
        let told: Vec<String> = error
            .receipts(&nodes, "agent")
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            told,
            [
                "a: failed at agent: cannot list agents: no route; wait",
                "b: failed at agent: cannot list agents: no route; wait"
            ]
        );
    }
}
