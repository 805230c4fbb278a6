//! Runs checks against a registry, each as soon as what it builds on has passed, and clears up.

use std::future::{Future, pending};
use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use kreg_auth::Credentials;
use kreg_stream::PodStreams;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::check::{Check, Context, Outcome, Status, Target, reference};
use crate::checks::{self, NodeCa, NodeTrust};
use crate::cleanup::cleanup;
use crate::dial::{Dial, PodDial};
use crate::image::{Architecture, ProbeError, ProbeImage};
use crate::pods::{NodeFacts, NodePull, NodePulls, list_nodes};
use crate::registry::{NameError, Repository, Tag, Transport, TrustError};
use crate::report::{CheckReport, Report};

/// Name and title of each built-in check, in a report's order.
pub const CHECKS: [(&str, &str); 23] = [
    ("tls", "the certificate as served is valid under the CA"),
    ("expiry", "no certificate ends within 7 days"),
    ("login", "the user with the right password gets in"),
    ("anonymous", "nobody gets in without a password"),
    ("wrong-password", "nobody gets in with a wrong password"),
    ("without-ca", "a client without the CA refuses the registry"),
    ("plain-http", "the registry does not answer plain HTTP"),
    (
        "push",
        "an image with a digest nobody has seen can be pushed",
    ),
    ("push-whole", "a blob goes in whole"),
    ("push-chunked", "a blob goes in by chunks"),
    (
        "push-resumed",
        "an upload goes on after its connection was lost",
    ),
    (
        "mount",
        "a layer is had in another repository without being sent",
    ),
    ("list", "the pushed image is listed"),
    (
        "list-pages",
        "lists come page by page, with nothing left out",
    ),
    (
        "pull",
        "the pushed image comes back by digest, byte for byte",
    ),
    (
        "index",
        "each architecture finds its own image under one tag",
    ),
    ("delete", "an image that is deleted is gone"),
    (
        "stored",
        "the certificate as served is the one that is stored",
    ),
    ("user", "each further user gets in"),
    ("node-route", "every node finds the registry and reaches it"),
    (
        "node-ca",
        "what every node trusts vouches for what is served",
    ),
    ("node-pull", "every node pulls the image and runs it"),
    (CLEANUP, "nothing of the proof is left behind"),
];

/// The name of the entry about clearing up; it always runs.
pub(crate) const CLEANUP: &str = "cleanup";

/// Where probe images go, unless told otherwise.
const REPOSITORY: &str = "kreg/verify";

type Observer = Box<dyn Fn(&CheckReport) + Send + Sync>;

/// A proof to be run. See the crate's first page for an example.
pub struct Verification {
    target: Target,
    dial: Arc<dyn Dial>,
    repository: Option<Repository>,
    pods: Option<NodePulls>,
    node_trust: Vec<NodeTrust>,
    only: Vec<String>,
    skip: Vec<String>,
    extra: Vec<Box<dyn Check>>,
    more: Vec<Box<dyn Check>>,
    observer: Observer,
}

/// Why nothing could be checked at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// A check was selected that does not exist.
    #[error("there is no check `{name}`; there are: {known}")]
    UnknownCheck {
        /// The name as given.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A check was asked for that has nothing to be put to.
    #[error("check `{name}` was asked for, and nothing can be put to it: {why}")]
    NothingToCheck {
        /// The name as given.
        name: String,
        /// What it lacks.
        why: &'static str,
    },
    /// Nothing is left of all checks.
    #[error("every check was left out, so nothing would be shown; skip fewer")]
    NoCheck,
    /// Nodes were named, and the cluster has none of them.
    #[error("no node of this cluster is called {names}; its nodes are {known}")]
    NoSuchNode {
        /// The names as given.
        names: String,
        /// The names there are.
        known: String,
    },
    /// The CA bundle is unusable.
    #[error("the CA of registry {registry} cannot be used")]
    Trust {
        /// Which registry.
        registry: String,
        /// Why.
        source: TrustError,
    },
    /// The nodes could not be listed.
    #[error("cannot list the cluster's nodes; is the API server up, and may this user list nodes?")]
    Nodes(#[source] kube::Error),
    /// No probe image.
    #[error("cannot build the probe image")]
    Image(#[source] ProbeError),
    /// The names of the probe image are not valid.
    #[error("cannot name the probe image")]
    Name(#[source] NameError),
}

impl Verification {
    /// A proof of `target`, reached over `dial`.
    #[must_use]
    pub fn new(target: Target, dial: Arc<dyn Dial>) -> Verification {
        Verification {
            target,
            dial,
            repository: None,
            pods: None,
            node_trust: Vec::new(),
            only: Vec::new(),
            skip: Vec::new(),
            extra: Vec::new(),
            more: Vec::new(),
            observer: Box::new(|_| {}),
        }
    }

    /// A proof of a registry behind the Service `namespace`/`service` at the target's port, reached
    /// through the API server.
    #[must_use]
    pub fn of_cluster(
        target: Target,
        streams: PodStreams,
        namespace: &str,
        service: &str,
    ) -> Verification {
        let port = target.host.port();
        let dial = PodDial::new(streams, namespace, service, port);
        Verification::new(target, Arc::new(dial))
    }

    /// Also proves every node of the cluster, by a Pod on each.
    #[must_use]
    pub fn on_nodes(mut self, pulls: NodePulls) -> Verification {
        self.pods = Some(pulls);
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
        self.only.extend(names.into_iter().map(Into::into));
        self
    }

    /// Leaves these checks out, and those that build on them.
    #[must_use]
    pub fn skip(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Verification {
        self.skip.extend(names.into_iter().map(Into::into));
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
        let nodes = match &self.pods {
            Some(pulls) => nodes_of(pulls).await?,
            None => Vec::new(),
        };
        let context = self.context(&nodes)?;
        let mut checks = checks::all();
        checks.append(&mut self.extra);
        let pulls: Vec<NodePull> = nodes
            .into_iter()
            .enumerate()
            .map(|(number, node)| NodePull::new(node, number))
            .collect();
        checks.extend(pulls.iter().map(|pull| boxed(pull.route())));
        checks.extend(
            self.node_trust
                .drain(..)
                .map(|read| boxed(NodeCa::new(read))),
        );
        checks.extend(pulls.into_iter().map(boxed));
        checks.append(&mut self.more);
        let checks = self.select(checks)?;

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
        let outcome = cleanup(&context, pushed, stopped).await;
        let (name, title) = (CLEANUP, "nothing of the proof is left behind".to_owned());
        let cleaned =
            CheckReport::new(name, title, None, outcome, clearing.elapsed().as_secs_f64());
        (self.observer)(&cleaned);
        report.checks.push(cleaned);
        report.interrupted = stopped;
        report.conclude(begun.elapsed().as_secs_f64());
        Ok(report)
    }

    fn context(&self, nodes: &[NodeFacts]) -> Result<Context, VerifyError> {
        let transport =
            Transport::trusting(&self.target.ca_pem).map_err(|source| VerifyError::Trust {
                registry: self.target.host.to_string(),
                source,
            })?;
        let image = ProbeImage::fresh(architectures(nodes)).map_err(VerifyError::Image)?;
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
            pods: self.pods.clone(),
            litter: Arc::default(),
        })
    }

    /// The checks that are to run: those asked for with what they build on, without those left out.
    fn select(&self, checks: Vec<Box<dyn Check>>) -> Result<Vec<Box<dyn Check>>, VerifyError> {
        let mut known: Vec<&str> = CHECKS.iter().map(|(name, _)| *name).collect();
        known.extend(checks.iter().map(|check| check.name()));
        for name in self.only.iter().chain(&self.skip) {
            if !known.contains(&name.as_str()) {
                let mut names: Vec<&str> = Vec::new();
                for name in known {
                    if !names.contains(&name) {
                        names.push(name);
                    }
                }
                return Err(VerifyError::UnknownCheck {
                    name: name.clone(),
                    known: names.join(", "),
                });
            }
        }
        let mut wanted = self.only.clone();
        let mut looked_at = 0;
        while let Some(name) = wanted.get(looked_at).cloned() {
            let needed = checks
                .iter()
                .filter(|check| check.name() == name)
                .flat_map(|check| check.after());
            for name in needed {
                if !wanted.iter().any(|have| have == name) {
                    wanted.push((*name).to_owned());
                }
            }
            looked_at += 1;
        }
        let asked = |name: &str| self.only.is_empty() || wanted.iter().any(|have| have == name);
        let left_out = |name: &str| self.skip.iter().any(|have| have == name);
        for name in &self.only {
            let why = match checks.iter().any(|check| check.name() == name) {
                true if left_out(name) => "it is to be skipped, too",
                true => continue,
                false => lacking(name),
            };
            let name = name.clone();
            return Err(VerifyError::NothingToCheck { name, why });
        }
        let chosen: Vec<_> = checks
            .into_iter()
            .filter(|check| asked(check.name()) && !left_out(check.name()))
            .collect();
        match chosen.is_empty() {
            true => Err(VerifyError::NoCheck),
            false => Ok(chosen),
        }
    }
}

/// What a built-in check needs that is not there.
fn lacking(name: &str) -> &'static str {
    match name {
        "user" => "no further users were given (kreg verify --users)",
        "stored" => "no stored certificate was given",
        NodeCa::NAME => "nothing was read on nodes (kreg verify --node-files)",
        CLEANUP => "it clears up after others, whichever they are; ask for one of those",
        _ => "there is no node to start a Pod on",
    }
}

/// The nodes that are to be proven.
pub(crate) async fn nodes_of(pulls: &NodePulls) -> Result<Vec<NodeFacts>, VerifyError> {
    let nodes = list_nodes(pulls.client.clone())
        .await
        .map_err(VerifyError::Nodes)?;
    chosen(nodes, &pulls.only)
}

/// Those of these names, or all where none is named. One may be gone since it was named; if all
/// are, nothing would be proven.
fn chosen(nodes: Vec<NodeFacts>, only: &[String]) -> Result<Vec<NodeFacts>, VerifyError> {
    if only.is_empty() {
        return Ok(nodes);
    }
    let (wanted, others): (Vec<_>, Vec<_>) = nodes
        .into_iter()
        .partition(|node| only.contains(&node.name));
    match wanted.is_empty() {
        false => Ok(wanted),
        true => Err(VerifyError::NoSuchNode {
            names: only.join(", "),
            known: others
                .into_iter()
                .map(|node| node.name)
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}

fn boxed(check: impl Check + 'static) -> Box<dyn Check> {
    Box::new(check)
}

impl std::fmt::Debug for Verification {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verification")
            .field("target", &self.target)
            .field("dial", &self.dial)
            .field("pods", &self.pods)
            .field("only", &self.only)
            .field("skip", &self.skip)
            .finish_non_exhaustive()
    }
}

/// Runs each check once everything it builds on has ended; fills `slots` as results come.
async fn run_all(
    checks: &[Box<dyn Check>],
    context: &Context,
    slots: &mut [Option<CheckReport>],
    observer: &Observer,
) {
    let mut started = vec![false; checks.len()];
    let mut running = FuturesUnordered::new();
    loop {
        for (index, check) in checks.iter().enumerate() {
            if started[index] {
                continue;
            }
            match readiness(check.as_ref(), checks, slots) {
                Readiness::Wait => continue,
                Readiness::Go => running.push(timed(index, check.as_ref(), context, None)),
                Readiness::Skip(why) => {
                    running.push(timed(index, check.as_ref(), context, Some(why)))
                }
            }
            started[index] = true;
        }
        match running.next().await {
            Some((index, report)) => {
                observer(&report);
                slots[index] = Some(report);
            }
            None => break,
        }
    }
    // What waits now waits for itself, in a circle; say so instead of leaving it out.
    for (check, slot) in checks.iter().zip(slots).filter(|(_, slot)| slot.is_none()) {
        let outcome = Outcome::fail("it builds on checks that build on it; correct their `after`");
        *slot = Some(result(check.as_ref(), outcome, 0.0));
    }
}

enum Readiness {
    Wait,
    Go,
    Skip(String),
}

fn readiness(
    check: &dyn Check,
    checks: &[Box<dyn Check>],
    slots: &[Option<CheckReport>],
) -> Readiness {
    for needed in check.after() {
        let mut found = false;
        for (other, slot) in checks.iter().zip(slots) {
            if other.name() != *needed {
                continue;
            }
            found = true;
            match slot.as_ref().map(|report| report.status) {
                None => return Readiness::Wait,
                Some(Status::Pass) => {}
                Some(Status::Fail) => {
                    return Readiness::Skip(format!("builds on `{needed}`, which failed"));
                }
                Some(Status::Skipped) => {
                    return Readiness::Skip(format!("builds on `{needed}`, which was skipped"));
                }
            }
        }
        if !found {
            return Readiness::Skip(format!("builds on `{needed}`, which was left out"));
        }
    }
    Readiness::Go
}

async fn timed(
    index: usize,
    check: &dyn Check,
    context: &Context,
    skip: Option<String>,
) -> (usize, CheckReport) {
    let begun = Instant::now();
    let outcome = match skip {
        Some(why) => Outcome::skipped(why),
        None => check.run(context).await,
    };
    (index, result(check, outcome, begun.elapsed().as_secs_f64()))
}

fn result(check: &dyn Check, outcome: Outcome, seconds: f64) -> CheckReport {
    CheckReport::new(check.name(), check.title(), check.node(), outcome, seconds)
}

/// Whether a push may have left something: it passed, or it was cut off or failed on the way.
fn touched(push: &CheckReport, stopped: bool) -> bool {
    push.status != Status::Skipped || stopped
}

/// The architectures of the nodes that can be proven; without any, that of this machine.
pub(crate) fn architectures(nodes: &[NodeFacts]) -> Vec<Architecture> {
    let mut found: Vec<_> = nodes
        .iter()
        .filter(|node| node.os == "linux")
        .filter_map(|node| node.architecture.as_ref().ok().copied())
        .collect();
    if found.is_empty() {
        found.push(match std::env::consts::ARCH {
            "aarch64" => Architecture::Arm64,
            "arm" => Architecture::Arm,
            "powerpc64" => Architecture::Ppc64le,
            "riscv64" => Architecture::Riscv64,
            "s390x" => Architecture::S390x,
            _ => Architecture::Amd64,
        });
    }
    found
}

#[cfg(test)]
#[path = "verification_tests.rs"]
mod tests;
