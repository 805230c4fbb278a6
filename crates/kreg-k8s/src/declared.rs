//! What applying an object would make of the live one, worked out here instead of by a dry run of the server.
//!
//! A dry run needs the right to write. For objects of the whole cluster that right is far more than a second run
//! needs: an account that may patch a namespace can take Pod Security off it. Such objects hold only fields that the server
//! stores as they are sent, so what server-side apply does to them can be said here: a declared field gets its value,
//! and a field that kreg declared before, no longer does, and nobody else owns goes.
//! Source: `kubernetes.io/docs/reference/using-api/server-side-apply`.

use serde_json::{Map, Value};

use crate::{
    cluster::FIELD_MANAGER,
    diff::diff,
    kind::{Kind, Scope},
    object::Object,
};

/// Whether the live object is already what applying `desired` would make of it, so that nothing has to be written.
///
/// May say no where the server would find no difference, such as for a quantity in another notation.
#[must_use]
pub fn holds(live: &Object, desired: &Object) -> bool {
    diff(live, &applied(live, desired)).is_empty()
}

/// Whether [`applied`] is asked before the server is: for what only the setup of a registry writes.
pub(crate) fn is_known_here(kind: Kind) -> bool {
    kind.scope() == Scope::Cluster
}

/// The live object as it would be after `desired` is applied.
pub(crate) fn applied(live: &Object, desired: &Object) -> Object {
    let mut after = live.clone();
    for fields in owned(live, true) {
        let others: Vec<&Value> = owned(live, false).collect();
        take_out(
            after.value_mut(),
            fields,
            Some(desired.value()),
            others.as_slice(),
        );
    }
    lay_over(after.value_mut(), desired.value());
    after
}

/// `fieldsV1` of kreg's own apply, or of all other writers.
fn owned(live: &Object, by_us: bool) -> impl Iterator<Item = &Value> {
    let entries = live.items("/metadata/managedFields").iter();
    let is_ours =
        |entry: &&Value| entry["manager"] == FIELD_MANAGER && entry["operation"] == "Apply";
    entries
        .filter(move |entry| is_ours(entry) == by_us)
        .filter_map(|entry| entry.get("fieldsV1"))
}

/// Takes out what `ours` lists and neither `desired` nor `others` have.
fn take_out(value: &mut Value, ours: &Value, desired: Option<&Value>, others: &[&Value]) {
    let (Some(value), Some(ours)) = (value.as_object_mut(), ours.as_object()) else {
        return;
    };
    for (key, inner) in ours {
        // Items of lists (`k:`, `v:`) come with the list that is declared.
        let Some(name) = key.strip_prefix("f:") else {
            continue;
        };
        let wanted = desired.and_then(|desired| desired.get(name));
        let others: Vec<&Value> = others.iter().filter_map(|fields| fields.get(key)).collect();
        if wanted.is_none() && others.is_empty() {
            value.remove(name);
        } else if let Some(value) = value.get_mut(name) {
            take_out(value, inner, wanted, &others);
        }
    }
}

fn lay_over(value: &mut Value, desired: &Value) {
    match (value, desired) {
        (Value::Object(value), Value::Object(desired)) => lay_over_each(value, desired),
        (value, desired) => *value = desired.clone(),
    }
}

fn lay_over_each(value: &mut Map<String, Value>, desired: &Map<String, Value>) {
    for (key, inner) in desired {
        lay_over(value.entry(key.clone()).or_insert(Value::Null), inner);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

    fn namespace(labels: Value, managed: Value) -> Object {
        let metadata = json!({ "name": "n", "labels": labels, "managedFields": managed });
        let value = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": metadata });
        Object::from_value(value).unwrap()
    }

    fn writer(manager: &str, operation: &str, labels: &[&str]) -> Value {
        let labels: Map<String, Value> = labels
            .iter()
            .map(|label| (format!("f:{label}"), json!({})))
            .collect();
        json!({ "manager": manager, "operation": operation,
            "fieldsV1": { "f:metadata": { "f:labels": labels } } })
    }

    #[test]
    fn what_is_as_declared_holds_whatever_others_added() {
        let desired = namespace(json!({ ENFORCE: "restricted" }), json!(null));
        let managed = json!([
            writer("kreg", "Apply", &[ENFORCE]),
            writer("kubectl-label", "Update", &["team"])
        ]);
        let labels =
            json!({ ENFORCE: "restricted", "team": "a", "kubernetes.io/metadata.name": "n" });
        assert!(holds(&namespace(labels, managed), &desired));
    }

    #[test]
    fn a_field_with_another_value_or_without_one_does_not_hold() {
        let desired = namespace(json!({ ENFORCE: "restricted" }), json!(null));
        for labels in [json!({ ENFORCE: "privileged" }), json!({}), json!(null)] {
            let live = namespace(labels.clone(), json!([]));
            assert!(!holds(&live, &desired), "{labels}");
            let after = applied(&live, &desired);
            assert_eq!(after.label(ENFORCE), Some("restricted"), "{labels}");
        }
    }

    #[test]
    fn a_field_that_only_kreg_declared_goes_and_one_that_others_own_too_stays() {
        let desired = namespace(json!({ "kept": "a" }), json!(null));
        let ours = writer("kreg", "Apply", &["kept", "dropped"]);
        let labels = json!({ "kept": "a", "dropped": "b" });
        let live = namespace(labels.clone(), json!([ours]));
        assert!(!holds(&live, &desired));
        assert_eq!(applied(&live, &desired).label("dropped"), None);
        let theirs = writer("helm", "Update", &["dropped"]);
        assert!(holds(&namespace(labels, json!([ours, theirs])), &desired));
    }
}
