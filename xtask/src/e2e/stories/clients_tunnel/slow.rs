//! Uploads that take longer than any timeout of a request, in which the registry says nothing.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::{CA, HOST, NAME, NAMESPACE, USER, kreg, through};
use crate::e2e::call::Call;
use crate::e2e::story::Scene;
use crate::e2e::world::{PASSWORD, World, await_that};
use crate::failure::Result;

/// At 100 KiB in a second it takes 90 seconds.
const BYTES: &str = "9216000";

/// Beginning of a script for curl: `$curl`, and `begin`, which prints where an upload goes.
/// The password is in a file, so that no list of processes shows it.
const CURL: &str = r#"
curl="curl --silent --show-error --fail --http1.1 --config curl.conf"
head -c "$BYTES" /dev/urandom > slow
digest="sha256:$(sha256sum slow | cut -d' ' -f1)"
begin() {
    $curl --request POST --output /dev/null --dump-header - "https://$HOST/v2/slow/blobs/uploads/" |
        tr -d '\r' | sed -n 's/^[Ll]ocation: //p' | sed "s|^/|https://$HOST/|"
}
upload() {
    to="$(begin)"
    case "$to" in *'?'*) to="$to&digest=$digest" ;; *) to="$to?digest=$digest" ;; esac
    $curl --limit-rate 100K --header 'Content-Type: application/octet-stream' --upload-file slow "$to"
}
"#;

pub(super) fn run(scene: &mut Scene<'_>) -> Result<()> {
    scene.check("curl uploads for 90 seconds without an answer", |world| {
        let script = "
            begun=$(date +%s)
            upload
            took=$(($(date +%s) - begun))
            [ \"$took\" -ge 85 ] || { echo \"it took only $took s\" >&2; exit 9; }
            $curl --head --output /dev/null \"https://$HOST/v2/slow/blobs/$digest\"";
        by_curl(world, script)?.good().map(drop)
    })?;
    scene.check(
        "a Pod that ends while an upload runs: the next call goes to the new one",
        replaced,
    )?;
    scene.afterwards("the slow way to the tunnel", |_| {
        // Where nothing was made slow there is nothing to take away.
        Call::new("tc")
            .args(["qdisc", "del", "dev", "lo", "root"])
            .ran()
            .map(drop)
    });
    scene.check("docker pushes for 90 seconds without an answer", |world| {
        // Only what goes to the tunnel's own address is slow: HTB does not hold what no filter gives a class.
        let script = format!(
            r#"
            address="$(getent ahostsv4 {NAME} | awk 'NR == 1 {{ print $1 }}')"
            mkdir -p slow-image
            printf 'FROM scratch\nCOPY slow /slow\n' > slow-image/Dockerfile
            head -c {BYTES} /dev/urandom > slow-image/slow
            DOCKER_BUILDKIT=0 docker build --quiet --tag {HOST}/slow:1 slow-image
            tc qdisc add dev lo root handle 1: htb
            tc class add dev lo parent 1: classid 1:1 htb rate 800kbit burst 128kb
            tc filter add dev lo protocol ip parent 1: prio 1 u32 match ip dst "$address/32" flowid 1:1
            begun=$(date +%s)
            code=0; docker push {HOST}/slow:1 || code=$?
            took=$(($(date +%s) - begun))
            tc qdisc del dev lo root
            docker rmi {HOST}/slow:1
            [ "$took" -ge 85 ] || {{ echo "it took only $took s" >&2; exit 9; }}
            exit "$code"
            "#
        );
        through(world, &script)
            .limit(Duration::from_secs(600))
            .good()
            .map(drop)
    })
}

/// While curl uploads through a tunnel, other calls go through the same one.
fn replaced(world: &World) -> Result<()> {
    let (send, lines) = mpsc::channel();
    // The tunnel stays open when the upload is cut off.
    let script = "upload || until [ -e enough ]; do sleep 0.2; done";
    let uploading = by_curl(world, script)?.start(Some(send))?;
    let opened = || lines.recv_timeout(Duration::from_secs(120));
    while opened().is_ok_and(|line| !line.contains("leads to service")) {}
    // The upload has begun by then, and takes 85 seconds more.
    thread::sleep(Duration::from_secs(5));
    let deployment = format!("deployment/{NAME}");
    let rollout = |words: &[&str]| {
        let place = ["--namespace", NAMESPACE, "rollout"];
        world.kubectl(place.iter().chain(words)).good()
    };
    let inspect = || {
        let call = Call::new("skopeo").args(["inspect", "--authfile"]);
        call.args([world.file("auth.json")])
            .args([format!("docker://{HOST}/skopeo:1")])
            .good()
    };
    // The old Pod may take its whole grace to finish the upload; clients made with Go give up after 10 s.
    let went_on = rollout(&["restart", &deployment])
        .and_then(|_| {
            let answered = || Ok(inspect().map_err(|refused| refused.to_string()));
            await_that("a call is answered", Duration::from_secs(110), answered)
        })
        .and_then(|_| rollout(&["status", "--timeout", "110s", &deployment]))
        .and_then(|_| inspect());
    // Whether the upload itself survives is up to the old Pod's grace.
    world.write("enough", "")?;
    uploading.interrupt()?;
    went_on.map(drop)
}

/// A script for curl while a tunnel is open, with the CA that the tunnel put there.
fn by_curl(world: &World, script: &str) -> Result<Call> {
    let login = format!("user = \"{USER}:{PASSWORD}\"\ncacert = \"{CA}\"\n");
    world.write("curl.conf", &login)?;
    let script = format!("BYTES={BYTES}\nHOST={HOST}\n{CURL}\n{script}");
    let words = [
        "tunnel", "--trust", "install", "--login", "--", "sh", "-euc", &script,
    ];
    Ok(kreg(world, words).limit(Duration::from_secs(600)))
}
