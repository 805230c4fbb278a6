//! The record of a registry: what it is and all that it consists of, in an annotation of a ClusterRole without rules.
//! Any operator can undo it from anywhere, and no tenant can write it: an object in a namespace that carries kreg's labels
//! counts only if the record says so.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    error::Error,
    kind::Kind,
    names::{ANNOTATION_INVENTORY, Names, is_labelled, labels},
    object::Object,
    object_ref::ObjectRef,
    place::Place,
    profile::Profile,
    recorded::Declared,
    rules::SpecError,
    spec::RegistrySpec,
    unfit::Unfit,
};

/// Version of the document, as in all of kreg's JSON.
pub const SCHEMA: &str = "kreg/v1";
/// Key of the inventory in the ConfigMap of an earlier kreg.
const KEY: &str = "inventory.json";

/// One object of the inventory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The object.
    #[serde(flatten)]
    pub object: ObjectRef,
    /// Its uid; `None` between the intent to make it and its making.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Whether kreg made it. `false` for what was adopted: `down` leaves that alone.
    #[serde(rename = "createdByKreg")]
    pub created: bool,
}

/// What an instance consists of, as last written.
///
/// It is written before the first object is made (names without uids) and again afterwards, so a run that is killed at
/// any moment can be undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inventory {
    /// Always [`SCHEMA`].
    pub schema: &'static str,
    /// Random, 32 hexadecimal digits: this registry and no other of its name. Of one that an earlier kreg made it is the
    /// instance's name.
    pub id: String,
    /// The namespace that the registry is in.
    pub namespace: String,
    /// That namespace's uid when it was last written to. Another one of that name may be a tenant's.
    #[serde(rename = "namespaceUid", skip_serializing_if = "Option::is_none")]
    pub namespace_uid: Option<String>,
    /// Instance id.
    pub instance: String,
    /// Profile it was made with.
    pub profile: Profile,
    /// Port of the Service, part of every image's name; `None` in an inventory of a kreg that did not note it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Last known address of the Service, asked for again if the Service has to be made again.
    #[serde(rename = "clusterIP", skip_serializing_if = "Option::is_none")]
    pub cluster_ip: Option<IpAddr>,
    /// What the last apply was asked to make; `None` in an inventory of a kreg that did not note it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declared: Option<Declared>,
    /// The objects, in the order of their making.
    #[serde(rename = "objects")]
    pub entries: Vec<Entry>,
    /// Namespaces that have the pull secret, each with the service accounts that it was attached to. In all but the
    /// registry's own the Secret is a copy.
    #[serde(rename = "sharedWith", skip_serializing_if = "BTreeMap::is_empty")]
    pub shared: BTreeMap<String, Shared>,
}

/// A namespace that has the pull secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shared {
    /// The namespace's uid, where it could be read: another one of that name gets nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The service accounts that the secret was attached to.
    #[serde(default)]
    pub service_accounts: BTreeSet<String>,
}

impl Inventory {
    /// An empty inventory with the spec's id, or else with one of its own.
    ///
    /// # Errors
    /// [`Error::Unfit`] if this machine gives no random bytes.
    pub fn new(spec: &RegistrySpec) -> Result<Self, Error> {
        let place = spec.place();
        let id = match place.id() {
            Some(id) => id.to_owned(),
            None => Self::new_id()?,
        };
        Ok(Inventory {
            schema: SCHEMA,
            id,
            namespace: place.namespace().to_owned(),
            namespace_uid: None,
            instance: place.instance().to_owned(),
            profile: place.profile(),
            port: Some(place.port()),
            cluster_ip: None,
            declared: Some(Declared::from(spec)),
            entries: Vec::new(),
            shared: BTreeMap::new(),
        })
    }

    /// An id that no registry has had before: 32 random hexadecimal digits.
    ///
    /// # Errors
    /// [`Error::Unfit`] if this machine gives no random bytes.
    pub fn new_id() -> Result<String, Error> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|cause| Unfit::NoRandomness(cause.to_string()))?;
        Ok(hex::encode(id))
    }

    /// Which registry this is the record of. What an earlier kreg did not note has its default.
    ///
    /// # Errors
    /// If somebody edited it so that a name breaks a rule.
    pub fn place(&self) -> Result<Place, SpecError> {
        let place = Place::new(self.profile)
            .with_id(Some(self.id.clone()))
            .with_namespace(&self.namespace)?
            .with_instance(&self.instance)?;
        let port = self.port.unwrap_or(place.port());
        let place = place.with_port(port)?;
        match &self.declared {
            Some(noted) => place
                .with_service(&noted.service)?
                .with_cluster_domain(&noted.cluster_domain),
            None => place.with_service(&self.instance),
        }
    }

    /// Whether a live object is this registry's: it carries the labels, and it is in the registry's own namespace or
    /// listed.
    #[must_use]
    pub fn owns(&self, live: &Object) -> bool {
        let reference = live.reference();
        is_labelled(live, &self.instance)
            && (reference.namespace() == Some(&self.namespace)
                || self.find(reference).is_some()
                || self.is_copy(reference))
    }

    /// Whether kreg made this very object, and did not adopt it.
    #[must_use]
    pub fn made(&self, live: &Object) -> bool {
        let entry = self.find(live.reference()).filter(|entry| entry.created);
        self.owns(live)
            && entry.is_some_and(|entry| entry.uid.is_none() || entry.uid.as_deref() == live.uid())
    }

    /// Whether this is a copy of the pull secret that was put into another namespace.
    #[must_use]
    pub fn is_copy(&self, object: &ObjectRef) -> bool {
        object.namespace() != Some(&self.namespace) && self.copies().any(|copy| copy == *object)
    }

    /// The copies of the pull secret in other namespaces.
    pub fn copies(&self) -> impl Iterator<Item = ObjectRef> {
        let name = match self.profile {
            Profile::Default => format!("{}-pull", self.instance),
            Profile::Tutorial => "reg-cred-secret".to_owned(),
        };
        let elsewhere = self.shared.keys().filter(|name| **name != self.namespace);
        elsewhere.map(move |namespace| ObjectRef::new(Kind::Secret, namespace, &name))
    }

    /// Whether only images are left of the registry, and what they lie on.
    #[must_use]
    pub fn holds_only_data(&self) -> bool {
        self.entries
            .iter()
            .all(|entry| entry.object.kind().holds_data())
    }

    /// The entry of an object.
    #[must_use]
    pub fn find(&self, object: &ObjectRef) -> Option<&Entry> {
        self.entries.iter().find(|entry| &entry.object == object)
    }

    /// Adds an entry, or replaces the one of the same object.
    pub fn record(&mut self, entry: Entry) {
        match self
            .entries
            .iter_mut()
            .find(|known| known.object == entry.object)
        {
            Some(known) => *known = entry,
            None => self.entries.push(entry),
        }
    }

    /// Drops the entry of an object.
    pub fn forget(&mut self, object: &ObjectRef) {
        self.entries.retain(|entry| &entry.object != object);
    }

    /// The ClusterRole that holds it.
    #[must_use]
    pub fn to_object(&self, place: &Place) -> Object {
        // A value of strings, booleans and numbers always becomes JSON.
        let text = serde_json::to_string(self).unwrap_or_default();
        Object::build(
            Names::of(place).inventory,
            &labels(place.instance()),
            json!({ ANNOTATION_INVENTORY: text }),
            json!({ "rules": [] }),
        )
    }

    /// Reads it back, from a record or from the ConfigMap of an earlier kreg, which then is one of its entries.
    ///
    /// # Errors
    /// [`Error::Malformed`] if somebody edited it out of shape or a newer kreg wrote it.
    pub fn from_object(object: &Object) -> Result<Self, Error> {
        let reference = object.reference();
        let malformed = |problem: String| Error::Malformed {
            what: format!("the inventory in {reference}"),
            problem: format!("{problem}; use the version of kreg that wrote it"),
        };
        let text = match reference.kind() {
            Kind::ConfigMap => object.text(&format!("/data/{KEY}")),
            _ => object.annotation(ANNOTATION_INVENTORY),
        };
        let text = text.ok_or_else(|| malformed("it holds none".to_owned()))?;
        let stored: Stored =
            serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
        if stored.schema != SCHEMA {
            return Err(malformed(format!(
                "its schema is {:?}, not {SCHEMA:?}",
                stored.schema
            )));
        }
        let mut entries = Vec::with_capacity(stored.objects.len());
        for entry in stored.objects {
            let kind = Kind::find(&entry.api_version, &entry.kind).ok_or_else(|| {
                malformed(format!("it lists a {} ({})", entry.kind, entry.api_version))
            })?;
            entries.push(Entry {
                object: ObjectRef::new(kind, &entry.namespace, &entry.name),
                uid: entry.uid,
                created: entry.created_by_kreg,
            });
        }
        let mut inventory = Inventory {
            schema: SCHEMA,
            id: stored.id.unwrap_or_else(|| stored.instance.clone()),
            namespace: match stored.namespace {
                Some(namespace) => namespace,
                None => reference.namespace().unwrap_or_default().to_owned(),
            },
            namespace_uid: stored.namespace_uid,
            instance: stored.instance,
            profile: stored.profile,
            port: stored.port,
            cluster_ip: stored.cluster_ip,
            declared: stored.declared,
            entries,
            shared: stored.shared,
        };
        if reference.kind() == Kind::ConfigMap {
            inventory.taken_over(object);
        }
        Ok(inventory)
    }

    /// An earlier kreg listed copies among the objects.
    fn taken_over(&mut self, object: &Object) {
        let own = self.namespace.clone();
        let is_copy = |entry: &Entry| {
            entry.object.kind() == Kind::Secret && entry.object.namespace() != Some(own.as_str())
        };
        let copies = self.entries.iter().filter(|entry| is_copy(entry));
        let places = copies.filter_map(|entry| entry.object.namespace());
        self.shared
            .extend(places.map(|place| (place.to_owned(), Shared::default())));
        self.entries.retain(|entry| !is_copy(entry));
        self.record(Entry {
            object: object.reference().clone(),
            uid: object.uid().map(str::to_owned),
            created: true,
        });
    }
}

impl RegistrySpec {
    /// The registry as the last apply was asked to make it, from its inventory; `None` if that was written by a kreg
    /// which did not note it. Of `place` it keeps whether the inventory of an earlier kreg counts.
    ///
    /// # Errors
    /// [`Error::BadRecord`] if what is noted there breaks a rule.
    pub fn recalled(place: &Place, inventory: &Inventory) -> Result<Option<Self>, Error> {
        let recalled = |noted: &Declared| {
            let place = inventory.place()?.with_earlier(place.earlier());
            noted.spec(place)
        };
        let spec = inventory.declared.as_ref().map(recalled).transpose();
        spec.map_err(|source| Error::BadRecord {
            instance: inventory.instance.clone(),
            source,
        })
    }
}

#[derive(Deserialize)]
struct Stored {
    schema: String,
    id: Option<String>,
    namespace: Option<String>,
    #[serde(rename = "namespaceUid")]
    namespace_uid: Option<String>,
    instance: String,
    profile: Profile,
    port: Option<u16>,
    #[serde(rename = "clusterIP")]
    cluster_ip: Option<IpAddr>,
    declared: Option<Declared>,
    objects: Vec<StoredEntry>,
    #[serde(default, rename = "sharedWith")]
    shared: BTreeMap<String, Shared>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredEntry {
    api_version: String,
    kind: String,
    #[serde(default)]
    namespace: String,
    name: String,
    uid: Option<String>,
    created_by_kreg: bool,
}

#[cfg(test)]
mod tests;
