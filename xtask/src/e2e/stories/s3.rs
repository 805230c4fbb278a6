//! Several Pods on one bucket of a real S3 server with a CA of its own, outside the cluster.

use std::path::{Path, PathBuf};

use super::user::service_address;
use super::{
    report,
    steps::{down, nodes_untouched},
};
use crate::e2e::call::Call;
use crate::e2e::image::{self, Pushed};
use crate::e2e::story::Scene;
use crate::e2e::world::{HOST, PASSWORD, World};
use crate::failure::{Failure, Result};
use crate::images::S3;

const USER: &str = "kreg";
const BUCKET: &str = "images";
const ACCESS: &str = "kregs3access";
const SECRET: &str = "kreg/s3+secret=";
/// Of a loop on a node.
const HOME: &str = "/run/kreg-story-s3";

pub(super) fn run(scene: &mut Scene<'_>) -> Result<()> {
    let config = with_server(scene)?;
    let kreg = |world: &World, words: &[&str]| world.kreg(words).env("KREG_CONFIG", &config);
    let up = |world: &World, secret: &str| up_with(world, &config, secret);
    scene.afterwards("kreg down", down);
    nodes_untouched(scene, |scene| {
        scene.check(
            "without keys: exit code 2, and where they may come from",
            |world| {
                kreg(world, &["up"])
                    .ends_with(2)?
                    .says(&["KREG_S3_SECRET_KEY", "credentials_file"])
            },
        )?;
        scene.check(
            "two Pods on a volume for one: exit code 2, and the ways out",
            |world| {
                world
                    .kreg(["up", "--replicas", "2"])
                    .ends_with(2)?
                    .says(&["ReadWriteOnce", "S3 bucket"])
            },
        )?;
        scene.check("a bucket that no server would take: exit code 2", |world| {
            world
                .kreg(["up", "--storage", "s3:Not_A_Bucket"])
                .ends_with(2)?
                .says(&["storage.s3.bucket"])
                .map(drop)
        })
    })?;
    scene.check(
        "with a wrong key: exit code 4, in the S3 server's words",
        |world| {
            up(world, "wrong")
                .ends_with(4)?
                .says(&["SignatureDoesNotMatch"])
        },
    )?;
    scene.check(
        "kreg up with the right one: two Pods, every node proved",
        |world| report::proves_every_node(&up(world, SECRET).good()?, world),
    )?;
    scene.check("each Pod is on a node of its own", |world| {
        let mut nodes: Vec<String> = pods(world)?.into_iter().map(|pod| pod.node).collect();
        nodes.sort();
        nodes.dedup();
        same("the nodes of two Pods", nodes.len(), 2)
    })?;
    scene.check("again, without keys: nothing to do", |world| {
        let words = ["up", "--replicas", "2", "--skip-verify", "--output", "json"];
        report::says_unchanged(&kreg(world, &words).good()?)?;
        kreg(world, &["status"])
            .good()?
            .shows(&["2 of 2 Pods ready"])
    })?;
    scene.check("kreg user add ends when both Pods let ann in", |world| {
        kreg(world, &["user", "add", "ann", "--password-stdin"])
            .input(PASSWORD)
            .good()?;
        for pod in pods(world)? {
            let code = curl(world, &pod.address, "ann", "/v2/")?;
            same(
                &format!("the answer of {}", pod.address),
                code.as_str(),
                "200",
            )?;
        }
        Ok(())
    })?;
    let pushed = scene.check("a node's own client pushes an image", |world| {
        image::push_fresh(world, world.control_plane()?, USER)
    })?;
    no_pull_lost(scene, &pushed, &config)?;
    scene.check("new Pods serve what the old ones have stored", |world| {
        image::pull(world, world.node(1)?, &pushed, USER)
    })?;
    let stored = scene.check("images lie in the bucket", |world| match blobs(world)? {
        0 => Err(Failure::new("see blobs in the bucket", "there are none")),
        some => Ok(some),
    })?;
    scene.check(
        "kreg down --delete-data leaves the bucket, and says so",
        |world| {
            kreg(world, &["down", "--delete-data", "--yes"])
                .good()?
                .shows(&["s3://images"])?;
            same("the blobs in the bucket", blobs(world)?, stored)
        },
    )
}

/// An S3 server for this story; the kreg.toml that names it.
pub(super) fn with_server(scene: &mut Scene<'_>) -> Result<String> {
    scene.afterwards("the S3 server", |world| {
        Call::new("docker")
            .args(["rm", "--force", "--volumes", &server(world)])
            .good()
            .map(drop)
    });
    let config = scene.check("an S3 server with TLS and a bucket is there", start)?;
    Ok(config.display().to_string())
}

/// `kreg up` with two Pods on that server's bucket.
pub(super) fn up(world: &World, config: &str) -> Call {
    up_with(world, config, SECRET)
}

fn up_with(world: &World, config: &str, secret: &str) -> Call {
    world
        .kreg(["up", "--replicas", "2", "--output", "json"])
        .env("KREG_CONFIG", config)
        .env("KREG_S3_ACCESS_KEY", ACCESS)
        .env("KREG_S3_SECRET_KEY", secret)
}

/// A certificate is renewed, and with it both Pods, while a node asks for an image without a pause.
fn no_pull_lost(scene: &mut Scene<'_>, pushed: &Pushed, config: &str) -> Result<()> {
    scene.afterwards("the loop on a node", |world| stop(world).map(drop));
    scene.check("a node asks for it again and again", |world| {
        let path = pushed.reference.trim_start_matches(HOST);
        let (name, tag) = path.rsplit_once(':').unwrap_or((path, "latest"));
        let ask = ask(
            &service_address(world)?,
            USER,
            &format!("/v2{name}/manifests/{tag}"),
        );
        let script = format!(
            "rm -rf {HOME}; mkdir -p {HOME}\n\
             cat > {HOME}/loop <<'LOOP'\n\
             while [ ! -e {HOME}/stop ]; do\n{ask}\necho; sleep 0.05\ndone >> {HOME}/answers\n\
             LOOP\n\
             setsid bash {HOME}/loop </dev/null >/dev/null 2>&1 &"
        );
        world.on(world.node(1)?, &script).good()
    })?;
    scene.check("kreg cert renew: both Pods are replaced", |world| {
        let before: Vec<String> = pods(world)?.into_iter().map(|pod| pod.address).collect();
        world
            .kreg(["cert", "renew"])
            .env("KREG_CONFIG", config)
            .good()?;
        match pods(world)?
            .iter()
            .find(|pod| before.contains(&pod.address))
        {
            None => Ok(()),
            Some(same) => Err(Failure::new(
                "see new Pods",
                format!("{} still serves", same.address),
            )),
        }
    })?;
    scene.check("every answer was 200", |world| {
        let told = stop(world)?;
        let lines: Vec<&str> = told.lines().map(str::trim).collect();
        match lines.as_slice() {
            [only] if only.ends_with(" 200") => Ok(()),
            _ => Err(Failure::new("see only 200", told)),
        }
    })
}

/// How many of each answer.
fn stop(world: &World) -> Result<String> {
    let script = format!(
        "mkdir -p {HOME}; touch {HOME}/stop; sleep 3\n\
         if [ -e {HOME}/answers ]; then sort {HOME}/answers | uniq -c; fi\n\
         rm -rf {HOME}"
    );
    world.on(world.node(1)?, &script).read()
}

fn server(world: &World) -> String {
    format!("{}-s3", world.cluster.name)
}

/// Starts it on the cluster's network; returns a kreg.toml that names it.
fn start(world: &World) -> Result<PathBuf> {
    let name = server(world);
    let docker = |words: &[&str]| Call::new("docker").args(words);
    docker(&[
        "run",
        "--detach",
        "--name",
        &name,
        "--network",
        &world.cluster.name,
    ])
    .args(["--env", &format!("ROOT_ACCESS_KEY={ACCESS}")])
    .args(["--env", &format!("ROOT_SECRET_KEY={SECRET}")])
    .args([S3])
    .good()?;
    let format = "--format={{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    let address = docker(&["inspect", format, &name]).read()?;
    let (key, certificate) = (world.file("s3.key"), world.file("s3-ca.crt"));
    Call::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"])
        .args(["-pkeyopt", "ec_paramgen_curve:P-256", "-subj", "/CN=s3"])
        .args(["-addext", &format!("subjectAltName=IP:{address}")])
        .args(["-keyout".as_ref(), key.as_os_str()])
        .args(["-out".as_ref(), certificate.as_os_str()])
        .good()?;
    docker(&["exec", &name, "mkdir", &format!("/data/{BUCKET}")]).good()?;
    for (file, inside) in [(&key, "tls.key"), (&certificate, "tls.crt")] {
        docker(&["cp"])
            .args([file])
            .args([format!("{name}:/tls/{inside}")])
            .good()?;
    }
    let text = format!(
        "{}\n[storage]\nkind = \"s3:{BUCKET}\"\n\
         [storage.s3]\nendpoint = \"https://{address}:9000\"\nprefix = \"/kreg\"\nca_file = \"s3-ca.crt\"\n",
        world.config()?
    );
    world.write("s3.toml", &text)
}

struct Pod {
    node: String,
    address: String,
}

fn pods(world: &World) -> Result<Vec<Pod>> {
    let selector = "--selector=app.kubernetes.io/component=registry";
    let list = world.get(["pods", "--namespace", "kreg-system", selector])?;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let pods: Vec<Pod> = list["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
        .map(|pod| Pod {
            node: text(&pod["spec"]["nodeName"]),
            address: text(&pod["status"]["podIP"]),
        })
        .collect();
    same("the registry's Pods", pods.len(), 2).map(|()| pods)
}

/// Copies what lies in the bucket below the registry's prefix.
pub(super) fn copy(world: &World, path: &str, to: &Path) -> Result<()> {
    let from = format!("{}:/data/{BUCKET}/kreg/{path}", server(world));
    let copied = Call::new("docker").args(["cp", &from]).args([to]).good();
    copied.map(drop)
}

fn blobs(world: &World) -> Result<usize> {
    let find = format!("find /data/{BUCKET}/kreg/docker/registry/v2/blobs -name data");
    let told = Call::new("docker")
        .args(["exec", &server(world), "sh", "-c", &find])
        .read()?;
    Ok(told.lines().count())
}

fn curl(world: &World, address: &str, user: &str, path: &str) -> Result<String> {
    world.on(world.node(1)?, &ask(address, user, path)).read()
}

/// A script that prints the code of one answer; by the registry's name, at this address.
fn ask(address: &str, user: &str, path: &str) -> String {
    format!(
        "curl --silent --max-time 5 --output /dev/null --write-out '%{{http_code}}' --config - \
         --header 'Accept: application/vnd.docker.distribution.manifest.v2+json' \
         --resolve {HOST}:{address} --cacert /etc/containerd/certs.d/{HOST}/ca.crt https://{HOST}{path} <<'END' || true\n\
         user = \"{user}:{PASSWORD}\"\nEND"
    )
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, is: T, wanted: T) -> Result<()> {
    match is == wanted {
        true => Ok(()),
        false => Err(Failure::new(
            format!("see {what} be {wanted:?}"),
            format!("it is {is:?}"),
        )),
    }
}
