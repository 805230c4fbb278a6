//! What goes wrong with what the registry keeps its images on.

use serde_json::{Value, json};

use super::breaks::{Break, NAMESPACE, by_up, merge, nothing, restarted};
use crate::cluster::Node;
use crate::e2e::world::World;
use crate::failure::{Failure, Result};

const CLAIM: &str = "docker-registry-data";
const VOLUME: &str = "kreg-doctor";
const CLASS: &str = "kreg-doctor-nobody";
const DEFAULT: &str = "storageclass.kubernetes.io/is-default-class";

pub(super) const BREAKS: &[Break] = &[
    Break {
        id: "storage-denied",
        what: "a directory that the registry's user may not write to",
        breaks: |world| on_volume(world, "chmod -R a-w \"$dir\""),
        fixes: |world| on_volume(world, "chmod -R u+w,g+w,o+w \"$dir\""),
    },
    Break {
        id: "disk-full",
        what: "a volume without room",
        breaks: |world| {
            // Two inodes: the root and none for anything of the registry's.
            on_volume(
                world,
                "mount -t tmpfs -o size=64k,nr_inodes=2,mode=0777 kreg-doctor \"$dir\"; touch \"$dir/full\"",
            )?;
            restarted(world)
        },
        fixes: |world| {
            on_volume(world, "umount -l \"$dir\"")?;
            restarted(world)
        },
    },
    Break {
        id: "upload-refused",
        what: "a storage with a file where the registry makes a directory",
        breaks: |world| {
            on_volume(
                world,
                &format!("{REPOSITORIES}; mv kreg kreg-away; touch kreg"),
            )
        },
        fixes: |world| {
            on_volume(
                world,
                &format!("{REPOSITORIES}; rm kreg; mv kreg-away kreg"),
            )
        },
    },
    Break {
        id: "default-class-trap",
        what: "a claim that got the default class, and so not the volume meant for it",
        breaks: |world| {
            world.create(&json!({
                "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": VOLUME },
                "spec": {
                    "capacity": { "storage": "1Gi" }, "accessModes": ["ReadWriteOnce"],
                    "hostPath": { "path": "/tmp/kreg-doctor" },
                },
            }))?;
            claim(world, json!({ "volumeName": VOLUME }))
        },
        fixes: |world| {
            let words = ["delete", "persistentvolume", VOLUME, "--wait=false"];
            world.kubectl(words).good().map(drop)
        },
    },
    Break {
        id: "class-missing",
        what: "a claim of a StorageClass that is not there",
        breaks: |world| claim(world, json!({ "storageClassName": "no-such-class" })),
        fixes: nothing,
    },
    Break {
        id: "claim-pending",
        what: "a StorageClass whose provisioner does not run",
        breaks: |world| {
            world.create(&json!({
                "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
                "metadata": { "name": CLASS }, "provisioner": "example.com/nobody",
            }))?;
            claim(world, json!({ "storageClassName": CLASS }))
        },
        fixes: |world| {
            let words = ["delete", "storageclass", CLASS];
            world.kubectl(words).good().map(drop)
        },
    },
    Break {
        id: "no-default-class",
        what: "a claim without class in a cluster without default",
        breaks: |world| {
            default_class(world, "false")?;
            claim(world, json!({}))
        },
        fixes: |world| {
            default_class(world, "true")?;
            no_claim(world)?;
            by_up(world)
        },
    },
];

/// Into the directory of the repositories; that of the one in which doctor begins uploads may not be there yet.
const REPOSITORIES: &str =
    "cd \"$dir/docker/registry/v2/repositories\"; [ -e kreg ] || install -d -o 1000 -g 1000 kreg";

/// Whatever a break that failed half way may have left.
pub(super) fn put_back(world: &World) -> Result<()> {
    default_class(world, "true")?;
    for (kind, name) in [("persistentvolume", VOLUME), ("storageclass", CLASS)] {
        let words = ["delete", kind, name, "--ignore-not-found", "--wait=false"];
        world.kubectl(words).good()?;
    }
    Ok(())
}

fn default_class(world: &World, yes: &str) -> Result<()> {
    let change = json!({ "metadata": { "annotations": { DEFAULT: yes } } }).to_string();
    let words = [
        "patch",
        "storageclass",
        "standard",
        "--type",
        "merge",
        "--patch",
        &change,
    ];
    world.kubectl(words).good().map(drop)
}

/// The registry without its Pod and claim; with this claim, the Pod waits for it.
fn claim(world: &World, change: Value) -> Result<()> {
    no_claim(world)?;
    let mut spec = json!({
        "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } },
    });
    if let (Some(spec), Some(change)) = (spec.as_object_mut(), change.as_object()) {
        spec.extend(change.clone());
    }
    world.create(&json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": CLAIM, "namespace": NAMESPACE,
            "labels": { "kreg.dev/instance": "docker-registry", "app.kubernetes.io/managed-by": "kreg" },
        },
        "spec": spec,
    }))?;
    replicas(world, 1)
}

fn no_claim(world: &World) -> Result<()> {
    replicas(world, 0)?;
    let gone = [
        "wait",
        "--for=delete",
        "pod",
        "--namespace",
        NAMESPACE,
        "--timeout=60s",
    ];
    let which = "--selector=app.kubernetes.io/component=registry";
    world.kubectl(gone).args([which]).good()?;
    let words = [
        "delete",
        "persistentvolumeclaim",
        CLAIM,
        "--namespace",
        NAMESPACE,
    ];
    world
        .kubectl(words)
        .args(["--ignore-not-found", "--wait"])
        .good()
        .map(drop)
}

fn replicas(world: &World, number: u32) -> Result<()> {
    merge(
        world,
        "deployment/docker-registry",
        &json!({ "spec": { "replicas": number } }),
    )
}

/// A script on the node that holds the volume, with the volume's directory in `$dir`.
pub(super) fn on_volume(world: &World, script: &str) -> Result<()> {
    let claim = world.get(["persistentvolumeclaim", CLAIM, "--namespace", NAMESPACE])?;
    let name = claim["spec"]["volumeName"].as_str().unwrap_or_default();
    let volume = world.get(["persistentvolume", name])?;
    let spec = &volume["spec"];
    let dir = spec["hostPath"]["path"]
        .as_str()
        .or(spec["local"]["path"].as_str());
    let dir = dir.ok_or_else(|| Failure::new("find the volume's directory", spec))?;
    let terms = &spec["nodeAffinity"]["required"]["nodeSelectorTerms"][0];
    let host = terms["matchExpressions"][0]["values"][0]
        .as_str()
        .unwrap_or_default();
    let holds = |node: &&Node| node.name == host;
    let node = world.cluster.nodes.iter().find(holds);
    let node = node.ok_or_else(|| Failure::new("find the volume's node", host))?;
    world
        .on(node, &format!("dir='{dir}'\n{script}"))
        .good()
        .map(drop)
}
