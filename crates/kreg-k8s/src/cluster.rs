//! The narrow trait between the pure core and whatever holds the objects.

use futures::future::BoxFuture;
use kreg_stream::PodStreams;
use serde_json::Value;

use crate::{error::Error, kind::Kind, object::Object, object_ref::ObjectRef, right::Right};

/// Field manager of every write (`metadata.managedFields[].manager`).
pub const FIELD_MANAGER: &str = "kreg";

/// Field manager of [`Cluster::create`] and [`Cluster::replace`], which cannot be server-side apply. It has a name of its
/// own, so that what it wrote can be told from what admission plugins changed while kreg applied.
pub const CREATE_MANAGER: &str = "kreg-create";

/// Who changes a part of an object by [`Cluster::patch`].
///
/// Each has a field manager of its own. A patch under [`FIELD_MANAGER`] would make a second owner of the field (an
/// `Update` beside the `Apply`), which no later apply can take back. What one of these has patched, the next apply does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patcher {
    /// Has the kubelet look at a Pod's Secrets now.
    Refresh,
    /// Has the registry start again with a new certificate.
    Renew,
    /// Has the registry serve read-only while garbage is collected, and as usual afterwards.
    Collect,
}

impl Patcher {
    /// All of them.
    pub const ALL: [Patcher; 3] = [Patcher::Refresh, Patcher::Renew, Patcher::Collect];

    /// The field manager.
    #[must_use]
    pub fn manager(self) -> &'static str {
        match self {
            Patcher::Refresh => "kreg-refresh",
            Patcher::Renew => "kreg-renew",
            Patcher::Collect => "kreg-gc",
        }
    }
}

/// Which objects [`Cluster::list`] returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Kind.
    pub kind: Kind,
    /// One namespace, or all (and always `None` for cluster-scoped kinds).
    pub namespace: Option<String>,
    /// Label selector in Kubernetes' syntax; empty selects all.
    pub labels: String,
    /// Field selector in Kubernetes' syntax; empty selects all.
    pub fields: String,
}

impl Query {
    /// Everything of one kind.
    #[must_use]
    pub fn all(kind: Kind) -> Self {
        Query {
            kind,
            namespace: None,
            labels: String::new(),
            fields: String::new(),
        }
    }

    /// Only this namespace; no effect on cluster-scoped kinds.
    #[must_use]
    pub fn within(mut self, namespace: &str) -> Self {
        if self.kind.scope() == crate::kind::Scope::Namespaced {
            self.namespace = Some(namespace.to_owned());
        }
        self
    }

    /// Only objects that this label selector matches.
    #[must_use]
    pub fn labelled(mut self, selector: impl Into<String>) -> Self {
        self.labels = selector.into();
        self
    }

    /// Only objects that this field selector matches.
    #[must_use]
    pub fn with_fields(mut self, selector: impl Into<String>) -> Self {
        self.fields = selector.into();
        self
    }
}

/// How [`Cluster::apply`] writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ApplyMode {
    /// Only say what the result would be.
    pub dry_run: bool,
    /// Take fields from other managers instead of failing with [`Error::Conflict`].
    pub force: bool,
}

/// What [`Cluster::delete`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// It was there and is now gone or on its way out.
    Yes,
    /// It was not there.
    Absent,
    /// Another object of this name is there; it was left alone.
    OtherUid,
}

/// Something that holds Kubernetes objects: a live API server ([`crate::LiveCluster`]), or a folder of files.
///
/// Object-safe; every method is safe to repeat.
pub trait Cluster: Send + Sync {
    /// Reads one object; `None` if it does not exist.
    ///
    /// # Errors
    /// If the backend cannot be asked or refuses to answer.
    fn get<'a>(&'a self, object: &'a ObjectRef) -> BoxFuture<'a, Result<Option<Object>, Error>>;

    /// Reads many objects. A kind the backend does not serve has no objects.
    ///
    /// # Errors
    /// If the backend cannot be asked or refuses to answer.
    fn list<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Vec<Object>, Error>>;

    /// Declares the object as the complete intent of the field manager `kreg` (server-side apply) and returns it as it
    /// is then, defaults and other managers' fields included.
    ///
    /// # Errors
    /// [`Error::Conflict`] if another manager owns a field and `force` is off; otherwise why it was refused.
    fn apply<'a>(
        &'a self,
        object: &'a Object,
        mode: ApplyMode,
    ) -> BoxFuture<'a, Result<Object, Error>>;

    /// Makes an object, and only if there is none of its name: of many who try at once, one succeeds.
    ///
    /// # Errors
    /// [`Error::Raced`] if there is one; otherwise why it was refused.
    fn create<'a>(&'a self, object: &'a Object) -> BoxFuture<'a, Result<Object, Error>>;

    /// Takes fields out of an object that was read, and only if nobody wrote meanwhile (`metadata.resourceVersion`).
    /// `pointers` are RFC 6901's, and are followed one after the other. Returns the object as it is then.
    ///
    /// # Errors
    /// [`Error::Raced`] if somebody did write meanwhile, with 404 if it is gone; otherwise why it was
    /// refused.
    fn remove_fields<'a>(
        &'a self,
        object: &'a Object,
        pointers: &'a [String],
        dry_run: bool,
    ) -> BoxFuture<'a, Result<Object, Error>>;

    /// Writes an object that was read and changed: the whole of it, and only if nobody wrote meanwhile
    /// (`metadata.resourceVersion`). For objects of others, of which kreg changes a part, and for kreg's own where an
    /// apply cannot take back what others wrote. Returns the object as it is then.
    ///
    /// # Errors
    /// [`Error::Raced`] if somebody did write meanwhile, with 404 if it is gone; otherwise why it was
    /// refused.
    fn replace<'a>(
        &'a self,
        object: &'a Object,
        dry_run: bool,
    ) -> BoxFuture<'a, Result<Object, Error>>;

    /// Changes some fields of an object and leaves all others: a strategic merge patch, in which `null` removes a field
    /// and items of lists are found by their keys, such as containers by name. Returns the object as it is then. A patch
    /// that has a `metadata.resourceVersion` holds only for that version.
    ///
    /// # Errors
    /// [`Error::Refused`] with code 404 if there is no such object, [`Error::Raced`] if it is of another version than the patch
    /// names; otherwise why it was refused.
    fn patch<'a>(
        &'a self,
        object: &'a ObjectRef,
        patch: &'a Value,
        by: Patcher,
    ) -> BoxFuture<'a, Result<Object, Error>>;

    /// Deletes the object, dependents in the background, if its uid is the one given.
    ///
    /// # Errors
    /// If the backend cannot be asked or refuses.
    fn delete<'a>(
        &'a self,
        object: &'a ObjectRef,
        uid: &'a str,
    ) -> BoxFuture<'a, Result<Deleted, Error>>;

    /// What lies in a namespace of kinds that kreg does not know ([`Kind::ALL`]), as `cronjobs.batch/nightly`. Left out
    /// is what controllers make: events, endpoints, and whatever has an owner. For backends that hold no other kinds
    /// there is none.
    ///
    /// # Errors
    /// If not all of it may be seen: [`Error::Denied`] naming the first that may not be listed, or what else the backend
    /// says.
    fn strangers<'a>(&'a self, namespace: &'a str) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        let _ = namespace;
        Box::pin(async { Ok(Vec::new()) })
    }

    /// The last lines a container of a Pod wrote, of its previous run if `previous`; empty where there are none.
    ///
    /// # Errors
    /// If the backend cannot be asked or refuses to answer.
    fn pod_log<'a>(
        &'a self,
        pod: &'a ObjectRef,
        container: &'a str,
        previous: bool,
        lines: u32,
    ) -> BoxFuture<'a, Result<String, Error>> {
        let _ = (pod, container, previous, lines);
        Box::pin(async { Ok(String::new()) })
    }

    /// Whether the one who asks has this right, as far as the backend tells.
    ///
    /// # Errors
    /// If the backend cannot be asked.
    fn may<'a>(&'a self, right: &'a Right) -> BoxFuture<'a, Result<bool, Error>> {
        let _ = right;
        Box::pin(async { Ok(true) })
    }

    /// The server's version, such as `v1.34.4`; `None` where there is no server.
    ///
    /// # Errors
    /// If the backend cannot be asked or refuses to answer.
    fn server_version(&self) -> BoxFuture<'_, Result<Option<String>, Error>> {
        Box::pin(async { Ok(None) })
    }

    /// Streams to the cluster's Pods; `None` where none can run.
    fn streams(&self) -> Option<&PodStreams> {
        None
    }

    /// The server's clock: the `Date` of an answer (RFC 9110, section 5.6.7), such as `Sun, 06 Nov 1994 08:49:37 GMT`;
    /// `None` where there is no server, or it gives no date.
    ///
    /// # Errors
    /// If the backend cannot be asked.
    fn date(&self) -> BoxFuture<'_, Result<Option<String>, Error>> {
        Box::pin(async { Ok(None) })
    }
}
