//! The startup taint, lifted on a real API server while others write to the same node.

// Helpers of tests are not recognised as tests by clippy.toml.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::cluster;
use kreg_k8s::taint::{self, Lifted, StartupTaint};
use kreg_k8s::{Cluster, Error, Kind, LiveCluster, Object, ObjectRef, Query};
use serde_json::{Value, json};

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn it_is_lifted_and_no_taint_of_others_is_lost() {
    const WRITERS: usize = 6;
    let cluster = cluster().await;
    // An effect that keeps no Pod of another test away.
    let id = std::process::id();
    let key = |what: &str| format!("t{id}.kreg.test/{what}");
    let startup = StartupTaint::new(&key("startup")).unwrap();
    let nodes = cluster.list(&Query::all(Kind::Node)).await.unwrap();
    let node = nodes[0].reference().clone();
    let before = taints(&cluster, &node).await;
    put(&cluster, &node, startup.key()).await;

    let found = taint::tainted(&cluster, &startup).await.unwrap();
    let names: Vec<_> = found.iter().map(|one| one.node.as_str()).collect();
    assert_eq!(names, [node.name()]);
    let theirs: Vec<String> = (0..WRITERS).map(|i| key(&i.to_string())).collect();
    let writers = futures::future::join_all(theirs.iter().map(|key| put(&cluster, &node, key)));
    let (lifted, _) = futures::join!(taint::lift(&cluster, &startup, &found[0]), writers);
    assert_eq!(lifted.unwrap(), Lifted::Yes);
    let mut expected = before.clone();
    expected.extend(theirs.iter().cloned());
    expected.sort();
    assert_eq!(taints(&cluster, &node).await, expected);
    assert!(taint::tainted(&cluster, &startup).await.unwrap().is_empty());
    let again = taint::lift(&cluster, &startup, &found[0]).await.unwrap();
    assert_eq!(again, Lifted::Absent);

    for key in &theirs {
        let theirs = StartupTaint::new(key).unwrap();
        let found = taint::tainted(&cluster, &theirs).await.unwrap();
        taint::lift(&cluster, &theirs, &found[0]).await.unwrap();
    }
    assert_eq!(taints(&cluster, &node).await, before);
}

async fn taints(cluster: &LiveCluster, node: &ObjectRef) -> Vec<String> {
    let live = cluster.get(node).await.unwrap().unwrap();
    let key = |taint: &Value| taint["key"].as_str().unwrap().to_owned();
    let mut keys: Vec<_> = live.items("/spec/taints").iter().map(key).collect();
    keys.sort();
    keys
}

async fn put(cluster: &LiveCluster, node: &ObjectRef, key: &str) {
    loop {
        let live = cluster.get(node).await.unwrap().unwrap();
        let mut value = live.value().clone();
        let taint = json!({ "key": key, "effect": "PreferNoSchedule" });
        match value["spec"]["taints"].as_array_mut() {
            Some(taints) => taints.push(taint),
            None => value["spec"]["taints"] = json!([taint]),
        }
        let changed = Object::from_value(value).unwrap();
        match cluster.replace(&changed, false).await {
            Ok(_) => return,
            Err(Error::Raced { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}
