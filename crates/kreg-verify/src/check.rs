//! What a check is, and what it needs to know.

use std::sync::Arc;

use futures::future::BoxFuture;
use kreg_auth::{Credentials, RegistryHost};
use serde::{Deserialize, Serialize};

use crate::image::ProbeImage;
use crate::litter::Litter;
use crate::remedy::Remedy;
use kreg_registry::dial::Dial;
use kreg_registry::{Digest, RegistryClient, Repository, Tag, Transport};

/// One claim about a registry, put to the test.
///
/// Checks do not know each other; [`Check::after`] says which claims must hold first. To add one's
/// own, implement this and hand it to [`crate::Verification::with_check`].
pub trait Check: Send + Sync {
    /// A short stable name, such as `tls`; what a user selects by.
    fn name(&self) -> &str;

    /// The claim in words, as it is shown beside the result.
    fn title(&self) -> String;

    /// The node that the claim is about, if it is about one.
    fn node(&self) -> Option<&str> {
        None
    }

    /// Names of checks that must pass first; if one does not, this check is skipped.
    fn after(&self) -> &[&str] {
        &[]
    }

    /// Puts the claim to the test. Dropping the future must leave nothing but what
    /// [`crate::Verification`] clears away: Pods with the run's label, the probe image, and what is
    /// noted in [`Context::litter`].
    fn run<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Outcome>;
}

/// The registry that is to be proven, and by whom.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name and port as in image references.
    pub host: RegistryHost,
    /// The CA bundle that clients trust, PEM.
    pub ca_pem: String,
    /// A user who may push and pull.
    pub credentials: Credentials,
}

/// Everything a check may use.
#[derive(Clone, Debug)]
pub struct Context {
    /// The registry.
    pub target: Target,
    /// The way to it.
    pub dial: Arc<dyn Dial>,
    /// TLS as a client with the target's CA speaks it.
    pub transport: Transport,
    /// The image of this run, never seen before.
    pub image: ProbeImage,
    /// Where the image is pushed.
    pub repository: Repository,
    /// The tag under which it is pushed, of this run alone.
    pub tag: Tag,
    /// Where a check notes what it is about to bring into the registry beside the image.
    pub litter: Arc<Litter>,
}

impl Context {
    /// A client with the target's CA and user.
    #[must_use]
    pub fn client(&self) -> RegistryClient {
        self.anonymous().with_credentials(&self.target.credentials)
    }

    /// A client with the target's CA and no user.
    #[must_use]
    pub fn anonymous(&self) -> RegistryClient {
        self.client_over(self.transport.clone())
    }

    /// A client without user that trusts as `transport` says.
    #[must_use]
    pub fn client_over(&self, transport: Transport) -> RegistryClient {
        RegistryClient::new(self.target.host.clone(), Arc::clone(&self.dial), transport)
    }

    /// The image as a Pod names it: `host:port/repository@sha256:...`.
    #[must_use]
    pub fn reference(&self) -> String {
        reference(&self.target.host, &self.repository, self.image.digest())
    }
}

pub(crate) fn reference(host: &RegistryHost, repository: &Repository, digest: &Digest) -> String {
    format!("{host}/{repository}@{digest}")
}

/// The name of the entry about clearing up; it always runs.
pub(crate) const CLEANUP: &str = "cleanup";

/// What became of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The claim holds.
    Pass,
    /// The claim does not hold, or could not be shown to.
    Fail,
    /// Not put to the test; the message says why.
    Skipped,
}

/// A check's result, without its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What became of it.
    pub status: Status,
    /// One line: what was seen, or why not and what to do.
    pub message: String,
    /// What was observed on the way.
    pub evidence: Vec<Evidence>,
    /// What repairs it, where kreg can do that.
    pub remedy: Option<Remedy>,
}

/// Something that was observed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What it is, such as `kubelet event` or `served certificate`.
    pub label: String,
    /// The observation, verbatim where it was text.
    pub text: String,
}

impl Outcome {
    /// The claim holds.
    #[must_use]
    pub fn pass(message: impl Into<String>) -> Outcome {
        Outcome::of(Status::Pass, message)
    }

    /// The claim does not hold.
    #[must_use]
    pub fn fail(message: impl Into<String>) -> Outcome {
        Outcome::of(Status::Fail, message)
    }

    /// The claim was not put to the test.
    #[must_use]
    pub fn skipped(message: impl Into<String>) -> Outcome {
        Outcome::of(Status::Skipped, message)
    }

    /// A claim that failed with this error; its causes go into the message.
    #[must_use]
    pub fn failed_by(error: &dyn std::error::Error) -> Outcome {
        Outcome::fail(crate::causes::with_causes(error))
    }

    /// The same with one more observation.
    #[must_use]
    pub fn with(mut self, label: &str, text: impl Into<String>) -> Outcome {
        self.evidence.push(Evidence {
            label: label.to_owned(),
            text: text.into(),
        });
        self
    }

    /// The same with what repairs it.
    #[must_use]
    pub fn repaired_by(mut self, remedy: impl Into<Option<Remedy>>) -> Outcome {
        self.remedy = remedy.into();
        self
    }

    fn of(status: Status, message: impl Into<String>) -> Outcome {
        Outcome {
            status,
            message: message.into(),
            evidence: Vec::new(),
            remedy: None,
        }
    }
}
