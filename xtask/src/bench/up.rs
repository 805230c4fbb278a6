//! `kreg up` beside the tutorial typed by hand, on one cluster, in one run.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use super::{median, put};
use crate::cluster;
use crate::e2e::call::{Call, Ran};
use crate::e2e::world::{World, build_kreg};
use crate::failure::{Result, Tried as _};
use crate::images::REGISTRY;
use crate::packages::{self, tool};
use crate::progress::say;

/// The tutorial, typed.
const TUTORIAL: &str = include_str!("../../assets/bench/tutorial.sh");

#[derive(Debug, clap::Args)]
#[group(id = "up")]
pub(crate) struct Options {
    /// How often each is measured; they take turns
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,

    /// On the cluster of this name, made if it is not there
    #[arg(long, value_name = "NAME", default_value = "kreg")]
    cluster: String,

    /// Also write the table to this file
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// One way to a registry: how to get there, and back.
struct Way {
    name: &'static str,
    up: fn(&World) -> Result<Ran>,
    down: Option<fn(&World) -> Result<Ran>>,
}

/// In this order in every round. One without a way back is measured on top of the one before it.
const WAYS: &[Way] = &[
    Way {
        name: "the tutorial by hand",
        up: |w| by_hand(w, "up"),
        down: Some(|w| by_hand(w, "down")),
    },
    Way {
        name: "`kreg up --profile tutorial --skip-verify` (the same work)",
        up: |w| kreg(w, &["up", "--profile", "tutorial", "--skip-verify"]),
        down: Some(|w| {
            kreg(
                w,
                &["down", "--profile", "tutorial", "--delete-data", "--yes"],
            )
        }),
    },
    Way {
        name: "`kreg up --skip-verify`",
        up: |w| kreg(w, &["up", "--skip-verify"]),
        down: Some(|w| kreg(w, &["down", "--delete-data", "--yes"])),
    },
    Way {
        name: "`kreg up` (and the proof: a pull on every node)",
        up: |w| kreg(w, &["up"]),
        down: None,
    },
    Way {
        name: "`kreg up` again, nothing to change, with the proof",
        up: |w| kreg(w, &["up"]),
        down: Some(|w| kreg(w, &["down", "--delete-data", "--yes"])),
    },
];

pub(crate) fn run(options: &Options) -> Result<()> {
    packages::ensure(&[
        tool("htpasswd", "apache2-utils"),
        tool("openssl", "openssl"),
        tool("ssh", "openssh-client"),
    ])?;
    let cluster = cluster::up(&cluster::Options {
        name: options.cluster.clone(),
        ..cluster::Options::default()
    })?;
    let world = World::new(cluster, build_kreg()?)?;
    let mut seconds = vec![Vec::new(); WAYS.len()];
    for round in 1..=options.rounds {
        for (way, seconds) in WAYS.iter().zip(&mut seconds) {
            let ran = (way.up)(&world);
            if let Some(down) = way.down {
                // Also after a failure: the next way must find the cluster empty.
                down(&world)?;
            }
            let took = ran?.took.as_secs_f64();
            say(format!("round {round}: {took:6.2} s  {}", way.name));
            seconds.push(took);
        }
    }
    let table = table(&about(&world)?, &seconds);
    put(&table, options.write.as_deref())
}

fn kreg(world: &World, arguments: &[&str]) -> Result<Ran> {
    world.kreg(arguments).good()
}

fn by_hand(world: &World, what: &str) -> Result<Ran> {
    let files = tempfile::tempdir().tried(|| "make a directory for keys".to_owned())?;
    Call::new("bash")
        .args(["-s", "--", what])
        .input(TUTORIAL)
        .env("KUBECONFIG", &world.cluster.kubeconfig)
        .env("KUBECTL", world.state_file("kubectl"))
        .env("SSH", ssh(world))
        .env("REGISTRY_IMAGE", REGISTRY)
        .env("CERTS_D", "/etc/containerd/certs.d")
        .env("FILES", files.path())
        .limit(Duration::from_secs(400))
        .good()
}

fn ssh(world: &World) -> String {
    format!(
        "ssh -o BatchMode=yes -o IdentitiesOnly=yes -o UserKnownHostsFile={} -i {}",
        world.state_file("known_hosts").display(),
        world.state_file("id_ed25519").display()
    )
}

/// Which machine and which versions were measured.
fn about(world: &World) -> Result<String> {
    let nodes = world.get(["nodes"])?;
    let info = &nodes["items"][0]["status"]["nodeInfo"];
    let text = |key: &str| info[key].as_str().unwrap_or("?").to_owned();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    Ok(format!(
        "{} nodes, Kubernetes {}, {}, registry image {REGISTRY}, {cores} cores, kreg built for development",
        world.cluster.nodes.len(),
        text("kubeletVersion"),
        text("containerRuntimeVersion"),
    ))
}

fn table(about: &str, seconds: &[Vec<f64>]) -> String {
    let mut text = String::from(
        "| what | median | min | max | to the tutorial |\n|---|---:|---:|---:|---:|\n",
    );
    let base = seconds.first().map_or(f64::NAN, |times| median(times));
    for (way, times) in WAYS.iter().zip(seconds) {
        let middle = median(times);
        let min = times.iter().copied().fold(f64::INFINITY, f64::min);
        let max = times.iter().copied().fold(0.0, f64::max);
        let ratio = middle / base;
        let _ = writeln!(
            text,
            "| {} | {middle:.2} s | {min:.2} s | {max:.2} s | {ratio:.2} |",
            way.name
        );
    }
    let rounds = seconds.first().map_or(0, Vec::len);
    let _ = writeln!(text, "\n{rounds} rounds, taking turns; {about}.");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_compares_with_the_tutorial() {
        let seconds: Vec<Vec<f64>> = (1..=WAYS.len()).map(|n| vec![n as f64 * 2.0]).collect();
        let table = table("a machine", &seconds);
        assert!(
            table.contains("| the tutorial by hand | 2.00 s | 2.00 s | 2.00 s | 1.00 |"),
            "{table}"
        );
        assert!(
            table.contains("| 4.00 s | 4.00 s | 4.00 s | 2.00 |"),
            "{table}"
        );
        assert!(
            table.contains("1 rounds, taking turns; a machine."),
            "{table}"
        );
    }

    #[test]
    #[ignore = "needs shellcheck: run by cargo xtask test"]
    fn the_script_is_clean() {
        Call::new("shellcheck")
            .args(["-"])
            .input(TUTORIAL)
            .good()
            .unwrap();
    }
}
