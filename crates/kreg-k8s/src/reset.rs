//! The way back where server-side apply is refused: every field that kreg declares, written whole.
//!
//! An apply merges: what it does not name stays, also below a field that it does name. Somebody switches the strategy,
//! a volume's source or a probe to another kind by hand; the apply brings the old kind back and leaves the parameters
//! of the new one, and the server refuses the mixture with 422. There a whole field has to take the place of a whole
//! field, in one write.

use serde_json::{Map, Value};

use crate::{
    additions, cluster::Cluster, error::Error, manifests::serving::Started, object::Object,
    object_ref::ObjectRef,
};

/// `live` with each field of its spec (or data) that `desired` declares as `desired` has it, and with nothing of others
/// below it. Labels and annotations of others stay, those of the Pod template too. What hands added beside goes, unless
/// `adopted`: the account that made an object which was taken over has a say in it still.
pub(crate) fn reset(live: &Object, desired: &Object, adopted: bool) -> Object {
    let mut after = match adopted {
        true => live.clone(),
        false => additions::without(live, &additions::by_hand(live, live)),
    };
    for (key, wanted) in desired.value().as_object().into_iter().flatten() {
        let now = &mut after.value_mut()[key.as_str()];
        match (key.as_str(), wanted) {
            ("apiVersion" | "kind" | "status", _) => {}
            ("metadata", _) => keep_notes(now, wanted),
            (_, Value::Object(fields)) => replace_fields(now, fields),
            _ => *now = wanted.clone(),
        }
    }
    after
}

/// Each field in whole; a template keeps its notes.
fn replace_fields(now: &mut Value, wanted: &Map<String, Value>) {
    for (key, wanted) in wanted {
        let before = std::mem::replace(&mut now[key.as_str()], wanted.clone());
        let Some(metadata) = before.get("metadata").filter(|_| key == "template") else {
            continue;
        };
        let mut metadata = metadata.clone();
        keep_notes(&mut metadata, &wanted["metadata"]);
        now[key.as_str()]["metadata"] = metadata;
    }
}

/// Labels and annotations of `wanted` over those that are there.
fn keep_notes(now: &mut Value, wanted: &Value) {
    for kind in ["labels", "annotations"] {
        for (key, value) in wanted[kind].as_object().into_iter().flatten() {
            now[kind][key.as_str()] = value.clone();
        }
    }
}

/// What the server makes of it; nothing is written. `None` if it is refused as well: then the fault is not in what is
/// there.
///
/// # Errors
/// What the server says, except for a refusal as invalid.
pub(crate) async fn preview(
    cluster: &dyn Cluster,
    live: &Object,
    desired: &Object,
    adopted: bool,
) -> Result<Option<Object>, Error> {
    match cluster.replace(&reset(live, desired, adopted), true).await {
        Ok(after) => Ok(Some(after)),
        Err(Error::Refused { code: 422, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes it, to what is there at that moment. An apply then finds nothing in its way.
///
/// # Errors
/// [`Error::Overtaken`] if others keep writing; otherwise what the server says.
pub(crate) async fn carry_out(
    cluster: &dyn Cluster,
    desired: &Object,
    adopted: bool,
) -> Result<(), Error> {
    const TRIES: usize = 5;
    let object: &ObjectRef = desired.reference();
    for _ in 0..TRIES {
        // Gone meanwhile: applying it makes it again.
        let Some(live) = cluster.get(object).await? else {
            return Ok(());
        };
        // A collection has begun meanwhile.
        if Started::of(&live).is_read_only() {
            break;
        }
        match cluster
            .replace(&reset(&live, desired, adopted), false)
            .await
        {
            Err(Error::Raced { .. }) => {}
            outcome => return outcome.map(drop),
        }
    }
    Err(Error::Overtaken {
        object: object.clone(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(metadata: Value, spec: Value) -> Object {
        Object::from_value(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}))
            .unwrap()
    }

    fn after(adopted: bool) -> Value {
        let live = object(
            json!({"name": "r", "namespace": "n", "resourceVersion": "7", "labels": {"a": "theirs", "team": "x"},
                "managedFields": [{"manager": "kreg", "operation": "Apply", "fieldsV1": {"f:spec": {"f:strategy": {}, "f:template": {}}}},
                    {"manager": "kubectl-patch", "operation": "Update", "fieldsV1":
                    {"f:spec": {"f:paused": {}, "f:strategy": {"f:type": {}, "f:rollingUpdate": {"f:maxSurge": {}}}}}}]}),
            json!({"paused": true, "progressDeadlineSeconds": 600,
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
                "template": {"metadata": {"annotations": {"restartedAt": "now", "ours": "old"}},
                    "spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}}),
        );
        let desired = object(
            json!({"name": "r", "namespace": "n", "labels": {"a": "ours"}}),
            json!({"strategy": {"type": "Recreate"}, "template": {"metadata": {"annotations": {"ours": "new"}},
                "spec": {"volumes": [{"name": "v", "configMap": {"name": "c"}}]}}}),
        );
        reset(&live, &desired, adopted).value().clone()
    }

    #[test]
    fn what_kreg_declares_is_whole_and_notes_of_others_stay() {
        let after = after(false);
        assert_eq!(
            after["spec"],
            json!({"progressDeadlineSeconds": 600, "strategy": {"type": "Recreate"},
                "template": {"metadata": {"annotations": {"restartedAt": "now", "ours": "new"}},
                    "spec": {"volumes": [{"name": "v", "configMap": {"name": "c"}}]}}})
        );
        let metadata = &after["metadata"];
        assert_eq!(metadata["labels"], json!({"a": "ours", "team": "x"}));
        assert_eq!(
            metadata["resourceVersion"], "7",
            "only what was read is written over"
        );
    }

    #[test]
    fn who_made_what_was_taken_over_keeps_what_kreg_does_not_declare() {
        assert_eq!(after(true)["spec"]["paused"], true);
        assert_eq!(after(true)["spec"]["strategy"], json!({"type": "Recreate"}));
    }
}
