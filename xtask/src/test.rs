//! `cargo xtask test`: everything that passes before a merge.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cluster;
use crate::e2e;
use crate::failure::{Failure, Result, Tried as _};
use crate::images;
use crate::needs;
use crate::packages;
use crate::process::Run;
use crate::progress::say;
use crate::stages::Stages;

/// One selection of packages and features for every stage, so that each dependency is built once.
const EVERYTHING: &[&str] = &["--workspace", "--all-features", "--locked"];

#[derive(Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// Leave out all that needs Docker or a cluster
    #[arg(long)]
    fast: bool,

    /// Leave the cluster up at the end
    #[arg(long, conflicts_with = "fast")]
    keep_cluster: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let mut stages = Stages::new();
    stages.stage("packages", || {
        packages::ensure(needs::BUILD)?;
        packages::ensure(needs::TEST)
    })?;
    alone(&mut stages);
    match options.fast {
        true => say(
            "LEFT OUT by --fast: tests with real programs and containers, the cluster, the stories",
        ),
        false => together(&mut stages, options),
    }
    e2e::print(&stages.table());
    match stages.failed().as_slice() {
        [] => Ok(()),
        failed => Err(Failure::new("pass every stage", failed.join(", "))
            .next("read what is above each line that begins with `failed:`")),
    }
}

/// What needs nothing but this folder.
fn alone(stages: &mut Stages) {
    stages.try_stage("format", || cargo("fmt", &["--all", "--check"], &[]));
    stages.try_stage("shell scripts", shell_scripts);
    stages.try_stage("clippy", || {
        let warnings = ["--all-targets", "--", "--deny", "warnings"];
        cargo("clippy", &[EVERYTHING, &warnings].concat(), &[])
    });
    stages.try_stage("documentation", || {
        let strict = [("RUSTDOCFLAGS", "--deny warnings")];
        cargo("doc", &[EVERYTHING, &["--no-deps"]].concat(), &strict)
    });
    stages.try_stage("tests", || {
        cargo("test", &[EVERYTHING, &["--no-fail-fast"]].concat(), &[])
    });
}

/// What needs Docker and the cluster. Each stage stands on the one before it.
fn together(stages: &mut Stages, options: &Options) {
    if !stages.try_stage("images for tests", images::build_all) {
        return;
    }
    let before = what_docker_has();
    let wanted = cluster::Options::default();
    let mut up = None;
    stages.try_stage("cluster", || {
        up = Some(cluster::up(&wanted)?);
        Ok(())
    });
    if let Some(cluster) = up {
        let kubeconfig = cluster.kubeconfig.display().to_string();
        stages.try_stage("tests with real parts", || {
            let ignored = ["--no-fail-fast", "--", "--ignored"];
            cargo(
                "test",
                &[EVERYTHING, &ignored].concat(),
                &[("KUBECONFIG", &kubeconfig)],
            )
        });
        stages.try_stage("stories on the cluster", || {
            e2e::run_all(cluster, built_kreg()?)
        });
    }
    if options.keep_cluster {
        say("the cluster stays up: --keep-cluster was given");
        return;
    }
    stages.try_stage("cluster down, nothing left", || {
        cluster::down(&wanted.name, false)?;
        nothing_left(&before?, &cluster::leftovers(&wanted.name)?)
    });
}

fn cargo(command: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let name = format!("cargo {command} {}", arguments.join(" "));
    let status = Command::new(cargo_program())
        .arg(command)
        .args(arguments)
        .envs(environment.iter().copied())
        // All features include a vendored OpenSSL; the system's is as good and needs no building.
        .env("OPENSSL_NO_VENDOR", "1")
        .current_dir(workspace())
        .status()
        .tried(|| format!("start {name}"))?;
    match status.success() {
        true => Ok(()),
        false => Err(Failure::new(format!("run {name}"), status)),
    }
}

/// The program that the tests' own selection of features gives: no dependency is built anew.
fn built_kreg() -> Result<PathBuf> {
    let told = Run::new(cargo_program())
        .arg("build")
        .args(EVERYTHING)
        .args(["--all-targets", "--message-format=json", "--quiet"])
        .env("OPENSSL_NO_VENDOR", "1")
        .cwd(workspace())
        .read()?;
    e2e::world::executable(&told, "kreg")
}

fn shell_scripts() -> Result<()> {
    let told = Run::new("git")
        .args(["ls-files", "--", "*.sh", ".ci/run"])
        .cwd(workspace())
        .read()?;
    Run::new("shellcheck")
        .args(told.lines())
        .cwd(workspace())
        .run()
}

/// Containers, networks and volumes, by kind and id.
fn what_docker_has() -> Result<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for (kind, list) in [
        ("container", ["ps", "--all", "--quiet"].as_slice()),
        ("network", &["network", "ls", "--quiet"]),
        ("volume", &["volume", "ls", "--quiet"]),
    ] {
        let told = Run::new("docker").args(list).read()?;
        all.extend(told.lines().map(|id| format!("{kind} {id}")));
    }
    Ok(all)
}

fn nothing_left(before: &BTreeSet<String>, leftovers: &[String]) -> Result<()> {
    let now = what_docker_has()?;
    let new = now.difference(before).map(String::as_str);
    let left: Vec<&str> = new.chain(leftovers.iter().map(String::as_str)).collect();
    match left.as_slice() {
        [] => Ok(()),
        left => Err(
            Failure::new("see nothing left of the tests", left.join(", "))
                .next("docker inspect ID says what each is; remove it, and mend what left it"),
        ),
    }
}

fn cargo_program() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
