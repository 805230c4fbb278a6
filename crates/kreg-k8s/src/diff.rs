//! Field-level differences between two states of one object.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{kind::Kind, object::Object};

/// One field that differs. Values of Secrets are masked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldDiff {
    /// Path with list items by name where they have one: `.spec.containers[registry].image`.
    pub path: String,
    /// Value now; `None` if the field is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// Value afterwards; `None` if the field goes away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

impl FieldDiff {
    /// Both values as JSON, or `unset`.
    pub(crate) fn shown(&self) -> (String, String) {
        let value = |value: &Option<Value>| match value {
            Some(value) => value.to_string(),
            None => "unset".to_owned(),
        };
        (value(&self.before), value(&self.after))
    }
}

/// `.spec.replicas: 1 → 2`.
impl fmt::Display for FieldDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, after) = self.shown();
        write!(f, "{}: {before} → {after}", self.path)
    }
}

/// Every field in which two states of one object differ, in the order of the fields.
///
/// What the server alone writes is left out: status, uid, resourceVersion, generation, timestamps, managedFields.
#[must_use]
pub fn diff(before: &Object, after: &Object) -> Vec<FieldDiff> {
    let mut found = Vec::new();
    walk(
        "",
        Some(&settled(before)),
        Some(&settled(after)),
        &mut found,
    );
    if after.reference().kind() == Kind::Secret {
        found.iter_mut().for_each(mask);
    }
    found
}

fn settled(object: &Object) -> Value {
    let mut value = object.value().clone();
    if let Some(map) = value.as_object_mut() {
        map.remove("status");
    }
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        for key in [
            "managedFields",
            "resourceVersion",
            "generation",
            "creationTimestamp",
            "uid",
            "selfLink",
        ] {
            metadata.remove(key);
        }
    }
    value
}

fn walk(path: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<FieldDiff>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            for key in keys(old, new) {
                walk(
                    &format!("{path}{}", step(key)),
                    old.get(key),
                    new.get(key),
                    found,
                );
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => match (by_name(old), by_name(new)) {
            (Some(old), Some(new)) => {
                for key in keys(&old, &new) {
                    walk(&format!("{path}[{key}]"), old.get(key), new.get(key), found);
                }
            }
            _ if old.len() == new.len() => {
                for (index, (old, new)) in old.iter().zip(new).enumerate() {
                    walk(&format!("{path}[{index}]"), Some(old), Some(new), found);
                }
            }
            _ => found.push(field(path, before, after)),
        },
        _ => found.push(field(path, before, after)),
    }
}

fn field(path: &str, before: Option<&Value>, after: Option<&Value>) -> FieldDiff {
    FieldDiff {
        path: path.to_owned(),
        before: before.cloned(),
        after: after.cloned(),
    }
}

fn keys<'a>(old: &'a Map<String, Value>, new: &'a Map<String, Value>) -> Vec<&'a String> {
    old.keys()
        .chain(new.keys().filter(|key| !old.contains_key(*key)))
        .collect()
}

/// `.key`, or `["kreg.dev/key"]` where a dot would mislead.
pub(crate) fn step(key: &str) -> String {
    if key.contains(['.', '/']) {
        format!("[{key:?}]")
    } else {
        format!(".{key}")
    }
}

/// A list as a map by `name`, if every item has a name and no name comes twice.
fn by_name(list: &[Value]) -> Option<Map<String, Value>> {
    let mut map = Map::new();
    for item in list {
        let name = item.get("name")?.as_str()?;
        if map.insert(name.to_owned(), item.clone()).is_some() {
            return None;
        }
    }
    (!map.is_empty()).then_some(map)
}

fn mask(field: &mut FieldDiff) {
    if !(field.path.starts_with(".data")
        || field.path.starts_with(".stringData")
        || field.path.contains("last-applied-configuration"))
    {
        return;
    }
    // The key names of a map stay readable, its values do not.
    let hide = |value: &mut Value, text: &str| match value {
        Value::Object(map) => map.values_mut().for_each(|entry| *entry = text.into()),
        other => *other = text.into(),
    };
    if let Some(before) = &mut field.before {
        hide(before, "*** (before)");
    }
    if let Some(after) = &mut field.after {
        hide(after, "*** (after)");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(kind: &str, body: Value) -> Object {
        let mut value = json!({"apiVersion": if kind == "Deployment" {"apps/v1"} else {"v1"}, "kind": kind,
            "metadata": {"name": "x", "namespace": "n"}});
        value
            .as_object_mut()
            .unwrap()
            .extend(body.as_object().unwrap().clone());
        Object::from_value(value).unwrap()
    }

    fn paths(before: &Object, after: &Object) -> Vec<String> {
        diff(before, after)
            .into_iter()
            .map(|field| field.path)
            .collect()
    }

    #[test]
    fn names_the_field_by_list_item_and_key() {
        let make = |image: &str| {
            object(
                "Deployment",
                json!({"spec": {"replicas": 1, "template": {"spec": {"containers": [
                    {"name": "sidecar", "image": "s"}, {"name": "registry", "image": image}]}}}}),
            )
        };
        assert_eq!(
            paths(&make("a"), &make("b")),
            [".spec.template.spec.containers[registry].image"]
        );
        assert!(paths(&make("a"), &make("a")).is_empty());
    }

    #[test]
    fn what_only_the_server_writes_is_no_difference() {
        let mut live = object("ConfigMap", json!({"data": {"a": "1"}}));
        let desired = live.clone();
        live.value_mut()["status"] = json!({"x": 1});
        live.value_mut()["metadata"]["resourceVersion"] = "7".into();
        live.value_mut()["metadata"]["managedFields"] = json!([{"manager": "kreg"}]);
        assert!(diff(&live, &desired).is_empty());
    }

    #[test]
    fn secrets_show_their_keys_and_never_their_values() {
        let before = object("Secret", json!({"data": {"tls.key": "b2xk"}}));
        let after = object(
            "Secret",
            json!({"data": {"tls.key": "bmV3", "more": "eA=="}}),
        );
        let found = diff(&before, &after);
        let shown = format!("{found:?}{}", serde_json::to_string(&found).unwrap());
        assert!(
            !shown.contains("b2xk") && !shown.contains("bmV3") && !shown.contains("eA=="),
            "{shown}"
        );
        assert_eq!(found[0].path, ".data[\"tls.key\"]");
        let gone = diff(&before, &object("Secret", json!({})));
        assert!(!format!("{gone:?}").contains("b2xk"));
        assert!(format!("{gone:?}").contains("tls.key"));
    }

    #[test]
    fn lists_of_other_length_are_one_difference() {
        let before = object("Pod", json!({"spec": {"args": ["a"]}}));
        let after = object("Pod", json!({"spec": {"args": ["a", "b"]}}));
        assert_eq!(paths(&before, &after), [".spec.args"]);
    }
}
