//! The startup taint: it comes off a node after that node's own proven pull, and only then.

mod rounds;

use kreg_k8s::rights;
use kreg_k8s::taint::{self, Lifted, StartupTaint, Tainted};
use kreg_verify::{Report, Status};
use serde::Serialize;

pub use self::rounds::Admitting;
use crate::error::{Error, Tried as _};
use crate::event::Observer;
use crate::registry::Registry;

/// The check that is a node's own pull.
pub const PULL: &str = "node-pull";

/// Nodes that carried the taint before their proof began: one that gets it later waits for the next proof.
#[derive(Debug)]
pub struct Waiting {
    taint: StartupTaint,
    nodes: Vec<Tainted>,
}

/// What became of them.
#[derive(Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Admission {
    /// The taint's key.
    pub key: String,
    /// Nodes that it was taken off.
    pub lifted: Vec<String>,
    /// Nodes that keep it, and why.
    pub kept: Vec<Keeping>,
}

/// A node that keeps its taint.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Keeping {
    /// Its name.
    pub node: String,
    /// Why its own pull is not proven.
    pub reason: String,
}

impl Registry {
    /// The nodes that carry `taint` now. Fails before anything is proven if this account may not take it off.
    ///
    /// # Errors
    /// [`Error::TaintRights`], or [`Error::Failed`] where the cluster cannot be read.
    pub async fn waiting(&self, taint: StartupTaint) -> Result<Waiting, Error> {
        rights::require(self.cluster().as_ref(), taint::needed_to_lift())
            .await
            .map_err(|source| Error::TaintRights {
                taint: taint.key().to_owned(),
                source: Box::new(source),
            })?;
        self.still_waiting(taint).await
    }

    /// The same, with rights that were asked for before.
    ///
    /// # Errors
    /// [`Error::Failed`] where the cluster cannot be read.
    pub async fn still_waiting(&self, taint: StartupTaint) -> Result<Waiting, Error> {
        let nodes = taint::tainted(self.cluster().as_ref(), &taint)
            .await
            .tried(format!(
                "cannot see which nodes have the taint {}",
                taint.key()
            ))?;
        Ok(Waiting { taint, nodes })
    }

    /// Takes the taint off every node whose own pull `report` proves.
    ///
    /// # Errors
    /// [`Error::TaintStays`] if the cluster refuses that.
    pub async fn admit(
        &self,
        waiting: &Waiting,
        report: &Report,
        on: &dyn Observer,
    ) -> Result<Admission, Error> {
        let key = waiting.taint.key();
        let mut admission = Admission {
            key: key.to_owned(),
            ..Admission::default()
        };
        for tainted in &waiting.nodes {
            let node = tainted.node.clone();
            if let Err(reason) = proven(report, &node) {
                on.note(format!("{node} keeps the taint {key}: {reason}"));
                admission.kept.push(Keeping { node, reason });
                continue;
            }
            match taint::lift(self.cluster().as_ref(), &waiting.taint, tainted).await {
                Ok(Lifted::Yes) => {
                    on.note(format!(
                        "{node} has proven its pull: the taint {key} is off"
                    ));
                    admission.lifted.push(node);
                }
                // Off already, or another machine by now, which is the next proof's.
                Ok(_) => {}
                Err(source) => {
                    return Err(Error::TaintStays {
                        node,
                        taint: key.to_owned(),
                        source: Box::new(source),
                    });
                }
            }
        }
        Ok(admission)
    }
}

impl Waiting {
    /// Leaves out the nodes that do not fit.
    pub fn retain(&mut self, fits: impl FnMut(&Tainted) -> bool) {
        self.nodes.retain(fits);
    }

    /// The nodes.
    #[must_use]
    pub fn nodes(&self) -> &[Tainted] {
        &self.nodes
    }
}

/// Only what was seen on the node itself counts: its own pull passed, and nothing else about it failed.
fn proven(report: &Report, node: &str) -> Result<(), String> {
    let failed = report
        .of_node(node)
        .find(|check| check.status == Status::Fail);
    if let Some(check) = failed {
        return Err(check.message.clone());
    }
    let pull = report.of_node(node).find(|check| check.name == PULL);
    match pull {
        Some(check) if check.status == Status::Pass => Ok(()),
        Some(check) => Err(check.message.clone()),
        None => Err("no pull was tried on it".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use kreg_verify::{CheckReport, Outcome};

    use super::*;

    fn report(checks: &[(&str, Option<&str>, Status)]) -> Report {
        let mut report = Report::new("r:5000".to_owned(), String::new(), String::new());
        report.checks = checks
            .iter()
            .map(|(name, node, status)| {
                let (make, word): (fn(String) -> Outcome, &str) = match status {
                    Status::Pass => (Outcome::pass, "pass"),
                    Status::Fail => (Outcome::fail, "fail"),
                    _ => (Outcome::skipped, "skipped"),
                };
                CheckReport::new(name, "", *node, make(format!("{name}: {word}")), 0.0)
            })
            .collect();
        report
    }

    #[test]
    fn only_a_nodes_own_pull_counts() {
        let checks = [
            ("pull", None, Status::Pass),
            ("node-route", Some("a"), Status::Pass),
            (PULL, Some("a"), Status::Pass),
            (PULL, Some("b"), Status::Fail),
            (PULL, Some("c"), Status::Skipped),
            (PULL, Some("d"), Status::Pass),
            ("node-ca", Some("d"), Status::Fail),
            ("node-route", Some("e"), Status::Pass),
        ];
        let report = report(&checks);
        assert_eq!(proven(&report, "a"), Ok(()));
        for (node, why) in [
            ("b", "node-pull: fail"),
            ("c", "node-pull: skipped"),
            ("d", "node-ca: fail"),
            ("e", "no pull was tried on it"),
            ("f", "no pull was tried on it"),
        ] {
            assert_eq!(proven(&report, node), Err(why.to_owned()), "{node}");
        }
    }
}
