//! Nodes that wait with the startup taint prove their pull, and lose it: once, or for as long as somebody watches.
//!
//! What runs on nodes has no right in the cluster, so that an agent cannot vouch for itself: the account that runs this has
//! it.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Duration, Instant};

use kreg_k8s::taint::StartupTaint;

use super::{Admission, Keeping, PULL, Waiting};
use crate::error::Error;
use crate::event::Observer;
use crate::prove::Scope;
use crate::registry::Registry;
use crate::words::chain;

/// Between two looks at the nodes.
const LOOK: Duration = Duration::from_secs(3);
/// The longest between two proofs of a node that does not prove itself.
const LONGEST: Duration = Duration::from_secs(60);

/// Which nodes are admitted, and for how long they are looked for.
#[derive(Debug, Clone, Default)]
pub struct Admitting {
    /// These nodes; empty means all.
    pub only: Vec<String>,
    /// Not these.
    pub skip: Vec<String>,
    /// Whether nodes that come later are admitted too, until somebody wants an end.
    pub watch: bool,
    /// The longest that any single wait may take.
    pub timeout: Option<Duration>,
}

impl Registry {
    /// Proves the pull of every node that waits with `taint`, and takes it off. `stop` gives a future that ends when
    /// somebody wants an end: a proof that was begun clears up, and then it ends.
    ///
    /// # Errors
    /// As [`Registry::waiting`], [`Registry::standing`], [`Registry::prove`] and [`Registry::admit`]; while it watches, they
    /// are said and tried again.
    pub async fn admit_nodes<S: Future<Output = ()> + Send>(
        &self,
        taint: StartupTaint,
        nodes: &Admitting,
        stop: impl Fn() -> S,
        on: &dyn Observer,
    ) -> Result<Admission, Error> {
        self.existing().await?;
        let mut all = Admission {
            key: taint.key().to_owned(),
            ..Admission::default()
        };
        let mut patience = Patience::default();
        let mut waiting = self.waiting(taint.clone()).await?;
        let end = stop();
        tokio::pin!(end);
        loop {
            waiting.retain(|one| {
                let meant = nodes.only.is_empty() || nodes.only.contains(&one.node);
                let due = !nodes.watch || patience.is_over(&one.node);
                meant && due && one.ready && !nodes.skip.contains(&one.node)
            });
            if !waiting.nodes().is_empty() {
                match self.round(&waiting, nodes, stop(), on).await {
                    Ok(done) => {
                        for node in &done.lifted {
                            patience.forget(node);
                        }
                        for kept in done.kept {
                            patience.tried(&kept.node, kept.reason);
                        }
                        all.lifted.extend(done.lifted);
                    }
                    Err(error) if nodes.watch => {
                        on.note(chain(&error));
                        for one in waiting.nodes() {
                            patience.tried(&one.node, error.to_string());
                        }
                    }
                    Err(error) => return Err(error),
                }
            }
            if !nodes.watch {
                break;
            }
            tokio::select! {
                () = &mut end => break,
                () = tokio::time::sleep(LOOK) => {}
            }
            match self.still_waiting(taint.clone()).await {
                Ok(again) => {
                    patience.of_these(&again);
                    waiting = again;
                }
                Err(error) => {
                    on.note(chain(&error));
                    waiting.retain(|_| false);
                }
            }
        }
        all.kept = patience.kept();
        Ok(all)
    }

    /// One proof for all of them, with the certificates and the password of now.
    async fn round(
        &self,
        waiting: &Waiting,
        nodes: &Admitting,
        stop: impl Future<Output = ()> + Send,
        on: &dyn Observer,
    ) -> Result<Admission, Error> {
        let standing = self.standing().await?;
        let named = waiting.nodes().iter().map(|one| one.node.clone());
        let scope = Scope {
            nodes: named.collect(),
            only: vec![PULL.to_owned()],
            timeout: nodes.timeout,
            ..Scope::default()
        };
        let proof = self.prove(&standing, scope, stop, on).await?;
        self.admit(waiting, &proof.report, on).await
    }
}

/// Nodes that did not prove themselves are asked again, each time later.
#[derive(Debug, Default)]
struct Patience(BTreeMap<String, Tried>);

#[derive(Debug)]
struct Tried {
    last: Instant,
    pause: Duration,
    reason: String,
}

impl Patience {
    fn is_over(&self, node: &str) -> bool {
        let tried = self.0.get(node);
        tried.is_none_or(|tried| tried.last.elapsed() >= tried.pause)
    }

    fn tried(&mut self, node: &str, reason: String) {
        let pause = self.0.get(node).map_or(LOOK, |tried| tried.pause * 2);
        let tried = Tried {
            last: Instant::now(),
            pause: pause.min(LONGEST),
            reason,
        };
        self.0.insert(node.to_owned(), tried);
    }

    fn forget(&mut self, node: &str) {
        self.0.remove(node);
    }

    /// A node that has no taint any more is not waited for.
    fn of_these(&mut self, waiting: &Waiting) {
        let has = |node: &String| waiting.nodes().iter().any(|one| one.node == *node);
        self.0.retain(|node, _| has(node));
    }

    fn kept(self) -> Vec<Keeping> {
        let kept = self.0.into_iter();
        kept.map(|(node, tried)| Keeping {
            node,
            reason: tried.reason,
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_is_asked_again_and_each_time_later() {
        let mut patience = Patience::default();
        assert!(patience.is_over("a"));
        let mut pauses = Vec::new();
        for _ in 0..7 {
            patience.tried("a", "why".to_owned());
            pauses.push(patience.0["a"].pause.as_secs());
        }
        assert_eq!(pauses, [3, 6, 12, 24, 48, 60, 60]);
        assert!(!patience.is_over("a") && patience.is_over("b"));
        patience.forget("a");
        assert!(patience.is_over("a") && patience.kept().is_empty());
    }
}
