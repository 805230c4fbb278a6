//! The way out, as data: the program that shows it chooses the words.

use serde::{Deserialize, Serialize};

use crate::remedy::Remedy;

/// One step of the way out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Fix {
    /// In words, where no command does it.
    Words(String),
    /// What kreg does with the registry.
    Registry(Action),
    /// kubectl with these words after it.
    Kubectl {
        /// The namespace, where the words are about objects in one.
        namespace: Option<String>,
        /// What follows, each word quoted as a shell needs it.
        words: String,
    },
    /// Something to do on a node.
    OnNode {
        /// Which node.
        node: String,
        /// A command for its shell, or words.
        step: String,
    },
    /// Another step with what it is for.
    For {
        /// What it is for, such as `then prove the node again`.
        purpose: String,
        /// The step.
        step: Box<Fix>,
    },
    /// What a failed pull means, and what repairs that.
    Pull {
        /// What it means.
        meaning: String,
        /// What repairs it, where kreg can do that.
        remedy: Option<Remedy>,
    },
    /// See on the node whether its runtime reads the files that [`Action::CompareNodes`] names.
    CompareConfiguration {
        /// Which node.
        node: String,
        /// The runtime, such as `containerd`.
        runtime: String,
    },
    /// Make room for the registry's Pod: what it asks for may have been raised, which
    /// [`Action::Apply`] takes back.
    MakeRoom,
}

/// What kreg does with a registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Action {
    /// Apply the registry's objects again, as they are declared or with one change.
    Apply(Option<Change>),
    /// Take over a registry that kreg did not make, with what it stores.
    TakeOver(TakeOver),
    /// Use another name than that of a registry which kreg did not make.
    ChooseName,
    /// Show what differs between the objects as declared and as they are.
    CompareObjects,
    /// Show what each node holds and must hold.
    CompareNodes,
    /// Make this node trust the registry, or every node.
    TrustNodes(Option<String>),
    /// Run one check of the proof.
    VerifyCheck(String),
    /// Run the proof on one node.
    VerifyNode(String),
    /// Issue a new leaf.
    RenewLeaf,
    /// Show what is wrong with the certificates.
    LintCertificates,
    /// Add a user of this name.
    AddUser(String),
    /// Set this user's password.
    SetPassword(String),
    /// Put the pull secret into a namespace.
    ApplyPullSecret {
        /// Which namespace.
        namespace: String,
        /// The service account that is to bring it, if not the namespace's default one.
        account: Option<String>,
    },
    /// Remove what no image needs; `dry_run`: how much that is can be shown first.
    CollectGarbage {
        /// Whether the registry is there to be asked first.
        dry_run: bool,
    },
}

/// How a declaration is to change before it is applied again; the value is the user's to choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Change {
    /// Another image of the registry.
    Image,
    /// Storage by another StorageClass.
    StorageClass,
    /// A NetworkPolicy that lets everybody in at the registry's port.
    NetworkPolicy,
}

/// What is to be taken over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum TakeOver {
    /// What is there under the registry's name.
    Named,
    /// The tutorial's registry, which keeps this claim where one is named.
    Tutorial {
        /// The claim's name.
        claim: Option<String>,
    },
}

impl Fix {
    /// This step with what it is for.
    #[must_use]
    pub fn to(purpose: impl Into<String>, step: impl Into<Fix>) -> Fix {
        Fix::For {
            purpose: purpose.into(),
            step: Box::new(step.into()),
        }
    }

    /// kubectl with these words, about nothing in a namespace.
    #[must_use]
    pub fn kubectl(words: impl Into<String>) -> Fix {
        Fix::Kubectl {
            namespace: None,
            words: words.into(),
        }
    }

    /// Something to do on this node.
    #[must_use]
    pub fn on(node: impl Into<String>, step: impl Into<String>) -> Fix {
        Fix::OnNode {
            node: node.into(),
            step: step.into(),
        }
    }
}

impl From<Action> for Fix {
    fn from(action: Action) -> Fix {
        Fix::Registry(action)
    }
}

impl From<String> for Fix {
    fn from(words: String) -> Fix {
        Fix::Words(words)
    }
}

impl From<&String> for Fix {
    fn from(words: &String) -> Fix {
        Fix::Words(words.clone())
    }
}

impl From<&str> for Fix {
    fn from(words: &str) -> Fix {
        Fix::Words(words.to_owned())
    }
}
