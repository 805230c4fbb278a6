//! Ways into the nodes: an ssh key pair of the cluster's own, the nodes' host keys, `kreg.toml`.

use std::path::PathBuf;

use super::options::Node;
use super::plan;
use super::state::State;
use crate::failure::{Result, Tried as _};
use crate::images::REGISTRY;
use crate::process::Run;
use crate::progress::say;

const IDENTITY: &str = "id_ed25519";

/// Lets the cluster's key in as root on every node and writes `known_hosts`. A node image without
/// sshd (kind's own) only gets a word about it.
pub(super) fn open(nodes: &[Node], state: &State) -> Result<()> {
    let public = key(state)?;
    let mut known = String::new();
    for node in nodes {
        // The keys come by way of Docker, so nobody can stand in between.
        let keys = node.exec([
            "sh",
            "-c",
            "cat /etc/ssh/ssh_host_*_key.pub 2>/dev/null || true",
        ])?;
        if keys.is_empty() {
            say(format!("{}: no sshd on it, so no ssh backend", node.name));
            continue;
        }
        known.push_str(&plan::known_hosts(&node.address, &keys));
        node.feed(
            &public,
            [
                "sh",
                "-c",
                "umask 077; mkdir -p /root/.ssh; cat >/root/.ssh/authorized_keys",
            ],
        )?;
    }
    state.write("known_hosts", &known)
}

/// Writes the configuration that `kreg -c` takes; `preloaded` nodes know the registry's image as
/// it is named here, others pull the usual one.
pub(super) fn configure(state: &State, preloaded: bool) -> Result<()> {
    state.write("kreg.toml", &config(state, preloaded))
}

/// The public half; the pair is made once.
fn key(state: &State) -> Result<String> {
    let identity = state.file(IDENTITY);
    if !identity.exists() {
        // ssh-keygen asks before it overwrites, so it works on a name that is free for sure.
        let scratch = tempfile::tempdir_in(&state.directory)
            .tried(|| format!("make a key in {}", state.directory.display()))?;
        let fresh = scratch.path().join(IDENTITY);
        Run::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "kreg", "-f"])
            .arg(&fresh)
            .run()?;
        for end in ["pub", ""] {
            std::fs::rename(fresh.with_extension(end), identity.with_extension(end))
                .tried(|| format!("write {}", identity.display()))?;
        }
    }
    let public = identity.with_extension("pub");
    std::fs::read_to_string(&public).tried(|| format!("read {}", public.display()))
}

fn config(state: &State, preloaded: bool) -> String {
    let path = |file: PathBuf| serde_json::Value::from(file.to_string_lossy().into_owned());
    let registry = if preloaded {
        format!("[registry]\nimage = \"{REGISTRY}\"\n")
    } else {
        String::new()
    };
    // A JSON string is a TOML basic string.
    format!(
        "# written by `cargo xtask cluster up`\n\
         {registry}\
         [nodes]\n\
         backend = \"ssh\"\n\
         [nodes.ssh]\n\
         user = \"root\"\n\
         identity = {}\n\
         known_hosts = {}\n\
         [cluster]\n\
         kubeconfig = {}\n",
        path(state.file(IDENTITY)),
        path(state.file("known_hosts")),
        path(state.kubeconfig()),
    )
}
