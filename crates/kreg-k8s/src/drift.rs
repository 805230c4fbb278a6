//! What somebody changed by hand since the last apply: which field, who, and when.

use serde::Serialize;
use serde_json::Value;

use crate::{
    additions::is_declaring,
    cluster::Cluster,
    diff::{FieldDiff, step},
    error::{Error, ForeignObject},
    inventory::Inventory,
    manifests::Manifests,
    material::Material,
    names::ANNOTATION_TLS,
    object::{Object, ObjectRef},
    place::Place,
    plan::{Action, ApplyOptions, plan},
    spec::RegistrySpec,
    state::RegistryState,
    taint::StartupTaint,
};

/// Who wrote a field last, from `metadata.managedFields`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edit {
    /// Field manager, such as `kubectl-edit`.
    pub manager: String,
    /// `Update` for an edit by hand, `Apply` for a tool that declares the field again and again.
    pub operation: String,
    /// When, RFC 3339, as the server noted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
}

/// One way in which the cluster is no longer as the last apply left it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "drift", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Drift {
    /// The object is gone.
    Missing {
        /// Which.
        object: ObjectRef,
    },
    /// A field has another value; before is what is there, after is what the next `up` makes of it.
    Field {
        /// Where.
        object: ObjectRef,
        /// Which, and both values; those of Secrets are masked.
        #[serde(flatten)]
        field: Box<FieldDiff>,
        /// Who. `None` for a field that was taken away: the server keeps no trace of that.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<Edit>,
    },
    /// An object of the same name that is not this instance's, or lost the labels that say so.
    Foreign {
        /// Which, and whose it seems to be.
        #[serde(flatten)]
        object: ForeignObject,
    },
}

impl RegistrySpec {
    /// The registry as the last apply was asked to make it, from its inventory; `None` if that was written by a kreg
    /// which did not note it. Of `place` it keeps whether the inventory of an earlier kreg counts.
    ///
    /// # Errors
    /// [`Error::Malformed`] if what is noted there breaks a rule.
    pub fn recalled(place: &Place, inventory: &Inventory) -> Result<Option<Self>, Error> {
        let Some(noted) = &inventory.declared else {
            return Ok(None);
        };
        let recalled = || -> Result<Self, crate::SpecError> {
            let startup_taint = noted.startup_taint.as_deref().map(StartupTaint::new);
            let place = inventory.place()?.with_earlier(place.earlier());
            Ok(RegistrySpec::new(place)
                .with_image(&noted.image)?
                .with_storage(noted.storage.clone())?
                .with_replicas(noted.replicas)?
                .with_resources(noted.resources.clone())?
                .with_network_policy(noted.network_policy)
                .with_local_hosting(noted.local_hosting)
                .with_node_agent(noted.node_agent)
                .with_startup_taint(startup_taint.transpose()?))
        };
        recalled().map(Some).map_err(|error| Error::Malformed {
            what: format!("the inventory of {}", inventory.instance),
            problem: format!("{error}; run `kreg up`, which writes it anew"),
        })
    }
}

/// Compares what is there with what the last apply declared, keys and passwords being those that are there. Writes
/// nothing.
///
/// `spec` should be [`RegistrySpec::recalled`]. What somebody added by hand beside kreg's own fields is drift, and `after`
/// is `None` for it. Labels and annotations of others are none (`kubectl rollout restart` writes one into the Pod
/// template), nor is what another tool declares by server-side apply, or what controllers write.
///
/// # Errors
/// Those of [`plan`] except [`Error::Foreign`], which is drift.
pub async fn drift(
    cluster: &dyn Cluster,
    spec: &RegistrySpec,
    state: &RegistryState,
) -> Result<Vec<Drift>, Error> {
    let spec = spec.clone().with_cluster_ip(state.cluster_ip);
    let manifests = Manifests::full(&spec, &state.material());
    // Forced, so that a tool which claims a field shows as drift like anybody else. It is only asked, not done.
    let options = ApplyOptions {
        adopt: false,
        force: true,
    };
    let mut found = Vec::new();
    let planned = plan(cluster, &manifests, options).await;
    let plan = match planned {
        // The rest may have drifted as well.
        Err(Error::Foreign { objects }) => {
            let rest = manifests.without(&objects);
            found.extend(objects.into_iter().map(|object| Drift::Foreign { object }));
            plan(cluster, &rest, options).await
        }
        other => other,
    }?;
    for change in plan.changes() {
        let fields = match &change.action {
            Action::Create => {
                found.push(Drift::Missing {
                    object: change.object.clone(),
                });
                continue;
            }
            Action::Update { fields } | Action::Replace { fields, .. } => fields,
            Action::Unchanged | Action::Delete => continue,
        };
        let Some(live) = cluster.get(&change.object).await? else {
            continue;
        };
        for field in fields {
            // Without the certificate its checksum cannot be known; the missing Secret is told of anyway.
            if state.tls_chain_pem.is_none() && field.path.contains(ANNOTATION_TLS) {
                continue;
            }
            found.push(Drift::Field {
                object: change.object.clone(),
                by: blame(&live, &field.path),
                field: Box::new(field.clone()),
            });
        }
    }
    Ok(found)
}

impl RegistryState {
    /// What the Secrets hold, as far as they are there; what is missing is empty.
    #[must_use]
    pub fn material(&self) -> Material {
        Material {
            tls_chain_pem: self.tls_chain_pem.clone().unwrap_or_default(),
            tls_key_pem: self.tls_key_pem.clone().unwrap_or_default(),
            ca_bundle_pem: self.ca_bundle_pem.clone().unwrap_or_default(),
            ca_key_pem: self.ca_key_pem.clone(),
            htpasswd: self.htpasswd.clone().unwrap_or_default(),
            http_secret: self.http_secret.clone().unwrap_or_default(),
            docker_config_json: self.docker_config_json.clone().unwrap_or_default(),
            s3: self.s3.clone(),
        }
    }
}

/// Who wrote the field at `path` (as [`FieldDiff::path`] has it) last, other than kreg's own declaration. A
/// [`crate::Patcher`] counts: `kreg-gc` says that a collection was cut short.
#[must_use]
pub fn blame(live: &Object, path: &str) -> Option<Edit> {
    let text = |entry: &Value, key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
    live.items("/metadata/managedFields")
        .iter()
        .filter(|entry| !text(entry, "manager").is_some_and(|name| is_declaring(&name)))
        .filter(|entry| {
            let mut leaves = Vec::new();
            if let Some(fields) = entry.get("fieldsV1") {
                owned("", fields, Some(live.value()), &mut leaves);
            }
            leaves.iter().any(|leaf| touches(leaf, path))
        })
        .max_by_key(|entry| text(entry, "time"))
        .map(|entry| Edit {
            manager: text(entry, "manager").unwrap_or_default(),
            operation: text(entry, "operation").unwrap_or_default(),
            time: text(entry, "time"),
        })
}

/// One is the other, or lies within it.
fn touches(one: &str, other: &str) -> bool {
    let within = |inner: &str, outer: &str| {
        inner
            .strip_prefix(outer)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    within(one, other) || within(other, one)
}

/// The leaves of `fieldsV1`, written as [`FieldDiff::path`] writes them.
/// Source: structured-merge-diff `fieldpath/serialize-pe.go`: `f:` field, `k:` list item by keys, `v:` set item, `i:` index.
fn owned(path: &str, fields: &Value, live: Option<&Value>, leaves: &mut Vec<String>) {
    let inner: Vec<_> = fields
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| *key != ".")
        .collect();
    if inner.is_empty() {
        leaves.push(path.to_owned());
        return;
    }
    for (key, fields) in inner {
        if let Some(name) = key.strip_prefix("f:") {
            let live = live.and_then(|live| live.get(name));
            owned(&format!("{path}{}", step(name)), fields, live, leaves);
        } else if let Some(keys) = key.strip_prefix("k:") {
            let keys: Value = serde_json::from_str(keys).unwrap_or_default();
            let items = live.and_then(Value::as_array);
            let found = items.into_iter().flatten().enumerate().find(|(_, item)| {
                let mut pairs = keys.as_object().into_iter().flatten();
                pairs.all(|(key, value)| item.get(key) == Some(value))
            });
            let Some((index, item)) = found else { continue };
            let name = item.get("name").and_then(Value::as_str);
            let at = name.map_or_else(|| index.to_string(), str::to_owned);
            owned(&format!("{path}[{at}]"), fields, Some(item), leaves);
        } else {
            // Items of sets have no path of their own in a diff.
            leaves.push(path.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn edited() -> Object {
        Object::from_value(json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "r", "namespace": "n", "managedFields": [
                {"manager": "kreg", "operation": "Apply", "time": "2026-01-03T00:00:00Z",
                 "fieldsV1": {"f:spec": {"f:replicas": {}}}},
                {"manager": "kubectl-edit", "operation": "Update", "time": "2026-01-02T00:00:00Z", "fieldsV1":
                    {"f:metadata": {"f:annotations": {".": {}, "f:kreg.dev/x": {}}},
                     "f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"registry\"}":
                        {".": {}, "f:image": {}, "f:ports": {"k:{\"containerPort\":5000,\"protocol\":\"TCP\"}": {"f:hostPort": {}}}}}}}}}},
                {"manager": "older", "operation": "Update", "time": "2026-01-01T00:00:00Z",
                 "fieldsV1": {"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"registry\"}": {"f:image": {}}}}}}}},
            ]},
            "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "registry", "image": "x",
                "ports": [{"name": "https", "containerPort": 5000, "protocol": "TCP", "hostPort": 1}]}]}}}}))
        .unwrap()
    }

    fn who(path: &str) -> Option<String> {
        blame(&edited(), path).map(|edit| format!("{} {}", edit.manager, edit.time.unwrap()))
    }

    #[test]
    fn the_last_writer_of_a_field_is_named_whatever_list_it_lies_in() {
        let edit = Some("kubectl-edit 2026-01-02T00:00:00Z".to_owned());
        let container = ".spec.template.spec.containers[registry]";
        assert_eq!(who(&format!("{container}.image")), edit);
        assert_eq!(who(&format!("{container}.ports[https].hostPort")), edit);
        assert_eq!(who(".metadata.annotations[\"kreg.dev/x\"]"), edit);
        assert_eq!(who(container), edit, "the whole of what was edited in part");
    }

    #[test]
    fn kreg_itself_and_neighbours_are_not_blamed() {
        assert_eq!(who(".spec.replicas"), None);
        assert_eq!(
            who(".spec.template.spec.containers[registry].imagePullPolicy"),
            None
        );
        assert_eq!(who(".spec.template.spec.containers[registry].images"), None);
    }
}
