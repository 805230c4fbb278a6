//! `metadata.managedFields`: who wrote which field of an object.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    cluster::{CREATE_MANAGER, FIELD_MANAGER, Patcher},
    diff::step,
    object::Object,
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

/// Whether this manager is kreg, under one of its names.
pub(crate) fn is_kreg(manager: &str) -> bool {
    is_declaring(manager) || Patcher::ALL.iter().any(|by| by.manager() == manager)
}

/// Whether this manager writes what kreg declares. The others change it for a while.
pub(crate) fn is_declaring(manager: &str) -> bool {
    manager == FIELD_MANAGER || manager == CREATE_MANAGER
}

/// Who wrote the field at `path` (as [`crate::FieldDiff::path`] has it) last, other than kreg's own declaration. A
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

/// The item of a list that these keys name, such as `{"name":"registry"}`, and where it is.
pub(crate) fn item_by_keys<'a>(list: &'a Value, keys: &str) -> Option<(usize, &'a Value)> {
    let keys: Map<String, Value> = serde_json::from_str(keys).ok()?;
    let fits = |item: &Value| keys.iter().all(|(key, value)| item.get(key) == Some(value));
    let mut items = list.as_array()?.iter().enumerate();
    items.find(|(_, item)| fits(item))
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

/// The leaves of `fieldsV1`, written as [`crate::FieldDiff::path`] writes them.
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
            let found = live.and_then(|list| item_by_keys(list, keys));
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

    #[test]
    fn every_name_that_kreg_writes_under_is_known() {
        for manager in [
            "kreg",
            "kreg-create",
            "kreg-refresh",
            "kreg-renew",
            "kreg-gc",
        ] {
            assert!(is_kreg(manager), "{manager}");
        }
        assert!(!is_kreg("kreg-of-somebody-else") && !is_kreg("kubectl-edit"));
    }

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
