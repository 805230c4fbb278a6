//! `cargo xtask test`: everything that passes before a merge.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread::ScopedJoinHandle;

use crate::cluster::{self, ClusterHandle};
use crate::e2e::world::World;
use crate::e2e::{self, Telling};
use crate::failure::{Failure, Result, Tried as _};
use crate::images;
use crate::lint;
use crate::needs;
use crate::packages;
use crate::parts::Generation;
use crate::passed::Passed;
use crate::process::cargo_program;
use crate::process::{Run, without_xtasks_own};
use crate::progress::say;
use crate::real_parts;
use crate::stages::Stages;

/// One selection of packages and features for every stage, so that each dependency is built once.
const EVERYTHING: &[&str] = &["--workspace", "--all-features", "--locked"];

#[derive(Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// Leave out all that needs Docker or a cluster
    #[arg(long)]
    fast: bool,

    /// Leave the clusters up at the end
    #[arg(long, conflicts_with = "fast")]
    keep_cluster: bool,

    /// Run what passed before, too, though nothing that it depends on has changed since
    #[arg(long, conflicts_with = "fast")]
    again: bool,

    /// Instead: only what depends on Kubernetes itself, on a cluster of this generation
    #[arg(long, value_enum, value_name = "GENERATION", conflicts_with_all = ["fast", "keep_cluster", "again"])]
    kubernetes: Option<Generation>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let mut stages = Stages::new();
    stages.stage("packages", || {
        packages::ensure(needs::BUILD)?;
        packages::ensure(needs::TEST)
    })?;
    if let Some(generation) = options.kubernetes {
        of_generation(&mut stages, generation);
    } else if options.fast {
        alone(&mut stages);
        say(
            "LEFT OUT by --fast: tests with real programs and containers, the cluster, the stories",
        );
    } else {
        say("LEFT OUT without --kubernetes 1.20: that Kubernetes, and what is told on it");
        let first = std::thread::scope(|scope| {
            // Both build and wait; together they wait less.
            let made = scope.spawn(first_cluster);
            alone(&mut stages);
            let mut first = None;
            stages.try_stage(
                "images for tests and the first cluster, begun before",
                || {
                    first = Some(made.join().unwrap_or_else(|_| {
                        Err(Failure::new("make a cluster", "what makes it panicked"))
                    })?);
                    Ok(())
                },
            );
            first
        });
        match first {
            Some(first) => together(&mut stages, options, first),
            None if options.keep_cluster => {}
            None => {
                stages.try_stage("cluster down", || cluster::down(CLUSTERS[0], false));
            }
        }
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
    lint::run(stages, &workspace());
    stages.try_stage("documentation", || {
        let strict = [("RUSTDOCFLAGS", "--deny warnings")];
        cargo("doc", &[EVERYTHING, &["--no-deps"]].concat(), &strict)
    });
    stages.try_stage("tests", || {
        cargo("test", &[EVERYTHING, &["--no-fail-fast"]].concat(), &[])
    });
}

/// The tests of kreg-k8s and the stories that are told on every generation, on a cluster of this one.
fn of_generation(stages: &mut Stages, generation: Generation) {
    let name = format!("kreg-{}", generation.in_names("-"));
    let mut cluster = None;
    stages.try_stage("images and the cluster", || {
        images::build_all()?;
        let options = cluster::Options {
            kubernetes: generation,
            ..named(&name)
        };
        cluster = Some(cluster::up(&options)?);
        Ok(())
    });
    if let Some(cluster) = cluster {
        stages.try_stage("tests of kreg-k8s and of this Kubernetes' parts", || {
            let tests = real_parts::programs(&built_tests()?);
            real_parts::run_of_generation(tests, &cluster, generation)
        });
        stages.try_stage("stories", || {
            let telling = Telling::of_every_kubernetes();
            telling.on(World::new(cluster.clone(), built_kreg()?)?)?;
            telling.end()
        });
    }
    stages.try_stage("cluster down", || cluster::down(&name, false));
}

/// A cluster, and what Docker had before it.
struct First {
    cluster: ClusterHandle,
    before: BTreeSet<String>,
}

fn first_cluster() -> Result<First> {
    images::build_all()?;
    let before = what_docker_has()?;
    let cluster = cluster::up(&named(CLUSTERS[0]))?;
    Ok(First { cluster, before })
}

fn named(cluster: &str) -> cluster::Options {
    cluster::Options {
        name: cluster.to_owned(),
        ..cluster::Options::default()
    }
}

/// What needs Docker and the cluster.
fn together(stages: &mut Stages, options: &Options, first: First) {
    let others = CLUSTERS[1..].iter().copied().map(named).collect::<Vec<_>>();
    stages.try_stage("tests with real parts, beside the stories", || {
        side_by_side(first.cluster, &others, options.again)
    });
    if options.keep_cluster {
        say("the clusters stay up: --keep-cluster was given");
        return;
    }
    stages.try_stage("clusters down, nothing left", || {
        let mut left = Vec::new();
        for name in CLUSTERS {
            cluster::down(name, false)?;
            left.extend(cluster::leftovers(name)?);
        }
        nothing_left(&first.before, &left)
    });
}

/// All but the first are for stories alone: much of a story is waiting.
const CLUSTERS: [&str; 3] = ["kreg", "kreg-stories-1", "kreg-stories-2"];

/// The tests of the crates on the first cluster while the others are made and stories are told
/// there; then all share what stories are left.
fn side_by_side(first: ClusterHandle, others: &[cluster::Options], again: bool) -> Result<()> {
    let passed = Passed::of(workspace(), again)?;
    let kreg = built_kreg()?;
    let (tests, old_tests) =
        real_parts::still_to_run(real_parts::programs(&built_tests()?), &passed)?;
    let (telling, old_stories) = Telling::of_new(&passed);
    left_out(&old_tests, &old_stories);
    let others = &others[..others.len().min(telling.waiting() / WORTH_A_CLUSTER)];
    let tell = |cluster: ClusterHandle| telling.on(World::new(cluster, kreg.clone())?);
    let (ready, made) = mpsc::channel();
    let results = std::thread::scope(|scope| {
        // One after the other: beginning takes the whole machine, telling does not.
        let maker = scope.spawn(move || {
            others.iter().try_for_each(|options| {
                let cluster = cluster::up(options)?;
                // Nobody listens any more only if the other end has panicked.
                let _ = ready.send(cluster);
                Ok(())
            })
        });
        let on_first =
            scope.spawn(|| real_parts::run(tests, &first, &passed).and(tell(first.clone())));
        let mut lanes = vec![maker, on_first];
        lanes.extend(made.iter().map(|cluster| scope.spawn(|| tell(cluster))));
        let ended = |lane: ScopedJoinHandle<'_, Result<()>>| {
            lane.join()
                .unwrap_or_else(|_| Err(Failure::new("run tests", "one of them panicked")))
        };
        lanes.into_iter().map(ended).collect::<Vec<_>>()
    });
    let told = telling.end();
    results.into_iter().chain([told]).collect()
}

/// Fewer stories than this are told before another cluster is made.
const WORTH_A_CLUSTER: usize = 6;

fn left_out(tests: &[String], stories: &[&str]) {
    let names = tests.iter().map(String::as_str);
    let names: Vec<_> = names.chain(stories.iter().copied()).collect();
    if !names.is_empty() {
        say(format!(
            "LEFT OUT, for they passed less than a week ago and nothing that they depend on changed \
             since (--again runs them): {} programs of tests and {} stories: {}",
            tests.len(),
            stories.len(),
            names.join(", ")
        ));
    }
}

fn cargo(command: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let name = format!("cargo {command} {}", arguments.join(" "));
    let status = cargo_command(command, arguments)
        .envs(environment.iter().copied())
        .status()
        .tried(|| format!("start {name}"))?;
    match status.success() {
        true => Ok(()),
        false => Err(Failure::new(format!("run {name}"), status)),
    }
}

fn cargo_command(command: &str, arguments: &[&str]) -> Command {
    let mut cargo = Command::new(cargo_program());
    without_xtasks_own(&mut cargo)
        .arg(command)
        .args(arguments)
        // All features include a vendored OpenSSL; the system's is as good and needs no building.
        .env("OPENSSL_NO_VENDOR", "1")
        .current_dir(workspace());
    cargo
}

/// The program that the tests' own selection of features gives: no dependency is built again for it.
pub(crate) fn built_kreg() -> Result<PathBuf> {
    let with = ["--workspace", "--all-features", "--all-targets", "--quiet"];
    e2e::world::build("kreg", &with)
}

/// What cargo says of the programs of tests, all of them built.
fn built_tests() -> Result<String> {
    Run::new(cargo_program())
        .arg("test")
        .args(EVERYTHING)
        .args(["--no-run", "--message-format=json", "--quiet"])
        .env("OPENSSL_NO_VENDOR", "1")
        .cwd(workspace())
        .read()
}

fn shell_scripts() -> Result<()> {
    let told = Run::new("git")
        .args(["ls-files", "--", "*.sh", ".ci/run"])
        // Pieces of programs: kreg-nodes judges them joined, as nodes run them.
        .arg(":!crates/kreg-nodes/src/program")
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

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
