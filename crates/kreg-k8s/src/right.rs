//! One right, as RBAC grants it.

/// One thing that may be done to one resource.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Right {
    /// Namespace; `None` for cluster-scoped resources.
    pub namespace: Option<String>,
    /// API group, empty for the core group.
    pub group: &'static str,
    /// Plural.
    pub resource: &'static str,
    /// Such as `log`; empty for the resource itself.
    pub subresource: &'static str,
    /// Only the object of this name.
    pub name: Option<String>,
    /// RBAC verb.
    pub verb: &'static str,
}

impl std::fmt::Display for Right {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        if !self.subresource.is_empty() {
            write!(f, "/{}", self.subresource)?;
        }
        if let Some(name) = &self.name {
            write!(f, " {name}")?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace {namespace}"),
            None => write!(f, " in the cluster"),
        }
    }
}
