//! Images for Pods of a story's own: made a moment before, so that no node can have them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::cluster::Node;
use crate::e2e::call::Call;
use crate::e2e::world::{HOST, PASSWORD, World, await_that};
use crate::failure::{Failure, Result, Tried as _};
use crate::images::BUSYBOX;

/// Where the runtime of the cluster's nodes looks for hosts.toml.
const CERTS_D: &str = "/etc/containerd/certs.d";

/// An image in the registry.
#[derive(Debug, Clone)]
pub(crate) struct Pushed {
    /// `docker-registry:5000/…:tag`
    pub(crate) reference: String,
    /// `sha256:…` of its manifest
    pub(crate) digest: String,
}

/// Builds an image with a layer that nobody has seen, and pushes it with `node`'s own client, by
/// the registry's name and the trust that kreg put there. The node forgets the image afterwards.
pub(crate) fn push_fresh(world: &World, node: &Node, user: &str) -> Result<Pushed> {
    let nonce = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .tried(|| "read the clock".to_owned())?
        .as_nanos();
    let reference = format!("{HOST}/e2e/fresh:{nonce}");
    let dockerfile = format!(
        "FROM {BUSYBOX}\nRUN echo {nonce} > /nonce\nCMD [\"sh\", \"-c\", \"cat /nonce && exec sleep 3600\"]\n"
    );
    Call::new("docker")
        .args(["build", "--quiet", "--tag", &reference, "-"])
        .env("DOCKER_BUILDKIT", "0")
        .input(dockerfile)
        .good()?;
    push_built(world, node, &reference, user)
}

/// Pushes an image that Docker has; Docker and the node forget it afterwards.
pub(crate) fn push_built(
    world: &World,
    node: &Node,
    reference: &str,
    user: &str,
) -> Result<Pushed> {
    let archive = world.file("fresh.tar");
    let saved = Call::new("docker")
        .args(["save", "--output"])
        .args([&archive])
        .args([reference])
        .good();
    Call::new("docker")
        .args(["rmi", "--force", reference])
        .good()?;
    saved?;
    let inside = "/root/pushed.tar";
    Call::new("docker")
        .args(["cp"])
        .args([&archive])
        .args([format!("{}:{inside}", node.container)])
        .good()?;
    let told = world
        .on(
            node,
            &format!(
                "trap 'rm -f {inside}' EXIT\n\
                 ctr --namespace k8s.io images import {inside} >&2\n\
                 {push}\n\
                 ctr --namespace k8s.io images ls name=={reference} | awk 'NR == 2 {{ print $3 }}'\n\
                 ctr --namespace k8s.io images rm --sync {reference} >&2",
                push = push(reference, user),
            ),
        )
        .read()?;
    Ok(Pushed {
        reference: reference.to_owned(),
        digest: told,
    })
}

/// Puts an image that Docker has into every node's runtime, as one does where there is no registry yet.
pub(crate) fn load(world: &World, image: &str) -> Result<()> {
    let archive = world.file("load.tar");
    Call::new("docker")
        .args(["save", "--output"])
        .args([&archive])
        .args([image])
        .good()?;
    for node in &world.cluster.nodes {
        Call::new("docker")
            .args(["cp"])
            .args([&archive])
            .args([format!("{}:/root/load.tar", node.container)])
            .good()?;
        world
            .on(
                node,
                "trap 'rm -f /root/load.tar' EXIT\nctr --namespace k8s.io images import /root/load.tar >&2",
            )
            .good()?;
    }
    Ok(())
}

/// A node's own client pulls an image anew and forgets it; by the registry's name and kreg's trust.
pub(crate) fn pull(world: &World, node: &Node, pushed: &Pushed, user: &str) -> Result<()> {
    let reference = &pushed.reference;
    let script = format!(
        "ctr --namespace k8s.io images pull --hosts-dir {CERTS_D} --user {user}:{PASSWORD} {reference} >&2\n\
         ctr --namespace k8s.io images ls name=={reference} | awk 'NR == 2 {{ print $3 }}'\n\
         ctr --namespace k8s.io images rm --sync {reference} >&2"
    );
    let digest = world.on(node, &script).read()?;
    match digest == pushed.digest {
        true => Ok(()),
        false => Err(Failure::new(
            format!("pull {reference} as {} on {}", pushed.digest, node.name),
            format!("its digest is {digest}"),
        )),
    }
}

/// The command that pushes an image with containerd's own client.
pub(crate) fn push(reference: &str, user: &str) -> String {
    format!(
        "ctr --namespace k8s.io images push --hosts-dir {CERTS_D} --user {user}:{PASSWORD} {reference} >&2"
    )
}

/// A Pod, tied to a node, that pulls whatever happens and stays up.
pub(crate) fn pod(
    name: &str,
    namespace: &str,
    node: &Node,
    image: &str,
    secret: Option<&str>,
) -> Value {
    let secrets: Vec<Value> = secret.iter().map(|name| json!({ "name": name })).collect();
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "namespace": namespace },
        "spec": {
            "nodeName": node.name,
            "tolerations": [{ "operator": "Exists" }],
            "imagePullSecrets": secrets,
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "app",
                "image": image,
                "imagePullPolicy": "Always",
            }],
        },
    })
}

/// Waits until the Pod runs; returns the image id that its node's runtime reports.
pub(crate) fn await_running(world: &World, namespace: &str, name: &str) -> Result<String> {
    let what = format!("Pod {namespace}/{name} runs");
    await_that(&what, Duration::from_secs(90), || {
        let pod = world.get(["pod", name, "--namespace", namespace])?;
        let container = &pod["status"]["containerStatuses"][0];
        Ok(match container["state"]["running"] {
            Value::Object(_) => Ok(container["imageID"].as_str().unwrap_or_default().to_owned()),
            _ => Err(container["state"].to_string()),
        })
    })
}

/// Waits until the kubelet says why it cannot pull; returns its words.
pub(crate) fn await_refused(world: &World, namespace: &str, name: &str) -> Result<String> {
    let what = format!("the pull of Pod {namespace}/{name} is refused");
    await_that(&what, Duration::from_secs(90), || {
        let pod = world.get(["pod", name, "--namespace", namespace])?;
        let state = &pod["status"]["containerStatuses"][0]["state"];
        if state["running"].is_object() {
            return Err(Failure::new(format!("see that {what}"), "it runs"));
        }
        let waiting = &state["waiting"];
        Ok(match waiting["reason"].as_str() {
            Some("ErrImagePull" | "ImagePullBackOff") => {
                Ok(waiting["message"].as_str().unwrap_or_default().to_owned())
            }
            _ => Err(state.to_string()),
        })
    })
}
