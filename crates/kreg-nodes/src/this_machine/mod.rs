//! Trust of the clients on this very machine, and the registry's address on its loopback device: put
//! in place for a while, and taken back, with the same journal as on nodes.
//!
//! For a program that leads an address of this machine to a registry, as a tunnel does. [`install`]
//! takes root, and Linux with iproute2. It blocks for as long as some programs of this machine run.

mod address;
mod error;
mod others;

use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub use error::ThisMachineError;
pub use others::others_can_change;

use crate::{
    Answer, FileStatus, InstanceId, LocalRoot, Node, NodeFacts, NodePlan, NodeProgram,
    NodeTransport as _, Output, ProbeRequest, State, Trust, client_files, hosts_file,
};

const TIMEOUT: Duration = Duration::from_secs(60);

/// For so long a Go program that runs, as dockerd does, believes what it last read in `/etc/hosts`
/// (Go, src/net/hosts.go).
const HOSTS_BELIEVED: Duration = Duration::from_secs(5);
const DOCKER_SOCKET: &str = "/var/run/docker.sock";

/// Trust and address that are in place until they are taken back.
#[derive(Debug)]
pub struct Installed {
    instance: InstanceId,
    address: IpAddr,
    paths: Vec<String>,
    warnings: Vec<String>,
    /// The name led here before: perhaps by another program, which runs.
    anothers: AtomicBool,
    /// The address was put there by this, or by one that was killed.
    addressed: bool,
    /// When `/etc/hosts` was written.
    written: Option<Instant>,
}

impl Installed {
    /// Where the registry's name leads on this machine.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The files that hold the trust.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        self.paths.clone()
    }

    /// What went well and yet needs a look.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether it may belong to another program that runs.
    #[must_use]
    pub fn is_anothers(&self) -> bool {
        self.anothers.load(Ordering::Relaxed)
    }

    /// Says that this program listens at the address, so that no other does.
    pub fn claim(&self) {
        self.anothers.store(false, Ordering::Relaxed);
    }

    /// How long dockerd, if it runs here, may still not know the name.
    #[must_use]
    pub fn unsettled(&self) -> Duration {
        match self.written {
            Some(written) if Path::new(DOCKER_SOCKET).exists() => {
                HOSTS_BELIEVED.saturating_sub(written.elapsed())
            }
            _ => Duration::ZERO,
        }
    }

    /// Puts everything back as it was.
    ///
    /// # Errors
    /// [`ThisMachineError`] if something is left; [`remove`] goes on from there.
    pub fn take_back(self) -> Result<(), ThisMachineError> {
        take_back(&self.instance, self.addressed.then_some(self.address)).map(drop)
    }
}

/// Has the clients of this machine trust the registry, and puts `address` on the loopback device, where
/// `trust` leads its name. Its instance must not be that of a node, which this machine may be too.
///
/// # Errors
/// [`ThisMachineError`]; nothing is changed then, unless the error says so.
pub fn install(trust: &Trust, address: IpAddr) -> Result<Installed, ThisMachineError> {
    let trust = trust.clone().with_endpoint(address);
    let paths: Vec<_> = client_files(&trust)
        .iter()
        .map(|kind| kind.path().to_owned())
        .collect();
    let before = installed_at(trust.instance());
    if let Some(other) = before.filter(|other| *other != address) {
        return Err(ThisMachineError::LeadsElsewhere {
            host: trust.host().to_string(),
            address: other,
        });
    }
    let facts = facts(&trust, &paths)?;
    let plan =
        NodePlan::for_clients(&facts, &trust).map_err(|refused| ThisMachineError::Refused {
            refused,
            is_root: facts.uid == 0,
        })?;
    let written = !plan.is_unchanged();
    // Files first: by what stands in `/etc/hosts` a later run finds the address again.
    if written {
        answered(
            &NodeProgram::apply(&plan),
            "put the clients' trust in place",
        )?;
    }
    let added = match address::add(address) {
        Ok(added) => added,
        Err(error) => {
            if written && before.is_none() {
                // Told by the error above it, which is the cause.
                let _ = take_back(trust.instance(), None);
            }
            return Err(error);
        }
    };
    Ok(Installed {
        instance: trust.instance().clone(),
        address,
        paths,
        warnings: plan.warnings().to_vec(),
        anothers: AtomicBool::new(before.is_some()),
        addressed: added || before.is_some(),
        written: written.then(Instant::now),
    })
}

/// Takes back what a program that was killed has left. Says what was taken back; harmless where there
/// is nothing.
///
/// # Errors
/// [`ThisMachineError`] if something is left.
pub fn remove(instance: &InstanceId) -> Result<Vec<String>, ThisMachineError> {
    take_back(instance, installed_at(instance))
}

/// Where an earlier [`install`] has led the registry's name.
fn installed_at(instance: &InstanceId) -> Option<IpAddr> {
    let hosts = std::fs::read_to_string(hosts_file::HOSTS).ok()?;
    address_in(&hosts, instance)
}

/// The address that kreg's block gives.
fn address_in(hosts: &str, instance: &InstanceId) -> Option<IpAddr> {
    let begin = format!("# BEGIN kreg {instance}");
    let mut lines = hosts.lines().skip_while(|line| line.trim() != begin);
    lines.nth(1)?.split_whitespace().next()?.parse().ok()
}

fn take_back(
    instance: &InstanceId,
    address: Option<IpAddr>,
) -> Result<Vec<String>, ThisMachineError> {
    let mut back = Vec::new();
    if let Some(address) = address
        && address::remove(address)?
    {
        back.push(address.to_string());
    }
    let answer = answered(&NodeProgram::undo(instance), "take the clients' trust back")?;
    let restored = answer
        .files
        .into_iter()
        .filter(|file| matches!(file.status, FileStatus::Restored | FileStatus::Changed));
    back.extend(restored.map(|file| file.path));
    Ok(back)
}

fn facts(trust: &Trust, paths: &[String]) -> Result<NodeFacts, ThisMachineError> {
    let request = ProbeRequest::new(trust).with(paths.iter().cloned());
    let output = run(&NodeProgram::probe(&request))?;
    NodeFacts::decode(&output.stdout)
        .map_err(ThisMachineError::program("read what this machine holds"))
}

fn answered(program: &NodeProgram, tried: &'static str) -> Result<Answer, ThisMachineError> {
    let output = run(program)?;
    let answer = Answer::read(&output).map_err(ThisMachineError::program(tried))?;
    if matches!(answer.state, State::Changed | State::Unchanged) {
        return Ok(answer);
    }
    let unwell: Vec<_> = answer
        .files
        .iter()
        .filter(|file| matches!(file.status, FileStatus::Dirty | FileStatus::Failed))
        .map(|file| format!("{} {}", file.path, file.detail))
        .collect();
    Err(ThisMachineError::Files {
        tried,
        unwell: unwell.join("; "),
    })
}

fn run(program: &NodeProgram) -> Result<Output, ThisMachineError> {
    let here = Node::new("this machine", "localhost");
    LocalRoot::new(Path::new("/"))
        .run(&here, program.script(), TIMEOUT)
        .map_err(ThisMachineError::program("run a shell on this machine"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_kregs_own_block_only() {
        let instance = InstanceId::new("tunnel-r").unwrap();
        let hosts = "10.0.0.1 r\n# BEGIN kreg r\n10.0.0.2 r\n# END kreg r\n# BEGIN kreg tunnel-r\n10.96.0.50 \
                     r\n# END kreg tunnel-r\n";
        assert_eq!(
            address_in(hosts, &instance),
            Some("10.96.0.50".parse().unwrap())
        );
        assert_eq!(address_in("10.0.0.1 r\n", &instance), None);
        assert_eq!(address_in("# BEGIN kreg tunnel-r\n", &instance), None);
    }
}
