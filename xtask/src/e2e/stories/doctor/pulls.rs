//! Pods that fail to pull, each for a reason of its own.

use serde_json::{Value, json};

use super::breaks::Break;
use super::storage::on_volume;
use crate::e2e::call::Call;
use crate::e2e::image::{self, Pushed};
use crate::e2e::world::{HOST, PASSWORD, World};
use crate::failure::Result;
use crate::images::BUSYBOX;

const SECRET: &str = "kreg-doctor";

pub(super) const BREAKS: &[Break] = &[
    Break {
        id: "account-without-secret",
        what: "a Pod without a pull secret, and its service account without one",
        breaks: |world| pod(world, &format!("{HOST}/e2e/any:v1"), None),
        fixes: no_pod,
    },
    Break {
        id: "secret-not-in-namespace",
        what: "a pull secret that is in another namespace",
        breaks: |world| {
            pod(
                world,
                &format!("{HOST}/e2e/any:v1"),
                Some("docker-registry-pull"),
            )
        },
        fixes: no_pod,
    },
    Break {
        id: "secret-wrong-host",
        what: "a pull secret for the name without the port",
        breaks: |world| {
            login(world, "docker-registry", PASSWORD)?;
            pod(world, &format!("{HOST}/e2e/any:v1"), Some(SECRET))
        },
        fixes: no_pod,
    },
    Break {
        id: "secret-stale",
        what: "a copy of the pull secret with the password of before",
        breaks: |world| {
            login(world, HOST, "the password of before")?;
            pod(world, &format!("{HOST}/e2e/any:v1"), Some(SECRET))
        },
        fixes: no_pod,
    },
    Break {
        id: "secret-wrong-type",
        what: "a pull secret of type Opaque",
        breaks: |world| {
            let words = [
                "create",
                "secret",
                "generic",
                SECRET,
                "--from-literal=.dockerconfigjson={}",
            ];
            world.kubectl(words).good()?;
            pod(world, &format!("{HOST}/e2e/any:v1"), Some(SECRET))
        },
        fixes: no_pod,
    },
    Break {
        id: "image-not-found",
        what: "a tag that the registry does not have",
        breaks: |world| {
            login(world, HOST, PASSWORD)?;
            pod(world, &format!("{HOST}/e2e/any:no-such-tag"), Some(SECRET))
        },
        fixes: no_pod,
    },
    Break {
        id: "image-without-port",
        what: "an image name without the port, which leads to Docker Hub",
        breaks: |world| pod(world, "docker-registry/e2e/any:v1", None),
        fixes: no_pod,
    },
    Break {
        id: "wrong-architecture",
        what: "an image with a program for other processors",
        breaks: |world| {
            login(world, HOST, PASSWORD)?;
            let image = foreign_image(world)?;
            pod(world, &image, Some(SECRET))
        },
        fixes: no_pod,
    },
    Break {
        id: "pull-failed",
        what: "a layer that the disk has damaged",
        breaks: |world| {
            login(world, HOST, PASSWORD)?;
            let pushed = image::push_fresh(world, world.node(0)?, "kreg")?;
            damage(world, &pushed)?;
            pod(world, &pushed.reference, Some(SECRET))
        },
        fixes: no_pod,
    },
    Break {
        id: "secret-wrong-host",
        what: "a pull secret of the service account for another registry",
        breaks: |world| {
            login(world, "registry.example.com", PASSWORD)?;
            account(world, json!([{ "name": SECRET }]))?;
            pod(world, &format!("{HOST}/e2e/any:v1"), None)
        },
        fixes: |world| {
            account(world, Value::Null)?;
            no_pod(world)
        },
    },
    Break {
        id: "account-without-secret",
        what: "the service account's secret gone again",
        breaks: |world| pod(world, &format!("{HOST}/e2e/any:v1"), None),
        fixes: no_pod,
    },
];

/// Whatever a break that failed half way may have left.
pub(super) fn put_back(world: &World) -> Result<()> {
    account(world, Value::Null)?;
    no_pod(world)
}

fn pod(world: &World, image: &str, secret: Option<&str>) -> Result<()> {
    let mut pod = image::pod("doctor", "default", world.node(1)?, image, secret);
    if secret.is_none()
        && let Some(spec) = pod["spec"].as_object_mut()
    {
        // An empty list would do too; this is how most are written.
        spec.remove("imagePullSecrets");
    }
    world.create(&pod).map(drop)
}

/// The Pod and its secret go.
fn no_pod(world: &World) -> Result<()> {
    for object in ["pod/doctor", &format!("secret/{SECRET}")] {
        let words = ["delete", object, "--ignore-not-found", "--now"];
        world.kubectl(words).good()?;
    }
    Ok(())
}

/// In a manifest, for a password stands in no command line.
fn login(world: &World, server: &str, password: &str) -> Result<()> {
    let entry = json!({ "username": "kreg", "password": password });
    let document = json!({ "auths": { server: entry } }).to_string();
    world
        .create(&json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": SECRET },
            "type": "kubernetes.io/dockerconfigjson", "stringData": { ".dockerconfigjson": document },
        }))
        .map(drop)
}

fn account(world: &World, secrets: Value) -> Result<()> {
    let change = json!({ "imagePullSecrets": secrets }).to_string();
    let words = [
        "patch",
        "serviceaccount",
        "default",
        "--type",
        "merge",
        "--patch",
        &change,
    ];
    world.kubectl(words).good().map(drop)
}

/// Other bytes in the place of its last layer, as many as there were: the registry does not look at what it serves.
fn damage(world: &World, pushed: &Pushed) -> Result<()> {
    let manifest = pushed.digest.trim_start_matches("sha256:");
    on_volume(
        world,
        &format!(
            "blob() {{ echo \"$dir/docker/registry/v2/blobs/sha256/${{1:0:2}}/$1/data\"; }}\n\
             layer=$(grep -o 'sha256:[0-9a-f]*' \"$(blob {manifest})\" | tail -n 1)\n\
             file=$(blob \"${{layer#sha256:}}\"); size=$(stat -c %s \"$file\")\n\
             head -c \"$size\" /dev/urandom > /run/kreg-doctor.layer\n\
             cat /run/kreg-doctor.layer > \"$file\"; rm /run/kreg-doctor.layer"
        ),
    )
}

/// An image of this machine's kind whose program is an ELF file of 64-bit SPARC.
fn foreign_image(world: &World) -> Result<String> {
    let reference = format!("{HOST}/e2e/foreign:v1");
    let header = "\\177ELF\\002\\002\\001\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\002\\000\\053\\000\\000\\000\\001";
    let dockerfile = format!(
        "FROM {BUSYBOX}\nRUN printf '{header}' > /app && head -c 4096 /dev/zero >> /app && chmod +x /app\nCMD [\"/app\"]\n"
    );
    Call::new("docker")
        .args(["build", "--quiet", "--tag", &reference, "-"])
        .env("DOCKER_BUILDKIT", "0")
        .input(dockerfile)
        .good()?;
    image::push_built(world, world.node(1)?, &reference, "kreg").map(|pushed| pushed.reference)
}
