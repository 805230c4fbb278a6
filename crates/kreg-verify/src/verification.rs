//! Runs checks against a registry and clears up.

use std::future::{Future, pending};
use std::sync::Arc;
use std::time::Instant;

use kreg_auth::Credentials;
use kreg_registry::dial::Dial;
use kreg_registry::{Repository, Tag, Transport};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::check::{CLEANUP, Check, Context, Outcome, Target, reference};
use crate::checks::{self, NodeCa, NodeTrust};
use crate::cleanup::cleanup;
use crate::image::{Architecture, ProbeImage};
use crate::node_checks::{NodeChecks, NodeProof};
use crate::report::{CheckReport, Report};
use crate::schedule::{Observer, result, run_all, touched};
use crate::selection::Selection;
use crate::verify_error::VerifyError;

/// Where probe images go, unless set otherwise.
const REPOSITORY: &str = "kreg/verify";

/// A proof to be run. See the crate's first page for an example.
pub struct Verification {
    target: Target,
    dial: Arc<dyn Dial>,
    repository: Option<Repository>,
    nodes: Option<Box<dyn NodeProof>>,
    node_trust: Vec<NodeTrust>,
    selection: Selection,
    extra: Vec<Box<dyn Check>>,
    more: Vec<Box<dyn Check>>,
    observer: Observer,
}

impl Verification {
    /// A proof of `target`, reached over `dial`.
    #[must_use]
    pub fn new(target: Target, dial: Arc<dyn Dial>) -> Verification {
        Verification {
            target,
            dial,
            repository: None,
            nodes: None,
            node_trust: Vec::new(),
            selection: Selection::default(),
            extra: Vec::new(),
            more: Vec::new(),
            observer: Box::new(|_| {}),
        }
    }

    /// Also proves nodes, in the way of this proof.
    #[cfg(feature = "cluster")]
    pub(crate) fn with_nodes(mut self, nodes: impl NodeProof + 'static) -> Verification {
        self.nodes = Some(Box::new(nodes));
        self
    }

    /// Also compares what is served with the chain that is stored for the registry, leaf first.
    #[must_use]
    pub fn stored_chain(mut self, chain_pem: impl Into<String>) -> Verification {
        self.extra.push(Box::new(checks::Stored::new(chain_pem)));
        self
    }

    /// Also lets each of these users in.
    #[must_use]
    pub fn users(mut self, users: impl IntoIterator<Item = Credentials>) -> Verification {
        for credentials in users {
            self.extra.push(Box::new(checks::User::new(credentials)));
        }
        self
    }

    /// Also judges what was read on nodes, where somebody can read there.
    #[must_use]
    pub fn node_trust(mut self, read: impl IntoIterator<Item = NodeTrust>) -> Verification {
        self.node_trust.extend(read);
        self
    }

    /// Pushes the probe image here instead of `kreg/verify`.
    #[must_use]
    pub fn repository(mut self, repository: Repository) -> Verification {
        self.repository = Some(repository);
        self
    }

    /// Runs these checks alone, and those that they build on.
    #[must_use]
    pub fn only(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Verification {
        self.selection
            .only
            .extend(names.into_iter().map(Into::into));
        self
    }

    /// Leaves these checks out, and those that build on them.
    #[must_use]
    pub fn skip(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Verification {
        self.selection
            .skip
            .extend(names.into_iter().map(Into::into));
        self
    }

    /// Runs one more check.
    #[must_use]
    pub fn with_check(mut self, check: impl Check + 'static) -> Verification {
        self.more.push(Box::new(check));
        self
    }

    /// Calls `observer` with every result as it comes, in the order in which checks end.
    #[must_use]
    pub fn observe(
        mut self,
        observer: impl Fn(&CheckReport) + Send + Sync + 'static,
    ) -> Verification {
        self.observer = Box::new(observer);
        self
    }

    /// Runs the proof to its end.
    ///
    /// # Errors
    /// [`VerifyError`] if nothing could be checked; whatever a check finds is in the report.
    pub async fn run(self) -> Result<Report, VerifyError> {
        self.run_until(pending()).await
    }

    /// Runs the proof to its end, or until `stop` is done; then clears up in either case.
    ///
    /// # Errors
    /// As [`Verification::run`].
    pub async fn run_until(
        mut self,
        stop: impl Future<Output = ()>,
    ) -> Result<Report, VerifyError> {
        let begun = Instant::now();
        let started = OffsetDateTime::now_utc()
            .format(&Rfc3339)
            .unwrap_or_default();
        let nodes = match &self.nodes {
            Some(nodes) => nodes.checks().await?,
            None => NodeChecks::default(),
        };
        let context = self.context(nodes.architectures)?;
        let mut checks = checks::all();
        checks.append(&mut self.extra);
        checks.extend(nodes.routes);
        checks.extend(
            self.node_trust
                .drain(..)
                .map(|read| Box::new(NodeCa::new(read)) as Box<dyn Check>),
        );
        checks.extend(nodes.pulls);
        checks.append(&mut self.more);
        let checks = self.selection.of(checks)?;

        let mut report = Report::new(self.target.host.to_string(), context.reference(), started);
        let mut slots: Vec<Option<CheckReport>> = checks.iter().map(|_| None).collect();
        let stopped = tokio::select! {
            () = run_all(&checks, &context, &mut slots, &self.observer) => false,
            () = stop => true,
        };
        for (slot, check) in slots.into_iter().zip(&checks) {
            let result = slot
                .unwrap_or_else(|| result(check.as_ref(), Outcome::skipped("interrupted"), 0.0));
            report.checks.push(result);
        }
        let pushed = report
            .checks
            .iter()
            .any(|check| check.name == "push" && touched(check, stopped));
        let clearing = Instant::now();
        let outcome = cleanup(&context, self.nodes.as_deref(), pushed, stopped).await;
        let (name, title) = (CLEANUP, "nothing of the proof is left behind".to_owned());
        let cleaned =
            CheckReport::new(name, title, None, outcome, clearing.elapsed().as_secs_f64());
        (self.observer)(&cleaned);
        report.checks.push(cleaned);
        report.interrupted = stopped;
        report.conclude(begun.elapsed().as_secs_f64());
        Ok(report)
    }

    fn context(&self, mut architectures: Vec<Architecture>) -> Result<Context, VerifyError> {
        let transport =
            Transport::trusting(&self.target.ca_pem).map_err(|source| VerifyError::Trust {
                registry: self.target.host.to_string(),
                source,
            })?;
        if architectures.is_empty() {
            architectures.push(Architecture::of_this_machine());
        }
        let image = ProbeImage::fresh(architectures).map_err(VerifyError::Image)?;
        let repository = match &self.repository {
            Some(repository) => repository.clone(),
            None => REPOSITORY.parse().map_err(VerifyError::Name)?,
        };
        let tag: Tag = format!("probe-{}", image.nonce())
            .parse()
            .map_err(VerifyError::Name)?;
        tracing::info!(
            image = reference(&self.target.host, &repository, image.digest()),
            "probe image built"
        );
        Ok(Context {
            target: self.target.clone(),
            dial: Arc::clone(&self.dial),
            transport,
            image,
            repository,
            tag,
            litter: Arc::default(),
        })
    }
}

impl std::fmt::Debug for Verification {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verification")
            .field("target", &self.target)
            .field("dial", &self.dial)
            .field("selection", &self.selection)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "verification_tests.rs"]
mod tests;
