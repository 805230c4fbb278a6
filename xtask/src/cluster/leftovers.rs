//! What a cluster leaves on the machine, found by marks that outlive a killed run, and taken away.
//!
//! Programs that xtask starts for a cluster carry [`MARK`] in their environment, as do their
//! children; containers carry labels; cgroups of containers that the engine no longer knows are
//! recognised by the container's id.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::kind::CLUSTER_LABEL;
use super::state::State;
use crate::engine;
use crate::failure::{Failure, Result};
use crate::node::{self, BENCH};
use crate::process::Run;
use crate::progress::say;

/// Variable that marks every program started for the cluster it names.
pub(super) const MARK: &str = "KREG_XTASK_CLUSTER";

/// How long the engine may take to remove containers.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where cgroups are, of either version.
const CGROUPS: &str = "/sys/fs/cgroup";

/// What is still there of the cluster, one line each; empty after a clean end.
pub(crate) fn leftovers(name: &str) -> Result<Vec<String>> {
    let state = State::open(name)?;
    let mut found: Vec<String> = marked(name)
        .into_iter()
        .map(|pid| format!("process {pid}"))
        .collect();
    if engine::answers() {
        found.extend(
            containers(name)?
                .into_iter()
                .map(|id| format!("container {id}")),
        );
        found.extend(network(name).map(|id| format!("network {id}")));
        found.extend(
            orphaned_cgroups()?
                .into_iter()
                .map(|path| format!("cgroup {}", path.display())),
        );
    }
    if state.directory.exists() {
        found.push(format!("directory {}", state.directory.display()));
    }
    Ok(found)
}

/// Removes all of it; safe to repeat.
pub(super) fn remove(name: &str, state: &State) -> Result<()> {
    // First whoever could make more of it.
    for pid in marked(name) {
        say(format!("ending process {pid} of a run that was cut off"));
        // It may have ended by itself.
        let _ = Run::new("kill")
            .args(["-KILL", &pid.to_string()])
            .succeeds();
    }
    if !engine::answers() {
        if !state.directory.exists() {
            return Ok(());
        }
        // Its containers lie in the engine's store: only an engine can remove them.
        engine::up()?;
    }
    remove_containers(name)?;
    if let Some(id) = network(name) {
        Run::new("docker").args(["network", "rm", &id]).run()?;
    }
    for cgroup in orphaned_cgroups()? {
        remove_cgroup(&cgroup);
    }
    state.remove()
}

/// Removes the cluster's containers until none is left: a creation under way when its client died
/// may still end, and a container that is being removed already cannot be removed once more.
fn remove_containers(name: &str) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    let mut told = false;
    loop {
        let containers = containers(name)?;
        if containers.is_empty() {
            return Ok(());
        }
        if !told {
            say(format!("removing {} containers", containers.len()));
            told = true;
        }
        let removed = Run::new("docker")
            .args(["rm", "--force", "--volumes"])
            .args(&containers)
            .run();
        if Instant::now() > until {
            let undone = || Failure::new("remove the containers", containers.join(" "));
            return Err(removed
                .err()
                .unwrap_or_else(undone)
                .next("remove these containers by hand, then run this again"));
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// Ids of the cluster's containers and of those that a killed node image build left.
fn containers(name: &str) -> Result<Vec<String>> {
    let list = |filter: &str, format: &str| {
        Run::new("docker")
            .args(["ps", "--all", "--no-trunc", "--filter", filter])
            .args(["--format", format])
            .read()
    };
    let mut ids: Vec<String> = list(&format!("label={CLUSTER_LABEL}={name}"), "{{.ID}}")?
        .lines()
        .map(str::to_owned)
        .collect();
    let benches = list(&format!("name=^{BENCH}"), "{{.ID}} {{.Names}}")?;
    ids.extend(benches.lines().filter_map(abandoned).map(str::to_owned));
    Ok(ids)
}

/// The id out of `<id> <name>`, if the name is a node image builder's and that builder is gone.
fn abandoned(line: &str) -> Option<&str> {
    let (id, name) = line.split_once(' ')?;
    let builder = name.strip_prefix(BENCH)?.parse().ok()?;
    (!node::builds(builder)).then_some(id)
}

fn network(name: &str) -> Option<String> {
    Run::new("docker")
        .args(["network", "inspect", "--format={{.Id}}", name])
        .read()
        .ok()
}

/// Processes whose environment says that they belong to the cluster; never this one.
fn marked(name: &str) -> Vec<u32> {
    let mark = format!("{MARK}={name}");
    let own = std::process::id();
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != own)
        .filter(|pid| {
            fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|environment| carries(&environment, &mark))
        })
        .collect()
}

fn carries(environment: &[u8], mark: &str) -> bool {
    environment
        .split(|byte| *byte == 0)
        .any(|entry| entry == mark.as_bytes())
}

/// cgroups `docker/<id>` of containers that the engine does not know.
fn orphaned_cgroups() -> Result<Vec<PathBuf>> {
    let known = Run::new("docker")
        .args(["ps", "--all", "--quiet", "--no-trunc"])
        .read()?;
    let known: BTreeSet<&str> = known.lines().collect();
    let hierarchies = directories(Path::new(CGROUPS))
        .into_iter()
        .map(|hierarchy| hierarchy.join("docker"));
    Ok([Path::new(CGROUPS).join("docker")]
        .into_iter()
        .chain(hierarchies)
        .flat_map(|docker| directories(&docker))
        .filter(|cgroup| {
            cgroup
                .file_name()
                .and_then(|id| id.to_str())
                .is_some_and(|id| is_container_id(id) && !known.contains(id))
        })
        .collect())
}

fn is_container_id(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Removes a cgroup and those below it. The kernel refuses one that still has processes, and such a
/// one is nobody's leftover.
fn remove_cgroup(cgroup: &Path) {
    for child in directories(cgroup) {
        remove_cgroup(&child);
    }
    let _ = fs::remove_dir(cgroup);
}

fn directories(parent: &Path) -> Vec<PathBuf> {
    fs::read_dir(parent)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir() && !path.is_symlink())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_a_whole_entry() {
        let environment = b"PATH=/bin\0KREG_XTASK_CLUSTER=kreg\0HOME=/\0";
        assert!(carries(environment, "KREG_XTASK_CLUSTER=kreg"));
        assert!(!carries(environment, "KREG_XTASK_CLUSTER=kre"));
        assert!(!carries(
            b"X=KREG_XTASK_CLUSTER=kreg\0",
            "KREG_XTASK_CLUSTER=kreg"
        ));
    }

    #[test]
    fn only_a_dead_builders_container_is_abandoned() {
        // The pid limit of Linux is 2^22: this one cannot be alive.
        assert_eq!(abandoned("abc kreg-node-image-4194305"), Some("abc"));
        assert_eq!(abandoned("abc kreg-node-image-"), None);
        assert_eq!(abandoned("abc kreg-control-plane"), None);
        assert_eq!(abandoned("abc"), None);
    }

    #[test]
    fn only_whole_ids_are_containers() {
        assert!(is_container_id(&"0a".repeat(32)));
        assert!(!is_container_id("buildkit"));
        assert!(!is_container_id(&"0a".repeat(31)));
    }
}
