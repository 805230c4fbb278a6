//! The startup taint: it comes off a node after that node's own proven pull, and only then.

use clap::Args;
use kreg_k8s::rights;
use kreg_k8s::taint::{self, Lifted, StartupTaint, Tainted};
use kreg_verify::{Report, Status};
use serde::Serialize;

use crate::app::App;
use crate::config::Config;
use crate::error::{Error, Tried as _};
use crate::session::Session;

/// The check that is a node's own pull.
pub(crate) const PULL: &str = "node-pull";

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct TaintArgs {
    /// Take this taint off each node whose own pull is proven; it keeps Pods off nodes until then, and the kubelet puts
    /// it there (--register-with-taints) [default: nodes.startup_taint of kreg.toml, else none; without a KEY:
    /// kreg.dev/untrusted]
    #[arg(long, value_name = "KEY", num_args = 0..=1, require_equals = true,
          default_missing_value = StartupTaint::KEY, help_heading = "Nodes that join")]
    startup_taint: Option<String>,
}

impl TaintArgs {
    /// By flag, else by file; `None` unless one of them says so.
    pub(crate) fn taint(&self, config: &Config) -> Result<Option<StartupTaint>, Error> {
        let key = self
            .startup_taint
            .as_ref()
            .or(config.nodes.startup_taint.as_ref());
        key.map(|key| StartupTaint::new(key))
            .transpose()
            .map_err(|cause| Error::usage("this startup taint cannot be lifted").because(&cause))
    }
}

/// Nodes that carried the taint before their proof began: one that gets it later waits for the next proof.
#[derive(Debug)]
pub(crate) struct Waiting {
    taint: StartupTaint,
    pub(crate) nodes: Vec<Tainted>,
}

/// What became of them.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Lifting {
    /// The taint's key.
    pub(crate) key: String,
    /// Nodes that it was taken off.
    pub(crate) lifted: Vec<String>,
    /// Nodes that keep it, and why.
    pub(crate) kept: Vec<Keeping>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Keeping {
    pub(crate) node: String,
    pub(crate) reason: String,
}

impl Waiting {
    /// Whom this user may not help is told before anything is proven.
    pub(crate) async fn read(
        session: &Session,
        taint: Option<StartupTaint>,
    ) -> Result<Option<Self>, Error> {
        let Some(taint) = taint else {
            return Ok(None);
        };
        rights::require(&session.cluster, taint::needed_to_lift())
            .await
            .tried(format!(
                "this user may not take the taint {} off nodes",
                taint.key()
            ))
            .map_err(|error| error.help("`kreg export rbac --startup-taint` has that right too"))?;
        Self::again(session, taint).await.map(Some)
    }

    /// The same, with rights that were asked for before.
    pub(crate) async fn again(session: &Session, taint: StartupTaint) -> Result<Self, Error> {
        let nodes = taint::tainted(&session.cluster, &taint)
            .await
            .tried(format!(
                "cannot see which nodes have the taint {}",
                taint.key()
            ))?;
        Ok(Self { taint, nodes })
    }

    /// After the proof.
    pub(crate) async fn lift(
        &self,
        app: &App,
        session: &Session,
        report: &Report,
    ) -> Result<Lifting, Error> {
        let mut lifting = Lifting {
            key: self.taint.key().to_owned(),
            ..Lifting::default()
        };
        for tainted in &self.nodes {
            let node = tainted.node.clone();
            if let Err(reason) = proven(report, &node) {
                app.progress
                    .note(format!("{node} keeps the taint {}: {reason}", lifting.key));
                lifting.kept.push(Keeping { node, reason });
                continue;
            }
            match taint::lift(&session.cluster, &self.taint, tainted).await {
                Ok(Lifted::Yes) => {
                    app.progress.note(format!(
                        "{node} has proven its pull: the taint {} is off",
                        lifting.key
                    ));
                    lifting.lifted.push(node);
                }
                // Off already, or another machine by now, which is the next proof's.
                Ok(_) => {}
                Err(cause) => {
                    return Err(Error::failed(format!(
                        "{node} has proven its pull, but the taint {} cannot be taken off",
                        lifting.key
                    ))
                    .because(&cause)
                    .help("run the same command again, or `kubectl taint node` by hand"));
                }
            }
        }
        Ok(lifting)
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

    #[test]
    fn it_is_off_unless_somebody_says_so() {
        let taint = |flag: Option<&str>, file: &str| {
            let args = TaintArgs {
                startup_taint: flag.map(str::to_owned),
            };
            let taint = args.taint(&Config::parse(file).unwrap());
            taint.map(|taint| taint.map(|taint| taint.key().to_owned()))
        };
        let file = "[nodes]\nstartup_taint = \"a.b/c\"\n";
        assert_eq!(taint(None, "").unwrap(), None);
        assert_eq!(taint(None, file).unwrap().as_deref(), Some("a.b/c"));
        assert_eq!(
            taint(Some("d.e/f"), file).unwrap().as_deref(),
            Some("d.e/f")
        );
        assert!(taint(Some("node.kubernetes.io/unreachable"), "").is_err());
    }
}
