//! The reference that names one Kubernetes object.

use std::fmt;

use crate::kind::{Kind, Scope};

/// Names one object: kind, namespace (none for cluster-scoped kinds), name.
///
/// Displayed as `Deployment kreg-system/docker-registry` or `PersistentVolume docker-repo-pv`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectRef {
    kind: Kind,
    namespace: Option<String>,
    name: String,
}

impl ObjectRef {
    /// A reference; `namespace` is dropped for cluster-scoped kinds.
    #[must_use]
    pub fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        ObjectRef {
            kind,
            namespace: (kind.scope() == Scope::Namespaced).then(|| namespace.to_owned()),
            name: name.to_owned(),
        }
    }

    /// Kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Namespace; `None` for cluster-scoped kinds.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// `metadata.name`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

impl serde::Serialize for ObjectRef {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("apiVersion", &self.kind.api_version())?;
        map.serialize_entry("kind", self.kind.name())?;
        if let Some(namespace) = &self.namespace {
            map.serialize_entry("namespace", namespace)?;
        }
        map.serialize_entry("name", &self.name)?;
        map.end()
    }
}
