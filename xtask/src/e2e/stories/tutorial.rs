//! The tutorial's own story: its objects, its files on the nodes, its nginx.

use std::time::Duration;

use serde_json::Value;

use super::report;
use crate::e2e::image;
use crate::e2e::snapshot::Snapshot;
use crate::e2e::story::Scene;
use crate::e2e::world::{HOST, PASSWORD, World, await_that};
use crate::failure::{Failure, Result};
use crate::images::NGINX;

const USER: &str = "myuser";
const IMAGE: &str = "docker-registry:5000/mynginx:v1";

/// The tutorial's objects, by its names; the first five are in `default`.
const OBJECTS: &[(&str, &str)] = &[
    ("pod", "docker-registry-pod"),
    ("service", "docker-registry"),
    ("secret", "certs-secret"),
    ("secret", "auth-secret"),
    ("secret", "reg-cred-secret"),
    ("persistentvolumeclaim", "docker-repo-pvc"),
    ("persistentvolume", "docker-repo-pv"),
];

pub(super) fn run(scene: &mut Scene<'_>) -> Result<()> {
    let before = scene.check(
        "every node's files and every API object are noted",
        Snapshot::take,
    )?;
    scene.afterwards("kreg down", |world| down(world).map(drop));

    let up = scene.check("kreg up --profile tutorial ends with 0", |world| {
        world
            .kreg(["up", "--profile", "tutorial", "--output", "json"])
            .good()
    })?;
    scene.check(
        "its report: every node pulled, every negative control held",
        |world| report::proves_every_node(&up, world),
    )?;
    scene.check("the objects are the tutorial's, by its names", objects)?;
    let address = scene.check(
        "the Service has an address, and the registry's Pod runs",
        service_address,
    )?;
    for node in &scene.world.cluster.nodes {
        scene.check(&format!("{} knows the name and trusts the certificate", node.name), |world| {
            let script = format!(
                "[ \"$(getent hosts docker-registry | cut -d' ' -f1)\" = {address} ]\n\
                 grep -qE '^{address}[[:space:]]+docker-registry$' /etc/hosts\n\
                 openssl x509 -in /etc/docker/certs.d/{HOST}/ca.crt -noout -checkhost docker-registry"
            );
            world.on(node, &script).good().map(drop)
        })?;
    }

    let master = scene.world.control_plane()?;
    scene.check("by name, the registry takes the password", |world| {
        answers(world, &format!("--user {USER}:{PASSWORD}"), "200")
    })?;
    scene.check("by name, it refuses without one", |world| {
        answers(world, "", "401")
    })?;
    scene.afterwards("the node's tag mynginx", |world| {
        let script = format!("ctr --namespace k8s.io images rm --sync {IMAGE} >&2");
        world.on(world.control_plane()?, &script).good().map(drop)
    });
    scene.check(
        "nginx is tagged and pushed by the node's own client",
        |world| {
            let script = format!(
                "ctr --namespace k8s.io images tag --force {NGINX} {IMAGE} >&2\n{}",
                image::push(IMAGE, USER)
            );
            world.on(master, &script).good().map(drop)
        },
    )?;
    scene.check(
        "mynginx is in the registry's repositories folder",
        |world| {
            let folder = "/var/lib/registry/docker/registry/v2/repositories/";
            let ran = world
                .kubectl(["exec", "docker-registry-pod", "--", "ls", folder])
                .good()?;
            match ran.stdout.lines().any(|line| line.trim() == "mynginx") {
                true => Ok(()),
                false => Err(ran.wrong("see mynginx there", "it is not listed")),
            }
        },
    )?;

    scene.afterwards("nginx-pod", remove_pod);
    scene.check("a Pod runs it from the private registry", |world| {
        let overrides = "--overrides={ \"apiVersion\": \"v1\", \"spec\": { \"imagePullSecrets\": \
                         [{\"name\": \"reg-cred-secret\"}] } }";
        let image = format!("--image={IMAGE}");
        world
            .kubectl(["run", "nginx-pod", &image, overrides])
            .good()?;
        image::await_running(world, "default", "nginx-pod")
    })?;
    scene.check(
        "its welcome page comes from the Pod's address",
        welcome_page,
    )?;
    scene.check("the Pod is removed", remove_pod)?;

    scene.check(
        "kreg down --profile tutorial --delete-data ends with 0",
        |world| down(world).map(drop),
    )?;
    scene.check("files and objects are as before, byte for byte", |world| {
        before.await_return(world)
    })
}

fn down(world: &World) -> Result<()> {
    let arguments = ["down", "--profile", "tutorial", "--delete-data", "--yes"];
    world.kreg(arguments).good().map(drop)
}

fn remove_pod(world: &World) -> Result<()> {
    let arguments = [
        "delete",
        "pod",
        "nginx-pod",
        "--ignore-not-found",
        "--now",
        "--wait",
    ];
    world.kubectl(arguments).good().map(drop)
}

/// Each object of the tutorial is there; in namespaces kreg has nothing beside them.
fn objects(world: &World) -> Result<()> {
    for (kind, name) in OBJECTS {
        world
            .kubectl(["get", kind, name, "--namespace", "default"])
            .good()?;
    }
    let kinds =
        "pods,services,secrets,configmaps,deployments,persistentvolumeclaims,persistentvolumes";
    let selector = "--selector=app.kubernetes.io/managed-by=kreg";
    let list = world.get([kinds, "--all-namespaces", selector])?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_lowercase();
    let strange: Vec<String> = list["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|object| (text(&object["kind"]), text(&object["metadata"]["name"])))
        .filter(|(kind, name)| !OBJECTS.contains(&(kind.as_str(), name.as_str())))
        .map(|(kind, name)| format!("{kind}/{name}"))
        .collect();
    match strange.as_slice() {
        [] => Ok(()),
        _ => Err(Failure::new(
            "see only the tutorial's objects",
            strange.join(", "),
        )),
    }
}

fn service_address(world: &World) -> Result<String> {
    let service = world.get(["service", "docker-registry", "--namespace", "default"])?;
    image::await_running(world, "default", "docker-registry-pod")?;
    match service["spec"]["clusterIP"].as_str() {
        Some(address) if address != "None" => Ok(address.to_owned()),
        _ => Err(Failure::new("read the Service's address", &service["spec"])),
    }
}

/// What the registry says to curl on the first node, by name and with the file that docker would use.
fn answers(world: &World, with: &str, code: &str) -> Result<()> {
    let script = format!(
        "curl --silent --show-error --max-time 20 --output /dev/null --write-out '%{{http_code}}' \
         --cacert /etc/docker/certs.d/{HOST}/ca.crt {with} https://{HOST}/v2/"
    );
    let ran = world.on(world.control_plane()?, &script).good()?;
    match ran.stdout.trim() == code {
        true => Ok(()),
        false => Err(ran.wrong(format!("see HTTP status {code}"), ran.stdout.trim())),
    }
}

fn welcome_page(world: &World) -> Result<()> {
    await_that(
        "nginx answers from its Pod",
        Duration::from_secs(30),
        || {
            let pod = world.get(["pod", "nginx-pod", "--namespace", "default"])?;
            let address = pod["status"]["podIP"].as_str().unwrap_or_default();
            let script = format!("curl --silent --show-error --max-time 10 http://{address}:80/");
            let ran = world.on(world.control_plane()?, &script).ran()?;
            Ok(match ran.stdout.contains("Welcome to nginx!") {
                true => Ok(()),
                false => Err(format!("{}{}", ran.stdout, ran.stderr)),
            })
        },
    )
}
