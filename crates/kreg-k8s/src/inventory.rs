//! The list of everything an instance has made, kept in a ConfigMap so that any operator can undo it from anywhere.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    error::Error,
    kind::Kind,
    names::{Names, labels},
    object::{Object, ObjectRef},
    spec::{Profile, RegistrySpec, Resources},
    storage::Storage,
};

/// Version of the document, as in all of kreg's JSON.
pub const SCHEMA: &str = "kreg/v1";
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
    /// Instance id.
    pub instance: String,
    /// Profile it was made with.
    pub profile: Profile,
    /// Port of the Service, part of every image's name; `None` in an inventory of a kreg that did not note it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Last known address of the Service, asked for again if the Service has to be made anew.
    #[serde(rename = "clusterIP", skip_serializing_if = "Option::is_none")]
    pub cluster_ip: Option<IpAddr>,
    /// What the last apply was asked to make; `None` in an inventory of a kreg that did not note it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declared: Option<Declared>,
    /// The objects, in the order of their making.
    #[serde(rename = "objects")]
    pub entries: Vec<Entry>,
}

/// The settings of a registry that its name and place do not tell; nothing secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Declared {
    /// Name of the Service.
    pub service: String,
    /// The registry's own image.
    pub image: String,
    /// Where images are stored.
    pub storage: Storage,
    /// How many Pods serve.
    #[serde(default = "one")]
    pub replicas: u32,
    /// Processor and memory.
    pub resources: Resources,
    /// DNS domain of the cluster.
    pub cluster_domain: String,
    /// Whether there is a NetworkPolicy.
    #[serde(default)]
    pub network_policy: bool,
    /// Whether development tools are told of the registry.
    #[serde(default)]
    pub local_hosting: bool,
    /// Whether an agent on each node keeps its trust.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub node_agent: bool,
    /// Key of the startup taint that the registry tolerates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup_taint: Option<String>,
}

fn one() -> u32 {
    1
}

impl From<&RegistrySpec> for Declared {
    fn from(spec: &RegistrySpec) -> Self {
        Declared {
            service: spec.service().to_owned(),
            image: spec.image().to_owned(),
            storage: spec.storage().clone(),
            replicas: spec.replicas(),
            resources: spec.resources().clone(),
            cluster_domain: spec.cluster_domain().to_owned(),
            network_policy: spec.network_policy(),
            local_hosting: spec.local_hosting(),
            node_agent: spec.node_agent(),
            startup_taint: spec.startup_taint().map(|taint| taint.key().to_owned()),
        }
    }
}

impl Inventory {
    /// An empty inventory.
    #[must_use]
    pub fn new(spec: &RegistrySpec) -> Self {
        Inventory {
            schema: SCHEMA,
            instance: spec.instance().to_owned(),
            profile: spec.profile(),
            port: Some(spec.port()),
            cluster_ip: None,
            declared: Some(Declared::from(spec)),
            entries: Vec::new(),
        }
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

    /// The ConfigMap that holds it.
    #[must_use]
    pub fn to_object(&self, spec: &RegistrySpec) -> Object {
        // A value of strings, booleans and numbers always becomes JSON.
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        Object::build(
            Names::of(spec).inventory,
            &labels(spec.instance()),
            Value::Null,
            json!({ "data": { KEY: text } }),
        )
    }

    /// Reads it back.
    ///
    /// # Errors
    /// [`Error::Malformed`] if somebody edited it out of shape or a newer kreg wrote it.
    pub fn from_object(object: &Object) -> Result<Self, Error> {
        let malformed = |problem: String| Error::Malformed {
            what: format!("the inventory in {}", object.reference()),
            problem: format!(
                "{problem}; use the version of kreg that wrote it, or delete this ConfigMap: kreg then goes by labels"
            ),
        };
        let text = object
            .value()
            .get("data")
            .and_then(|data| data.get(KEY))
            .and_then(Value::as_str)
            .ok_or_else(|| malformed(format!("it has no {KEY}")))?;
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
        Ok(Inventory {
            schema: SCHEMA,
            instance: stored.instance,
            profile: stored.profile,
            port: stored.port,
            cluster_ip: stored.cluster_ip,
            declared: stored.declared,
            entries,
        })
    }
}

#[derive(Deserialize)]
struct Stored {
    schema: String,
    instance: String,
    profile: Profile,
    port: Option<u16>,
    #[serde(rename = "clusterIP")]
    cluster_ip: Option<IpAddr>,
    declared: Option<Declared>,
    objects: Vec<StoredEntry>,
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
mod tests {
    use super::*;

    fn sample() -> (RegistrySpec, Inventory) {
        let spec = RegistrySpec::new(Profile::Default);
        let names = Names::of(&spec);
        let mut inventory = Inventory::new(&spec);
        inventory.cluster_ip = Some([10, 96, 0, 50].into());
        for (object, uid) in [
            (names.namespace, Some("u1")),
            (names.volume, None),
            (names.service, Some("u2")),
        ] {
            inventory.record(Entry {
                object,
                uid: uid.map(str::to_owned),
                created: uid.is_some(),
            });
        }
        (spec, inventory)
    }

    #[test]
    fn survives_the_way_into_a_config_map_and_back() {
        let (spec, inventory) = sample();
        assert_eq!(
            Inventory::from_object(&inventory.to_object(&spec)).unwrap(),
            inventory
        );
    }

    #[test]
    fn a_newer_schema_is_refused_with_the_object_named() {
        let (spec, inventory) = sample();
        let mut object = inventory.to_object(&spec);
        let text = object
            .text("/data/inventory.json")
            .unwrap()
            .replace("kreg/v1", "kreg/v2");
        object.value_mut()["data"][KEY] = text.into();
        let error = Inventory::from_object(&object).unwrap_err().to_string();
        assert!(
            error.contains("ConfigMap kreg-system/docker-registry-inventory"),
            "{error}"
        );
        assert!(error.contains("kreg/v2"), "{error}");
    }

    #[test]
    fn recording_an_object_twice_keeps_one_entry() {
        let (_, mut inventory) = sample();
        let first = inventory.entries[1].object.clone();
        inventory.record(Entry {
            object: first.clone(),
            uid: Some("u9".into()),
            created: true,
        });
        assert_eq!(inventory.entries.len(), 3);
        assert_eq!(inventory.find(&first).unwrap().uid.as_deref(), Some("u9"));
    }
}
