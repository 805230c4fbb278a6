//! The startup taint: nodes that join with it get no ordinary Pod until it is taken off, which is right once a node has
//! proven that it pulls.
//!
//! The person or program that makes nodes puts it there (the kubelet's `--register-with-taints`); kreg never does. A
//! node's taints are one list, so a node is read, changed and put back under its `resourceVersion`: no taint of others is
//! lost to a race.

use std::time::Duration;

use serde_json::Value;

use crate::{
    cluster::{Cluster, Query},
    error::Error,
    kind::Kind,
    object_ref::ObjectRef,
    right::Right,
};

pub use crate::startup_taint::StartupTaint;

/// How often a write that lost a race is tried again.
const TRIES: u32 = 20;

/// A node that carries the taint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tainted {
    /// Its name.
    pub node: String,
    /// Condition `Ready`.
    pub ready: bool,
    /// Another node may come by the same name.
    uid: String,
}

/// What [`lift`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifted {
    /// The taint was there, and is off.
    Yes,
    /// It was off already.
    Absent,
    /// That node is gone; one of its name is another one, and was left alone.
    OtherNode,
}

/// Every node that carries it, by name.
///
/// # Errors
/// What the server says.
pub async fn tainted(cluster: &dyn Cluster, taint: &StartupTaint) -> Result<Vec<Tainted>, Error> {
    let nodes = cluster.list(&Query::all(Kind::Node)).await?;
    let mut found: Vec<Tainted> = nodes
        .iter()
        .filter(|node| node.items("/spec/taints").iter().any(|one| is(one, taint)))
        .map(|node| Tainted {
            node: node.reference().name().to_owned(),
            ready: node
                .items("/status/conditions")
                .iter()
                .any(|condition| condition["type"] == "Ready" && condition["status"] == "True"),
            uid: node.uid().unwrap_or_default().to_owned(),
        })
        .collect();
    found.sort_by(|a, b| a.node.cmp(&b.node));
    Ok(found)
}

/// Takes it off that very node. Other taints stay, whatever is written to the node meanwhile. Safe to repeat.
///
/// # Errors
/// What the server says.
pub async fn lift(
    cluster: &dyn Cluster,
    taint: &StartupTaint,
    tainted: &Tainted,
) -> Result<Lifted, Error> {
    let reference = ObjectRef::new(Kind::Node, "", &tainted.node);
    let mut lost = 0;
    loop {
        let Some(mut live) = cluster.get(&reference).await? else {
            return Ok(Lifted::OtherNode);
        };
        if live.uid() != Some(tainted.uid.as_str()) {
            return Ok(Lifted::OtherNode);
        }
        if !take_off(live.value_mut(), taint) {
            return Ok(Lifted::Absent);
        }
        match cluster.replace(&live, false).await {
            Ok(_) => return Ok(Lifted::Yes),
            Err(Error::Refused { code: 404, .. }) => return Ok(Lifted::OtherNode),
            Err(Error::Raced { .. }) if lost < TRIES => lost += 1,
            Err(error) => return Err(error),
        }
        tokio::time::sleep(Duration::from_millis(20 * u64::from(lost))).await;
    }
}

/// What [`lift`] needs besides [`crate::rights::needed`]: `update nodes`. It is no small right, for RBAC knows no part of
/// a node: grant it only where a startup taint is used.
#[must_use]
pub fn needed_to_lift() -> Vec<Right> {
    ["get", "update"]
        .map(|verb| Right {
            namespace: None,
            group: Kind::Node.group(),
            resource: Kind::Node.plural(),
            subresource: "",
            name: None,
            verb,
        })
        .to_vec()
}

fn is(one: &Value, taint: &StartupTaint) -> bool {
    one["key"] == taint.key()
}

/// Returns whether there was anything to take.
fn take_off(node: &mut Value, taint: &StartupTaint) -> bool {
    let Some(taints) = node
        .pointer_mut("/spec/taints")
        .and_then(Value::as_array_mut)
    else {
        return false;
    };
    let before = taints.len();
    taints.retain(|one| !is(one, taint));
    let (after, changed) = (taints.len(), taints.len() != before);
    if after == 0
        && let Some(spec) = node.get_mut("spec").and_then(Value::as_object_mut)
    {
        spec.remove("taints");
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys() {
        for good in [StartupTaint::KEY, "example.com/Not.Yet_1", "a/b"] {
            assert!(StartupTaint::new(good).is_ok(), "{good}");
        }
        let long = format!("a/{}", "x".repeat(64));
        for bad in ["", "untrusted", "/x", "a/", "a/b/c", "A_/x", "a/-x", &long] {
            assert!(StartupTaint::new(bad).is_err(), "{bad}");
        }
        for theirs in [
            "node.kubernetes.io/not-ready",
            "kubernetes.io/x",
            "x.k8s.io/y",
        ] {
            let error = StartupTaint::new(theirs).unwrap_err().to_string();
            assert!(error.contains("controllers"), "{error}");
        }
        assert!(StartupTaint::new("notkubernetes.io/x").is_ok());
    }

    #[test]
    fn other_taints_stay_as_they_are() {
        let taint = StartupTaint::default();
        let theirs =
            json!({ "key": "theirs", "effect": "NoExecute", "timeAdded": "x", "unknown": 1 });
        let ours = json!({ "key": taint.key(), "effect": "NoSchedule" });
        let hard = json!({ "key": taint.key(), "value": "v", "effect": "NoExecute" });
        let mut node = json!({ "spec": { "taints": [ours, theirs, hard], "podCIDR": "p" } });
        assert!(take_off(&mut node, &taint));
        assert_eq!(
            node,
            json!({ "spec": { "taints": [theirs], "podCIDR": "p" } })
        );
        assert!(!take_off(&mut node, &taint));
        let mut alone = json!({ "spec": { "taints": [ours] } });
        assert!(take_off(&mut alone, &taint));
        assert_eq!(alone, json!({ "spec": {} }));
        assert!(!take_off(&mut alone, &taint));
    }
}
