//! Puts images into the containerd of a node image, without a network.

use std::process::{Command, Stdio};

use crate::cache;
use crate::failure::{Failure, Result, Tried as _};
use crate::images::CONTENT;
use crate::process::Run;

/// Start of the names of the containers that images are put together in; the builder's pid follows,
/// so that a killed builder's can be told. Not a label: containers inherit those from their image.
pub(crate) const BENCH: &str = "kreg-node-image-";

/// Whether the process of this pid still is an xtask at work.
pub(crate) fn builds(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "xtask")
}

/// Starts `from`, imports `images` into its containerd, and commits the result as `tag`.
pub(super) fn commit(from: &str, images: &[&str], tag: &str, digest: &str) -> Result<()> {
    let container = Container::start(from)?;
    container.run("containerd >/var/log/preload.log 2>&1 & for i in 1 2 3 4 5 6 7 8 9 10; do ctr version >/dev/null 2>&1 && exit 0; sleep 1; done; tail /var/log/preload.log; exit 1")?;
    container.import(images)?;
    container.run("kill $(pidof containerd); while pidof containerd >/dev/null; do sleep 0.1; done; rm -f /var/log/preload.log /run/containerd/*.sock*")?;
    Run::new("docker")
        .args(["commit", "--change"])
        .arg(format!("LABEL {CONTENT}={digest}"))
        // What `docker run` was told replaced the image's own.
        .args([
            "--change",
            "ENTRYPOINT [\"/usr/local/bin/entrypoint\", \"/sbin/init\"]",
        ])
        .args(["--change", "CMD []"])
        .arg(&container.id)
        .arg(tag)
        .run()
}

/// A container that is removed when the value goes.
struct Container {
    id: String,
}

impl Container {
    fn start(image: &str) -> Result<Self> {
        let id = Run::new("docker")
            .args(["run", "--detach", "--name"])
            .arg(format!("{BENCH}{}", std::process::id()))
            .args(["--network=none", "--entrypoint=sleep", image, "infinity"])
            .read()?;
        Ok(Self { id })
    }

    fn run(&self, script: &str) -> Result<()> {
        Run::new("docker")
            .args(["exec", &self.id, "bash", "-c", script])
            .run()
    }

    /// `docker save` here, `ctr import` there. Nothing is unpacked: overlayfs cannot lie on overlayfs.
    fn import(&self, images: &[&str]) -> Result<()> {
        let log = cache::log("preload")?;
        let told = std::fs::File::create(&log).tried(|| format!("make {}", log.display()))?;
        let mut save = Command::new("docker")
            .arg("save")
            .args(images)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .tried(|| "start docker save".to_owned())?;
        let pipe = save
            .stdout
            .take()
            .ok_or_else(|| Failure::new("read docker save", "it has no output"))?;
        let import = Command::new("docker")
            .args([
                "exec",
                "--interactive",
                &self.id,
                "ctr",
                "--namespace=k8s.io",
            ])
            .args(["images", "import", "--no-unpack", "--all-platforms", "-"])
            .stdin(pipe)
            .stdout(
                told.try_clone()
                    .tried(|| format!("open {}", log.display()))?,
            )
            .stderr(told)
            .status()
            .tried(|| "start ctr images import".to_owned())?;
        let saved = save.wait().tried(|| "wait for docker save".to_owned())?;
        if import.success() && saved.success() {
            return Ok(());
        }
        Err(Failure::new(
            "put the images into the node image",
            format!("docker save: {saved}, ctr images import: {import}"),
        )
        .log(&log))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // What this misses, `cluster down` finds by its label.
        let _ = Run::new("docker")
            .args(["rm", "--force", "--volumes", &self.id])
            .succeeds();
    }
}
