//! What somebody added by hand beside kreg's own fields, from `metadata.managedFields`.
//!
//! It is what a writer of plain updates owns and nobody else does: no applier, no controller, and not kreg. Labels and
//! annotations are for anybody who wants to leave a note, those of the Pod template too: `kubectl rollout restart` writes
//! one there. Status and what was written through subresources (an autoscaler's `scale`) are controllers' business, and
//! what the API server set by itself is owned by nobody.

use serde_json::{Map, Value};

use crate::{cluster::FIELD_MANAGER, managed_fields::item_by_keys, object::Object};

/// Managers that write plain updates and are no hands. A distribution in one program writes under its own name;
/// `before-first-apply` stands for all fields of an object whose managers somebody had stripped.
const NO_HANDS: &[&str] = &[
    FIELD_MANAGER,
    "before-first-apply",
    "cloud-controller-manager",
    "k3s",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kubelite",
    "rke2",
];

/// JSON pointers (RFC 6901) to the additions in `live`, in an order in which they can be removed one after the other.
///
/// `declared` is what the server makes of kreg's present intent: its record of what kreg owns counts.
pub(crate) fn by_hand(live: &Object, declared: &Object) -> Vec<String> {
    // Their fields cannot be changed afterwards, or are their controllers'.
    if live.reference().kind().holds_data() {
        return Vec::new();
    }
    let mut hands = Map::new();
    let mut others: Vec<&Value> = fields(declared)
        .filter(|writer| writer.is_ours())
        .map(|writer| writer.fields)
        .collect();
    for writer in fields(live) {
        match writer.is_hand() {
            true => merge(&mut hands, writer.fields),
            // What kreg owned once and no longer wants is not in the way.
            false if !writer.is_ours() => others.push(writer.fields),
            false => {}
        }
    }
    let mut found = Vec::new();
    walk(&hands, &others, live.value(), &[], &mut found);
    // Later items of a list first, so that no other one moves.
    found.sort();
    found.reverse();
    found.iter().map(|path| pointer(path)).collect()
}

/// `object` without what the pointers lead to.
pub(crate) fn without(object: &Object, pointers: &[String]) -> Object {
    let mut object = object.clone();
    for pointer in pointers {
        let Some((parent, last)) = pointer.rsplit_once('/') else {
            continue;
        };
        match object.value_mut().pointer_mut(parent) {
            Some(Value::Object(map)) => {
                map.remove(&last.replace("~1", "/").replace("~0", "~"));
            }
            Some(Value::Array(list)) => {
                if let Ok(index) = last.parse::<usize>()
                    && index < list.len()
                {
                    list.remove(index);
                }
            }
            _ => {}
        }
    }
    object
}

struct Writer<'a> {
    manager: &'a str,
    operation: &'a str,
    subresource: &'a str,
    fields: &'a Value,
}

impl Writer<'_> {
    /// kreg's declared intent.
    fn is_ours(&self) -> bool {
        self.manager == FIELD_MANAGER && self.operation == "Apply"
    }

    /// [`crate::CREATE_MANAGER`] counts as one: what it wrote and kreg does not declare any more is to go.
    fn is_hand(&self) -> bool {
        self.operation == "Update"
            && self.subresource.is_empty()
            && !NO_HANDS.contains(&self.manager)
    }
}

fn fields(object: &Object) -> impl Iterator<Item = Writer<'_>> {
    let entries = object.items("/metadata/managedFields").iter();
    entries.filter_map(|entry| {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
        Some(Writer {
            manager: text("manager"),
            operation: text("operation"),
            subresource: text("subresource"),
            fields: entry.get("fieldsV1")?,
        })
    })
}

fn merge(into: &mut Map<String, Value>, fields: &Value) {
    for (key, inner) in fields.as_object().into_iter().flatten() {
        let known = into
            .entry(key.clone())
            .or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(known) = known {
            merge(known, inner);
        }
    }
}

/// A step to a field or to an item of a list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Index(usize),
    Name(String),
}

/// Goes down where others own something too, and stops at what hands alone own.
fn walk(
    hands: &Map<String, Value>,
    others: &[&Value],
    live: &Value,
    at: &[Step],
    found: &mut Vec<Vec<Step>>,
) {
    for (key, inner) in hands.iter().filter(|(key, _)| *key != ".") {
        let Some((step, live)) = enter(key, live) else {
            continue;
        };
        let path: Vec<Step> = at.iter().cloned().chain([step]).collect();
        if is_notes(&path) {
            continue;
        }
        let theirs: Vec<&Value> = others.iter().filter_map(|other| other.get(key)).collect();
        match inner {
            _ if theirs.is_empty() => found.push(path),
            Value::Object(inner) => walk(inner, &theirs, live, &path, found),
            _ => {}
        }
    }
}

/// Metadata and status, and the metadata of a Pod template.
fn is_notes(path: &[Step]) -> bool {
    let names: Vec<&str> = path
        .iter()
        .map(|step| match step {
            Step::Name(name) => name.as_str(),
            Step::Index(_) => "",
        })
        .collect();
    matches!(
        names[..],
        ["metadata" | "status" | "apiVersion" | "kind"] | ["spec", "template", "metadata"]
    )
}

/// One step by a key of `fieldsV1`; `None` if nothing is there.
/// Source: structured-merge-diff `fieldpath/serialize-pe.go`: `f:` field, `k:` list item by keys, `v:` set item, `i:` index.
fn enter<'a>(key: &str, live: &'a Value) -> Option<(Step, &'a Value)> {
    let item = |index: usize| Some((Step::Index(index), live.get(index)?));
    let (sort, rest) = key.split_once(':')?;
    match sort {
        "f" => Some((Step::Name(rest.to_owned()), live.get(rest)?)),
        "i" => item(rest.parse().ok()?),
        "v" => {
            let wanted: Value = serde_json::from_str(rest).ok()?;
            item(live.as_array()?.iter().position(|item| *item == wanted)?)
        }
        "k" => {
            let (index, live) = item_by_keys(live, rest)?;
            Some((Step::Index(index), live))
        }
        _ => None,
    }
}

fn pointer(path: &[Step]) -> String {
    let step = |step: &Step| match step {
        Step::Index(index) => format!("/{index}"),
        Step::Name(name) => format!("/{}", name.replace('~', "~0").replace('/', "~1")),
    };
    path.iter().map(step).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::CREATE_MANAGER;

    fn deployment(entries: Value) -> Object {
        Object::from_value(json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "r", "namespace": "n", "managedFields": entries},
            "spec": {"replicas": 3, "paused": true, "template": {
                "metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}},
                "spec": {"nodeSelector": {"disk": "ssd"}, "volumes": [{"name": "tmp", "emptyDir": {"medium": "Memory"}}],
                    "containers": [{"name": "registry", "imagePullPolicy": "Always", "env": [
                        {"name": "A", "value": "1"}, {"name": "OURS", "value": "2"}, {"name": "B", "value": "3"}]}]}}}}))
        .unwrap()
    }

    fn entry(manager: &str, operation: &str, subresource: &str, fields: Value) -> Value {
        json!({"manager": manager, "operation": operation, "subresource": subresource,
            "fieldsV1": {"f:metadata": {"f:labels": {"f:x": {}}}, "f:status": {"f:phase": {}}, "f:spec": fields}})
    }

    fn env(names: &[&str]) -> Value {
        let items = names.iter().map(|name| {
            let key = format!("k:{}", json!({ "name": name }));
            (key, json!({".": {}, "f:name": {}, "f:value": {}}))
        });
        let items: Map<String, Value> = items.collect();
        json!({"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"registry\"}": {".": {}, "f:env": items}}}}})
    }

    fn kreg() -> Value {
        let mut fields = env(&["OURS"]);
        fields["f:template"]["f:spec"]["f:volumes"] =
            json!({"k:{\"name\":\"tmp\"}": {".": {}, "f:name": {}, "f:emptyDir": {}}});
        entry("kreg", "Apply", "", fields)
    }

    fn found(entries: Value) -> Vec<String> {
        let live = deployment(entries);
        by_hand(&live, &live)
    }

    #[test]
    fn what_hands_alone_own_is_found_as_high_up_as_they_alone_own_it() {
        let set = entry("kubectl-set", "Update", "", env(&["A", "B", "OURS"]));
        let patched = json!({"f:paused": {}, "f:template": {"f:metadata": {"f:annotations": {"f:kubectl.kubernetes.io/restartedAt": {}}},
            "f:spec": {"f:nodeSelector": {".": {}, "f:disk": {}},
                "f:volumes": {"k:{\"name\":\"tmp\"}": {"f:emptyDir": {"f:medium": {}}}}}}});
        let patch = entry("kubectl-patch", "Update", "", patched);
        let base = "/spec/template/spec";
        let expected = [
            format!("{base}/volumes/0/emptyDir/medium"),
            format!("{base}/nodeSelector"),
            format!("{base}/containers/0/env/2"),
            format!("{base}/containers/0/env/0"),
            "/spec/paused".to_owned(),
        ];
        let pointers = found(json!([kreg(), set, patch]));
        assert_eq!(pointers, expected);

        let mended = without(&deployment(json!([])), &pointers);
        let spec = &mended.value()["spec"];
        assert_eq!(
            spec["template"]["spec"]["volumes"][0]["emptyDir"],
            json!({})
        );
        let env = &spec["template"]["spec"]["containers"][0]["env"];
        assert_eq!(env, &json!([{"name": "OURS", "value": "2"}]));
        assert!(spec.get("paused").is_none());
        assert!(spec["template"]["metadata"]["annotations"].is_object());
    }

    #[test]
    fn what_a_tool_declares_and_what_controllers_write_is_left() {
        let replicas = || json!({"f:replicas": {}});
        let policy = || json!({"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"registry\"}": {"f:imagePullPolicy": {}}}}}});
        for others in [
            json!([kreg(), entry("argocd", "Apply", "", env(&["A"]))]),
            json!([
                kreg(),
                entry("argocd", "Apply", "", env(&["A"])),
                entry("kubectl", "Update", "", env(&["A"]))
            ]),
            json!([kreg(), entry("kubectl", "Update", "scale", replicas())]),
            json!([
                kreg(),
                entry("kube-controller-manager", "Update", "", replicas())
            ]),
            // What an admission plugin set while kreg wrote.
            json!([kreg(), entry("kreg", "Update", "", policy())]),
            json!([kreg(), entry("before-first-apply", "Update", "", policy())]),
            json!([
                kreg(),
                entry("kubectl-edit", "Update", "", json!({"f:gone": {}}))
            ]),
        ] {
            assert_eq!(found(others.clone()), Vec::<String>::new(), "{others}");
        }
    }

    #[test]
    fn a_key_that_kreg_made_a_secret_with_and_no_longer_declares_goes() {
        let own = |manager: &str, operation: &str, keys: Value| json!({"manager": manager, "operation": operation, "fieldsV1": {"f:data": keys}});
        let both = json!({"f:ca.crt": {}, "f:ca.key": {}});
        let secret = |entries: Value| {
            Object::from_value(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "n",
                "managedFields": entries}, "data": {"ca.crt": "eA==", "ca.key": "eQ=="}}))
            .unwrap()
        };
        let created = own(CREATE_MANAGER, "Update", both);
        let live = secret(json!([created]));
        let declared = secret(json!([
            created,
            own("kreg", "Apply", json!({"f:ca.crt": {}}))
        ]));
        assert_eq!(by_hand(&live, &declared), ["/data/ca.key"]);
    }
}
