//! Trust on many nodes by SSH, beside a mere login to the same nodes by `parallel-ssh`.
//!
//! Both take turns, so that whatever else this machine does weighs on both; the ratio is that of
//! each round, and of those the median is told.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use serde::Serialize;

use super::farm::Farm;
use super::timed::{Timed, timed};
use super::{median, put};
use crate::e2e::world::build;
use crate::engine;
use crate::failure::{Failure, Result, Tried as _};
use crate::packages::{self, tool};
use crate::progress::say;

/// How many `parallel-ssh` enters at once; kreg has its own default.
const PARALLEL: &str = "32";

/// A CA as far as nodes can tell: they only keep it.
const CA: &str = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n";

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many nodes; several numbers are measured one after the other on the same nodes
    #[arg(long, value_delimiter = ',', default_value = "10,50,100",
          value_parser = clap::value_parser!(u16).range(1..=200))]
    nodes: Vec<u16>,

    /// How often each is measured; they take turns
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,

    /// kreg built as it is released, not for development
    #[arg(long)]
    release: bool,

    /// Also write the table to this file
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,

    /// Also write every figure to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What was measured with one number of nodes, in seconds, a round each.
#[derive(Debug, Default, Serialize)]
struct Figures {
    nodes: usize,
    login: Vec<f64>,
    trust: Vec<f64>,
    again: Vec<f64>,
    untrust: Vec<f64>,
    /// The most memory that kreg held, in KiB (`VmHWM`).
    memory_kib: u64,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: &'static str,
    kind: &'static str,
    about: String,
    sizes: &'a [Figures],
}

pub(crate) fn run(options: &Options) -> Result<()> {
    packages::ensure(&[
        tool("parallel-ssh", "pssh"),
        tool("ssh", "openssh-client"),
        tool("setsid", "util-linux"),
    ])?;
    engine::up()?;
    let kreg = built(options.release)?;
    let most = options.nodes.iter().copied().max().unwrap_or(1);
    let farm = Farm::start(usize::from(most))?;
    let ca = farm.file("ca.crt");
    std::fs::write(&ca, CA).tried(|| format!("write {}", ca.display()))?;
    let mut sizes = Vec::new();
    for nodes in &options.nodes {
        let bench = Bench {
            farm: &farm,
            kreg: &kreg,
            nodes: &farm.addresses()[..usize::from(*nodes)],
        };
        sizes.push(bench.measure(options.rounds)?);
    }
    drop(farm);
    let table = table(&about(options), &sizes);
    put(&table, options.write.as_deref())?;
    if let Some(file) = &options.json {
        let document = Document {
            schema: "kreg/v1",
            kind: "BenchNodes",
            about: about(options),
            sizes: &sizes,
        };
        let text = serde_json::to_string_pretty(&document).tried(|| "write JSON".to_owned())?;
        std::fs::write(file, text + "\n").tried(|| format!("write {}", file.display()))?;
    }
    Ok(())
}

/// The example is all that `kreg nodes trust` does on nodes, without a cluster.
fn built(release: bool) -> Result<PathBuf> {
    say("building kreg-nodes");
    let with = [
        "--package",
        "kreg-nodes",
        "--all-features",
        "--quiet",
        "--example",
        "ssh_nodes",
    ];
    let release: &[&str] = if release { &["--release"] } else { &[] };
    build("ssh_nodes", &[with.as_slice(), release].concat())
}

struct Bench<'a> {
    farm: &'a Farm,
    kreg: &'a Path,
    nodes: &'a [String],
}

impl Bench<'_> {
    fn measure(&self, rounds: u16) -> Result<Figures> {
        let mut figures = Figures {
            nodes: self.nodes.len(),
            ..Figures::default()
        };
        // The first round of all brings programs into memory, for both.
        self.login()?;
        self.kreg("trust", "changed", &mut 0)?;
        self.kreg("untrust", "changed", &mut 0)?;
        for round in 1..=rounds {
            let memory = &mut figures.memory_kib;
            let login = self.login()?;
            let trust = self.kreg("trust", "changed", memory)?;
            let again = self.kreg("trust", "unchanged", memory)?;
            let untrust = self.kreg("untrust", "changed", memory)?;
            say(format!(
                "{} nodes, round {round}: login {login:5.2} s, trust {trust:5.2} s ({:.2}), \
                 again {again:5.2} s, untrust {untrust:5.2} s",
                self.nodes.len(),
                trust / login,
            ));
            figures.login.push(login);
            figures.trust.push(trust);
            figures.again.push(again);
            figures.untrust.push(untrust);
        }
        Ok(figures)
    }

    fn login(&self) -> Result<f64> {
        let hosts = self.farm.file("hosts");
        let list: String = self.nodes.iter().map(|n| format!("root@{n}\n")).collect();
        std::fs::write(&hosts, list).tried(|| format!("write {}", hosts.display()))?;
        let known = format!("UserKnownHostsFile={}", self.farm.known_hosts().display());
        let mut command = Command::new("parallel-ssh");
        command.arg("--hosts").arg(&hosts).args(["-p", PARALLEL]);
        for option in ["BatchMode=yes", "IdentitiesOnly=yes", &known] {
            command.args(["-O", option]);
        }
        let identity = format!("-F none -i {}", self.farm.identity().display());
        command.args(["-x", &identity, "true"]);
        command.stdin(Stdio::null());
        let Timed { seconds, told, .. } = timed(command)?;
        let good = told.lines().filter(|l| l.contains("[SUCCESS]")).count();
        self.all(good, "log in by parallel-ssh", &told)?;
        Ok(seconds)
    }

    fn kreg(&self, what: &str, state: &str, memory: &mut u64) -> Result<f64> {
        let mut command = Command::new(self.kreg);
        command
            .arg(self.farm.identity())
            .arg(self.farm.known_hosts())
            .arg(self.farm.file("ca.crt"))
            .args(["10.96.0.50", what])
            .args(self.nodes);
        command.stdin(Stdio::null());
        let Timed {
            seconds,
            peak_kib,
            told,
            ..
        } = timed(command)?;
        *memory = (*memory).max(peak_kib);
        let wanted = format!(": {state} (");
        let good = told.lines().filter(|line| line.contains(&wanted)).count();
        self.all(good, &format!("see every node {state} by {what}"), &told)?;
        Ok(seconds)
    }

    /// A figure counts only if every node was done.
    fn all(&self, good: usize, what: &str, told: &str) -> Result<()> {
        match good == self.nodes.len() {
            true => Ok(()),
            false => Err(Failure::new(
                what,
                format!("{good} of {} are:\n{told}", self.nodes.len()),
            )),
        }
    }
}

fn about(options: &Options) -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let built = if options.release {
        "release"
    } else {
        "development"
    };
    format!(
        "{} rounds, taking turns; ratios are medians of each round's; parallel-ssh with \
         -p {PARALLEL}, kreg with its default of 64; nodes are containers with Debian 12's sshd on the same {cores} cores; kreg built for {built}",
        options.rounds
    )
}

fn table(about: &str, sizes: &[Figures]) -> String {
    let mut text = String::from(
        "| nodes | `parallel-ssh true` | kreg: trusted | to the login | again, nothing to do | to the login | \
         untrusted | kreg's memory |\n|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for one in sizes {
        let ratio = |times: &[f64]| {
            let ratios: Vec<f64> = times.iter().zip(&one.login).map(|(a, b)| a / b).collect();
            median(&ratios)
        };
        let _ = writeln!(
            text,
            "| {} | {:.2} s | {:.2} s | {:.2} | {:.2} s | {:.2} | {:.2} s | {:.1} MiB |",
            one.nodes,
            median(&one.login),
            median(&one.trust),
            ratio(&one.trust),
            median(&one.again),
            ratio(&one.again),
            median(&one.untrust),
            one.memory_kib as f64 / 1024.0,
        );
    }
    let _ = writeln!(text, "\n{about}.");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_tells_the_median_of_the_ratios() {
        let figures = Figures {
            nodes: 50,
            login: vec![2.0, 4.0, 1.0],
            trust: vec![2.0, 2.0, 2.0],
            again: vec![1.0, 1.0, 1.0],
            untrust: vec![3.0],
            memory_kib: 2048,
        };
        let table = table("a machine", &[figures]);
        let row = "| 50 | 2.00 s | 2.00 s | 1.00 | 1.00 s | 0.50 | 3.00 s | 2.0 MiB |";
        assert!(table.contains(row), "{table}");
    }
}
