//! What kind's makers publish: the program, and a node image that nobody has to build.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use super::options::{NodeImage, Options};
use crate::failure::{Failure, Result, Tried as _};
use crate::node;
use crate::packages;
use crate::parts;
use crate::process::{self, Run};
use crate::progress::say;

/// The variable that names another image than [`parts::KIND_NODE_IMAGE`], such as the copy on a mirror.
const VARIABLE: &str = "KREG_NODE_IMAGE";

/// How long a registry may take to say what the image is. The download itself has no limit.
const ANSWER: Duration = Duration::from_secs(30);

impl NodeImage {
    /// kind's own image, or the one that `KREG_NODE_IMAGE` names.
    pub(crate) fn published() -> Self {
        Self::Published(std::env::var(VARIABLE).unwrap_or_else(|_| parts::KIND_NODE_IMAGE.into()))
    }
}

/// The name of the image to make nodes of. Docker has it afterwards, or can pull it.
pub(super) fn image(options: &Options) -> Result<String> {
    let image = match &options.node_image {
        NodeImage::Built => return node::image(options.kubernetes),
        NodeImage::Named(image) => return Ok(image.clone()),
        NodeImage::Published(image) => image,
    };
    // `docker load` keeps the tag but not the digest.
    let tag = image.split_once('@').map_or(image.as_str(), |(tag, _)| tag);
    if let Some(there) = [image, tag].into_iter().find(|name| is_there(name)) {
        say(format!("using {there}, which Docker has"));
        return Ok(there.to_owned());
    }
    say(format!("trying to pull {image}"));
    let Err(why) = pull(image, ANSWER) else {
        say(format!("using {image}: no node image has to be built"));
        return Ok(image.clone());
    };
    if !packages::can_install() && !node::is_built(options.kubernetes) {
        return Err(Failure::new(
            "get an image for the nodes",
            format!("{why}; and without that image one has to be built, as root on Debian"),
        )
        .next(format!(
            "go online, or set {VARIABLE} to the name of the image on a registry that answers"
        )));
    }
    say(format!("{why}"));
    say("so the node image is built here, once: that takes about ten minutes");
    node::image(options.kubernetes)
}

fn is_there(image: &str) -> bool {
    Run::new("docker")
        .args(["image", "inspect", image])
        .succeeds()
}

/// Pulls the image. `answer` bounds only the time until the first line, which Docker prints when it
/// has the image's manifest.
fn pull(image: &str, answer: Duration) -> Result<()> {
    let tried = || format!("pull {image}");
    let mut child = Command::new("docker")
        .args(["pull", image])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .tried(tried)?;
    let lines = BufReader::new(
        child
            .stdout
            .take()
            .ok_or_else(|| Failure::new(tried(), "docker pull has no output"))?,
    );
    let (sender, receiver) = mpsc::channel();
    // Reads to the end, so that Docker never waits for a reader.
    let reader = std::thread::spawn(move || {
        lines.lines().map_while(Result::ok).for_each(|line| {
            let _ = sender.send(line);
        });
    });
    if receiver.recv_timeout(answer) == Err(RecvTimeoutError::Timeout) {
        child.kill().tried(tried)?;
        child.wait().tried(tried)?;
        let seconds = answer.as_secs();
        return Err(Failure::new(
            tried(),
            format!("the registry did not answer within {seconds} s"),
        ));
    }
    let output = child.wait_with_output().tried(tried)?;
    let _ = reader.join();
    match output.status.success() {
        true => Ok(()),
        false => Err(Failure::new(
            tried(),
            String::from_utf8_lossy(&output.stderr).trim(),
        )),
    }
}

/// kind's program: the one on `PATH` if it is not older than the one that is built here.
pub(super) fn kind() -> Result<PathBuf> {
    let found = process::find("kind");
    let Some(found) = found.filter(|kind| {
        let said = Run::new(kind).args(["version", "--quiet"]).read();
        said.is_ok_and(|version| parts::number(&version) >= parts::number(parts::KIND_VERSION))
    }) else {
        return Ok(parts::kind()?.program);
    };
    say(format!("using {}", found.display()));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Instant;

    use super::*;
    use crate::parts::Generation;

    #[test]
    #[ignore = "needs Docker: run by cargo xtask test"]
    fn a_registry_that_never_answers_is_given_up() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let image = format!("{}/kindest/node:v1.37.0", silent.local_addr().unwrap());
        let start = Instant::now();
        let why = pull(&image, Duration::from_secs(1)).unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(5), "{why}");
        assert!(why.to_string().contains("did not answer"), "{why}");
    }

    #[test]
    #[ignore = "needs Docker: run by cargo xtask test"]
    fn where_no_registry_answers_the_image_is_built_here() {
        let options = Options {
            node_image: NodeImage::Published("127.0.0.1:1/kindest/node:v1.37.0".to_owned()),
            ..Options::default()
        };
        let built = node::image(Generation::default()).unwrap();
        assert_eq!(image(&options).unwrap(), built);
    }
}
