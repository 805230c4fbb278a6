//! Rights as RBAC objects, and as YAML that says beside each rule what it amounts to.

use serde_json::{Value, json};

use crate::{error::Error, manifests::namespace, names::NODE_AGENTS, place::Place, right::Right};

/// RBAC objects that give a service account `account` in the registry's namespace exactly these rights, such as those
/// of [`super::needed`]: the namespace, the account, a ClusterRole, a Role in each namespace, and their bindings. What they are
/// called has the account's name in it, so that several accounts may each have their own.
#[must_use]
pub fn manifests(place: &Place, account: &str, rights: &[Right]) -> Vec<Value> {
    let subject =
        json!([{ "kind": "ServiceAccount", "name": account, "namespace": place.namespace() }]);
    let name = format!("{account}-{}", place.instance());
    let mut objects: Vec<Value> = namespace(place)
        .map(|object| object.value().clone())
        .into_iter()
        .collect();
    if rights
        .iter()
        .any(|right| right.namespace.as_deref() == Some(NODE_AGENTS))
    {
        objects.push(
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NODE_AGENTS,
            // As kreg labels it itself, so that a removal leaves it as it was.
            "labels": { "app.kubernetes.io/managed-by": "kreg", "pod-security.kubernetes.io/enforce": "privileged" } } }),
        );
    }
    objects.push(json!({ "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": { "name": account, "namespace": place.namespace() } }));
    let mut namespaces: Vec<Option<String>> =
        rights.iter().map(|right| right.namespace.clone()).collect();
    namespaces.sort();
    namespaces.dedup();
    for namespace in namespaces {
        let (role, binding) = match &namespace {
            None => ("ClusterRole", "ClusterRoleBinding"),
            Some(_) => ("Role", "RoleBinding"),
        };
        let mut metadata = json!({ "name": name });
        if let Some(name) = &namespace {
            metadata["namespace"] = name.as_str().into();
        }
        let api = "rbac.authorization.k8s.io/v1";
        let rules = rules(rights.iter().filter(|right| right.namespace == namespace));
        objects
            .push(json!({ "apiVersion": api, "kind": role, "metadata": metadata, "rules": rules }));
        objects.push(
            json!({ "apiVersion": api, "kind": binding, "metadata": metadata, "subjects": subject,
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": name } }),
        );
    }
    objects
}

/// The same as YAML documents. A comment beside each rule that amounts to root on a node says why, and one at the top says
/// how many there are.
///
/// # Errors
/// [`Error::Malformed`] if they cannot be written as YAML.
pub fn yaml(place: &Place, account: &str, rights: &[Right]) -> Result<String, Error> {
    let mut marked = 0;
    let mut documents = Vec::new();
    for mut object in manifests(place, account, rights) {
        let rules = object.as_object_mut().and_then(|map| map.remove("rules"));
        let mut text = written(&object)?;
        let within = object["metadata"]["namespace"].as_str();
        if let Some(rules) = rules {
            text.push_str("rules:\n");
            for rule in rules.as_array().into_iter().flatten() {
                let notes = notes(within, rule, rights);
                marked += usize::from(!notes.is_empty());
                for note in notes {
                    text.push_str(&format!("# {note}\n"));
                }
                text.push_str(&written(&json!([rule]))?);
            }
        }
        documents.push(text);
    }
    let summary = match marked {
        0 => "No rule below amounts to root on a node.".to_owned(),
        1 => "1 rule below amounts to root on a node. A comment above it says why.".to_owned(),
        many => {
            format!("{many} rules below amount to root on a node. A comment above each says why.")
        }
    };
    Ok(format!("# {summary}\n{}", documents.join("---\n")))
}

fn written(value: &Value) -> Result<String, Error> {
    serde_saphyr::to_string(value).map_err(|error| Error::Malformed {
        what: "the rights as YAML".to_owned(),
        problem: error.to_string(),
    })
}

/// Why this rule of a role in that namespace amounts to root on a node; verb by verb, each reason once.
fn notes(namespace: Option<&str>, rule: &Value, rights: &[Right]) -> Vec<String> {
    let mut reasons: Vec<(String, Vec<&str>)> = Vec::new();
    for right in rights
        .iter()
        .filter(|right| right.namespace.as_deref() == namespace)
    {
        if rule_of(right) != without_verbs(rule) {
            continue;
        }
        let Some(root) = right.node_root() else {
            continue;
        };
        match reasons
            .iter_mut()
            .find(|(known, _)| *known == root.to_string())
        {
            Some((_, verbs)) if verbs.contains(&right.verb) => {}
            Some((_, verbs)) => verbs.push(right.verb),
            None => reasons.push((root.to_string(), vec![right.verb])),
        }
    }
    let note = |(why, verbs): (String, Vec<&str>)| format!("{}: {why}", verbs.join(", "));
    reasons.into_iter().map(note).collect()
}

fn without_verbs(rule: &Value) -> Value {
    let mut rule = rule.clone();
    if let Some(map) = rule.as_object_mut() {
        map.remove("verbs");
    }
    rule
}

/// The rule for a right, without its verb.
fn rule_of(right: &Right) -> Value {
    let resource = match right.subresource {
        "" => right.resource.to_owned(),
        sub => format!("{}/{sub}", right.resource),
    };
    let mut rule = json!({ "apiGroups": [right.group], "resources": [resource] });
    if let Some(name) = &right.name {
        rule["resourceNames"] = json!([name]);
    }
    rule
}

/// One rule for each resource and name.
fn rules<'a>(rights: impl Iterator<Item = &'a Right>) -> Vec<Value> {
    let mut rules: Vec<(Value, Vec<&str>)> = Vec::new();
    for right in rights {
        let rule = rule_of(right);
        match rules.iter_mut().find(|(known, _)| known == &rule) {
            // Two commands may need the same.
            Some((_, verbs)) if verbs.contains(&right.verb) => {}
            Some((_, verbs)) => verbs.push(right.verb),
            None => rules.push((rule, vec![right.verb])),
        }
    }
    rules
        .into_iter()
        .map(|(mut rule, verbs)| {
            rule["verbs"] = verbs.into();
            rule
        })
        .collect()
}
