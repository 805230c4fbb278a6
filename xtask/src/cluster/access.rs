//! Ways in: to the nodes ssh with a key pair of the cluster's own, else agents, as `kreg.toml` says; kubectl to the API.

use std::ffi::OsString;
use std::path::PathBuf;

use super::options::Node;
use super::plan;
use super::state::State;
use crate::failure::{Failure, Result, Tried as _};
use crate::images::REGISTRY;
use crate::process::Run;
use crate::progress::say;

const IDENTITY: &str = "id_ed25519";
const KNOWN_HOSTS: &str = "known_hosts";

/// Puts sshd on a node that may lack it.
const ADD_SSHD: &str = include_str!("../../assets/node/add-sshd.sh");

/// How kreg reaches the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backend {
    Ssh,
    Daemonset,
}

/// Lets the cluster's key in as root on every node, and writes `known_hosts` and `kreg.toml`.
///
/// A node image of our own has sshd, and is made where its nodes' addresses can be reached. On others
/// sshd is added; where that or the login fails on any node, kreg uses agents.
pub(super) fn open(nodes: &[Node], state: &State, own_image: bool) -> Result<()> {
    let backend = if own_image {
        let_in(nodes, state)?;
        Backend::Ssh
    } else {
        let tried = on_each(nodes, |node| node.feed(ADD_SSHD, ["sh", "-s"]).map(drop))
            .and_then(|()| let_in(nodes, state))
            .and_then(|()| on_each(nodes, |node| log_in(node, state)));
        match tried {
            Ok(()) => {
                say("sshd runs on every node, and lets the cluster's key in");
                Backend::Ssh
            }
            Err(why) => {
                say(format!("no ssh to the nodes: {why}"));
                say("so kreg uses agents on the nodes instead of ssh");
                Backend::Daemonset
            }
        }
    };
    state.write("kreg.toml", &config(state, own_image, backend))
}

/// Does the same on all nodes at once; of several failures the first node's is returned.
fn on_each(nodes: &[Node], step: impl Fn(&Node) -> Result<()> + Sync) -> Result<()> {
    std::thread::scope(|scope| {
        let step = &step;
        let all: Vec<_> = nodes
            .iter()
            .map(|node| scope.spawn(move || step(node)))
            .collect();
        let ended = all.into_iter().map(|one| {
            one.join()
                .unwrap_or_else(|_| Err(Failure::new("set up a node", "the thread panicked")))
        });
        ended.collect::<Vec<_>>().into_iter().collect()
    })
}

fn let_in(nodes: &[Node], state: &State) -> Result<()> {
    let public = key(state)?;
    let mut known = String::new();
    for node in nodes {
        // The keys come by way of Docker, so nobody can stand in between.
        let keys = node.exec(["sh", "-c", "cat /etc/ssh/ssh_host_*_key.pub"])?;
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
    state.write(KNOWN_HOSTS, &known)
}

/// Logs in from here, with nothing of this user's own configuration.
fn log_in(node: &Node, state: &State) -> Result<()> {
    let mut known = OsString::from("UserKnownHostsFile=\"");
    known.push(state.file(KNOWN_HOSTS));
    known.push("\"");
    Run::new("ssh")
        .args([
            "-F",
            "none",
            "-o",
            "BatchMode=yes",
            "-o",
            "ConnectTimeout=5",
        ])
        .args([
            "-o",
            "StrictHostKeyChecking=yes",
            "-o",
            "IdentitiesOnly=yes",
        ])
        .arg("-o")
        .arg(known)
        .arg("-i")
        .arg(state.file(IDENTITY))
        .arg(format!("root@{}", node.address))
        .arg("true")
        .run()
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

/// The kubectl of this very version, for whoever works with the cluster from outside. Only Linux runs it.
pub(super) fn client(nodes: &[Node], state: &State) -> Result<()> {
    let kubectl = state.file("kubectl");
    let needed = cfg!(target_os = "linux") && !kubectl.exists();
    let (Some(node), true) = (nodes.first(), needed) else {
        return Ok(());
    };
    let scratch = state.file(".kubectl");
    Run::new("docker")
        .args(["cp", "--follow-link"])
        .arg(format!("{}:/usr/bin/kubectl", node.container))
        .arg(&scratch)
        .run()?;
    std::fs::rename(&scratch, &kubectl).tried(|| format!("write {}", kubectl.display()))
}

/// The configuration that `kreg -c` takes. Nodes of an `own_image` already hold the registry's image
/// under the name here; others pull kreg's default.
fn config(state: &State, own_image: bool, backend: Backend) -> String {
    let path = |file: PathBuf| serde_json::Value::from(file.to_string_lossy().into_owned());
    let registry = if own_image {
        format!("[registry]\nimage = \"{REGISTRY}\"\n")
    } else {
        String::new()
    };
    // A JSON string is a TOML basic string.
    let nodes = match backend {
        Backend::Daemonset => "backend = \"daemonset\"\n".to_owned(),
        Backend::Ssh => format!(
            "backend = \"ssh\"\n\
             [nodes.ssh]\n\
             user = \"root\"\n\
             identity = {}\n\
             known_hosts = {}\n",
            path(state.file(IDENTITY)),
            path(state.file(KNOWN_HOSTS)),
        ),
    };
    format!(
        "# written by `cargo xtask cluster up`\n\
         {registry}\
         [nodes]\n\
         {nodes}\
         [cluster]\n\
         kubeconfig = {}\n",
        path(state.kubeconfig()),
    )
}
