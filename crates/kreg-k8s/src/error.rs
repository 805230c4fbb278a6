//! What can go wrong between a value and a cluster.

use std::{fmt, time::Duration};

use crate::{cause::Cause, object_ref::ObjectRef, right::Right, rules::SpecError, unfit::Unfit};

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Errors of this crate. Every message names the object and says what is wrong; what helps depends on the program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No kubeconfig could be found, read or used.
    #[error("no usable kubeconfig (tried {tried})")]
    Kubeconfig {
        /// Where it was looked for.
        tried: String,
        /// What kube said.
        #[source]
        source: Source,
    },

    /// What the kubeconfig, the environment or the caller asks for is not possible; the text says what to change.
    #[error("{0}")]
    Unusable(String),

    /// The program that the kubeconfig names for credentials gave none. Its arguments may be secret and are left out.
    #[error(
        "the kubeconfig's user logs in with the program {program:?}, which gave no credentials: {problem}; {}",
        hint.as_deref().unwrap_or("run that program by hand, or install it, or choose another context")
    )]
    CredentialProgram {
        /// Its name or path.
        program: String,
        /// How it failed, with what it said on standard error.
        problem: String,
        /// The kubeconfig's `installHint`.
        hint: Option<String>,
    },

    /// The API server did not answer, or only with 429 and 5xx, until the retries were used up.
    #[error(
        "could not {action} {object}: the API server{} gave no usable answer{}; \
         when it does, run the same command again: it goes on from here",
        spaced(server), after(*tries, *waited)
    )]
    Unreachable {
        /// Verb: `get`, `list`, `apply`, `delete`.
        action: &'static str,
        /// The object it was at.
        object: String,
        /// How often it was tried.
        tries: u32,
        /// From the first try to the last.
        waited: Duration,
        /// The server and the proxy on the way to it; empty if not known.
        server: String,
        /// The last answer or transport error.
        #[source]
        source: Source,
    },

    /// 401 or 403.
    #[error(
        "not allowed to {action} {object} ({message}); ask for that right, or use another kubeconfig context"
    )]
    Denied {
        /// Verb.
        action: &'static str,
        /// The object it was at.
        object: String,
        /// The server's own words.
        message: String,
    },

    /// 409: the object is another one or of another version by now than the one that was read, or was made meanwhile.
    #[error("the API server refused to {action} {object} (409 {reason}): {message}")]
    Raced {
        /// Verb.
        action: &'static str,
        /// The object it was at.
        object: String,
        /// Machine-readable reason, such as `AlreadyExists`.
        reason: String,
        /// The server's own words.
        message: String,
    },

    /// Any other refusal: the object is invalid, a field is unknown or immutable, an admission webhook or quota said no.
    #[error("the API server refused to {action} {object} ({code} {reason}): {message}")]
    Refused {
        /// Verb.
        action: &'static str,
        /// The object it was at.
        object: String,
        /// HTTP status.
        code: u16,
        /// Machine-readable reason, such as `Invalid`.
        reason: String,
        /// The server's own words.
        message: String,
    },

    /// Server-side apply found fields that another manager owns.
    #[error(
        "{object} is also managed by {}, which declares these fields, too; take them out of what that manager \
         applies, or this object out of its reach, and run this again",
        list(conflicts)
    )]
    Conflict {
        /// The object.
        object: ObjectRef,
        /// Who holds which field.
        conflicts: Vec<FieldConflict>,
    },

    /// Objects of the same names are there already and are not this instance's. Nothing was changed.
    #[error(
        "{} already there and not made by this instance of kreg; nothing was changed",
        foreign(objects)
    )]
    Foreign {
        /// The objects in the way.
        objects: Vec<ForeignObject>,
    },

    /// The registry's namespace was deleted and made again since it was recorded, by whom is not known.
    #[error(
        "{namespace} is not the one that registry {instance} was recorded in: it was made again since, so nothing in it is \
         believed; nothing was changed"
    )]
    Replaced {
        /// The namespace.
        namespace: ObjectRef,
        /// The registry.
        instance: String,
    },

    /// A field that cannot change on a living object would have to, and replacing the object could lose images.
    #[error(
        "{object} cannot be changed in place ({message}), and kreg does not replace what may hold images"
    )]
    Immutable {
        /// The object.
        object: ObjectRef,
        /// The server's own words.
        message: String,
    },

    /// A wait ended early because the object cannot get there on its own.
    #[error("{0}")]
    Stuck(Box<Cause>),

    /// A wait ran out of time.
    #[error("{object} was not {goal} within {} s: {last}", limit.as_secs())]
    Timeout {
        /// The object.
        object: ObjectRef,
        /// What it should become: `ready`, `bound`, `gone`.
        goal: &'static str,
        /// The time allowed.
        limit: Duration,
        /// The last state seen.
        last: String,
    },

    /// Somebody else wrote this object after it was read, and what was to be written was decided on what was read.
    #[error(
        "{object} was written by somebody else at the same time; run the same command again: it goes on from what is \
         there now"
    )]
    Overtaken {
        /// The object.
        object: ObjectRef,
    },

    /// The cluster lacks something the registry needs; found before anything was changed.
    #[error("{0}")]
    Unfit(Box<Unfit>),

    /// The one who asks may not do all that is needed.
    #[error("missing rights: {}", lines(missing))]
    Rights {
        /// All of them.
        missing: Vec<Right>,
    },

    /// An entry of a Secret of the registry's is not what kreg wrote.
    #[error("{key} in {secret} cannot be understood: it is not {encoding}")]
    Unreadable {
        /// The Secret.
        secret: ObjectRef,
        /// The entry.
        key: String,
        /// What it should be: `text`, `base64`, `UTF-8`.
        encoding: &'static str,
    },

    /// What the record of a registry says of its settings breaks a rule.
    #[error("the inventory of {instance} cannot be understood: {source}")]
    BadRecord {
        /// The registry.
        instance: String,
        /// The rule.
        source: SpecError,
    },

    /// Something read back from the cluster is not what kreg wrote.
    #[error("{what} cannot be understood: {problem}")]
    Malformed {
        /// The object or part.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl From<Unfit> for Error {
    fn from(unfit: Unfit) -> Self {
        Error::Unfit(Box::new(unfit))
    }
}

impl Error {
    /// HTTP status of the refusal, if it was one.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self {
            Error::Refused { code, .. } => Some(*code),
            Error::Conflict { .. } | Error::Raced { .. } => Some(409),
            _ => None,
        }
    }

    /// What the cluster lacks or has in the way, if that is the reason.
    #[must_use]
    pub fn unfit(&self) -> Option<&Unfit> {
        match self {
            Error::Unfit(unfit) => Some(unfit),
            _ => None,
        }
    }

    /// The same, naming the server where that may be the fault.
    pub(crate) fn at(mut self, name: &str) -> Self {
        if let Error::Unreachable { server, .. } = &mut self {
            name.clone_into(server);
        }
        self
    }
}

fn after(tries: u32, waited: Duration) -> String {
    match tries {
        1 => String::new(),
        _ => format!(" in {tries} tries over {:.0} s", waited.as_secs_f64()),
    }
}

fn spaced(server: &str) -> String {
    match server {
        "" => String::new(),
        server => format!(" {server}"),
    }
}

/// One field that another field manager holds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FieldConflict {
    /// Name of the other manager, such as `kubectl-edit` or `argocd-controller`.
    pub manager: String,
    /// Path, such as `.spec.replicas`.
    pub field: String,
}

/// An object that is in the way, and who it seems to belong to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ForeignObject {
    /// The object.
    pub object: ObjectRef,
    /// Its `app.kubernetes.io/managed-by` and `kreg.dev/instance` labels, or the field manager that wrote it.
    pub owner: String,
}

fn list(conflicts: &[FieldConflict]) -> impl fmt::Display {
    let parts: Vec<_> = conflicts
        .iter()
        .map(|conflict| format!("{:?} ({})", conflict.manager, conflict.field))
        .collect();
    parts.join(", ")
}

fn lines(rights: &[Right]) -> String {
    rights
        .iter()
        .map(|right| format!("\n  - {right}"))
        .collect()
}

fn foreign(objects: &[ForeignObject]) -> impl fmt::Display {
    let parts: Vec<_> = objects
        .iter()
        .map(|foreign| format!("{} ({})", foreign.object, foreign.owner))
        .collect();
    let verb = if objects.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", parts.join(", "))
}
