//! Which rights amount to root on a node.

use std::fmt;

use crate::{kind::Kind, names::NODE_AGENTS, right::Right};

/// Why an account with a right can become root on a node of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeRoot {
    /// Whatever Pod Security says.
    Always(&'static str),
    /// Where Pod Security does not restrict the Pods of the right's namespace.
    Unrestricted(&'static str),
}

impl fmt::Display for NodeRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NodeRoot::Always(why) => write!(f, "root on a node: {why}"),
            NodeRoot::Unrestricted(why) => write!(
                f,
                "root on a node, unless Pod Security restricts this namespace: {why}"
            ),
        }
    }
}

/// Kinds whose objects are Pods, or make some.
const POD_MAKERS: [&str; 8] = [
    "pods",
    "deployments",
    "replicasets",
    "statefulsets",
    "daemonsets",
    "replicationcontrollers",
    "jobs",
    "cronjobs",
];
const WRITES: [&str; 3] = ["create", "update", "patch"];

impl Right {
    /// Whether this right, without any other but those to read, amounts to root on a node, and why. A right that opens
    /// the way for others (such as to take Pod Security off a namespace) counts as well.
    ///
    /// Only for rights of kinds that kreg asks for; many more amount to it (`nodes/proxy`, `serviceaccounts/token`).
    /// Source: `kubernetes.io/docs/concepts/security/rbac-good-practices`, "privilege escalation risks".
    #[must_use]
    pub fn node_root(&self) -> Option<NodeRoot> {
        let writes = WRITES.contains(&self.verb);
        let with_agents = self.namespace.as_deref() == Some(NODE_AGENTS);
        let in_pods = match (self.resource, self.subresource) {
            ("pods", "exec" | "attach") => {
                Some("it runs programs in any Pod there, with the rights of that Pod")
            }
            ("pods", "ephemeralcontainers") if writes => {
                Some("it adds containers to any Pod there, with the volumes of that Pod")
            }
            (resource, "") if writes && POD_MAKERS.contains(&resource) => {
                Some("a Pod may mount directories of its node")
            }
            _ => None,
        };
        if let Some(why) = in_pods {
            return Some(match &self.namespace {
                // Nothing restricts the Pods of the agents, nor those of kube-system.
                Some(_) if with_agents => NodeRoot::Always(why),
                None => NodeRoot::Always(why),
                Some(_) => NodeRoot::Unrestricted(why),
            });
        }
        if !self.subresource.is_empty() {
            return None;
        }
        let guards = [
            Kind::ValidatingAdmissionPolicy.plural(),
            Kind::ValidatingAdmissionPolicyBinding.plural(),
        ];
        let why = match (self.resource, self.verb) {
            ("persistentvolumes", "create") => {
                "a volume may be any directory of a node, and Pod Security does not look into claims"
            }
            ("namespaces", "patch" | "update") => "it takes Pod Security off the namespace",
            ("configmaps", _) if writes && with_agents => {
                "it holds the programs that the node agents run"
            }
            ("clusterroles", _) if writes => {
                "the record of a registry says which image its node agents run, where it has any"
            }
            (resource, "delete" | "patch" | "update") if guards.contains(&resource) => {
                "it takes away what keeps others out of the node agents"
            }
            ("secrets", "create") if self.reaches("kube-system") => {
                "a Secret may ask for the token of any service account, those of controllers too"
            }
            _ => return None,
        };
        Some(NodeRoot::Always(why))
    }

    fn reaches(&self, namespace: &str) -> bool {
        self.namespace.as_deref().is_none_or(|own| own == namespace)
    }
}
