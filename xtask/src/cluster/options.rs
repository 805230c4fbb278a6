//! What a cluster is asked for with, and what comes back.

use std::path::PathBuf;

use crate::failure::Result;
use crate::parts::Generation;
use crate::process::Run;

/// Which cluster is wanted.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// kind's name for it; also the name of its Docker network and of its state directory.
    pub(crate) name: String,
    /// Who makes it.
    pub(crate) provider: Provider,
    /// Nodes in all, the control plane among them.
    pub(crate) nodes: usize,
    /// Which Kubernetes, where the image is built here.
    pub(crate) kubernetes: Generation,
    /// What the nodes are made of.
    pub(crate) node_image: NodeImage,
}

impl Default for Options {
    /// One control plane and two workers of the current Kubernetes, on kind, named `kreg`.
    fn default() -> Self {
        Self {
            name: "kreg".to_owned(),
            provider: Provider::Kind,
            nodes: 3,
            kubernetes: Generation::default(),
            node_image: NodeImage::Built,
        }
    }
}

/// Which image the nodes are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NodeImage {
    /// The one that is built here.
    Built,
    /// This one, which Docker has or can pull.
    Named(String),
    /// This one if Docker has it or can pull it, otherwise the one that is built here.
    Published(String),
}

/// Who makes the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Provider {
    /// kind, here.
    Kind,
    /// Nobody: it exists, and this kubeconfig reaches it.
    Existing {
        /// Its kubeconfig.
        kubeconfig: PathBuf,
    },
}

/// A cluster that answers.
#[derive(Debug, Clone)]
pub(crate) struct ClusterHandle {
    /// Its name.
    pub(crate) name: String,
    /// How to reach its API.
    pub(crate) kubeconfig: PathBuf,
    /// Holds `kreg.toml`, the ssh identity, `known_hosts` and `kubectl`; of an existing cluster the
    /// directory of its kubeconfig.
    pub(crate) state: PathBuf,
    /// The control plane first.
    pub(crate) nodes: Vec<Node>,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// Its name in Kubernetes.
    pub(crate) name: String,
    /// Its internal address.
    pub(crate) address: String,
    /// The Docker container it is, where kind made it; empty where not.
    pub(crate) container: String,
    /// The block that its Pods get addresses from; empty where none was given.
    pub(crate) pods: String,
}

impl Node {
    /// Runs a program on the node, without ssh, and returns what it wrote.
    pub(crate) fn exec<A: AsRef<std::ffi::OsStr>>(
        &self,
        program: impl IntoIterator<Item = A>,
    ) -> Result<String> {
        Run::new("docker")
            .args(["exec", &self.container])
            .args(program)
            .read()
    }

    /// Feeds text to a program on the node.
    pub(crate) fn feed<A: AsRef<std::ffi::OsStr>>(
        &self,
        text: &str,
        program: impl IntoIterator<Item = A>,
    ) -> Result<String> {
        Run::new("docker")
            .args(["exec", "--interactive", &self.container])
            .args(program)
            .input(text)
            .read()
    }
}
