//! What clients on this machine need, put in place and taken back, with kreg-nodes' own journal.

use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kreg_nodes::{
    Answer, FileStatus, InstanceId, LocalRoot, Node, NodeFacts, NodePlan, NodeProgram,
    NodeTransport as _, ProbeRequest, State, Trust, client_files, hosts_file,
};

use super::{Registry, address};
use crate::error::{Error, Tried as _};
use crate::session::Session;

const TIMEOUT: Duration = Duration::from_secs(60);

/// For so long a Go program that runs, as dockerd does, believes what it last read in `/etc/hosts`
/// (Go, src/net/hosts.go).
const HOSTS_BELIEVED: Duration = Duration::from_secs(5);
const DOCKER_SOCKET: &str = "/var/run/docker.sock";

/// In place until it is taken back.
pub(super) struct Installed {
    instance: InstanceId,
    address: IpAddr,
    paths: Vec<String>,
    warnings: Vec<String>,
    /// The name led here before: perhaps another tunnel's doing, which is open.
    anothers: AtomicBool,
    /// The address was put there by a tunnel, this one or one that was killed.
    addressed: bool,
    /// When `/etc/hosts` was written.
    written: Option<Instant>,
}

impl Installed {
    pub(super) fn address(&self) -> IpAddr {
        self.address
    }

    pub(super) fn paths(&self) -> Vec<String> {
        self.paths.clone()
    }

    pub(super) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether it may belong to another tunnel.
    pub(super) fn is_anothers(&self) -> bool {
        self.anothers.load(Ordering::Relaxed)
    }

    /// This tunnel listens there, so no other does.
    pub(super) fn claim(&self) {
        self.anothers.store(false, Ordering::Relaxed);
    }

    /// How long dockerd, if it runs here, may still not know the name.
    pub(super) fn unsettled(&self) -> Duration {
        match self.written {
            Some(written) if Path::new(DOCKER_SOCKET).exists() => {
                HOSTS_BELIEVED.saturating_sub(written.elapsed())
            }
            _ => Duration::ZERO,
        }
    }

    pub(super) fn take_back(self) -> Result<(), Error> {
        take_back(&self.instance, self.addressed.then_some(self.address)).map(drop)
    }
}

/// Trust in the registry at `wanted`, or at its ClusterIP.
pub(super) fn trust(
    instance: &str,
    registry: &Registry,
    wanted: Option<IpAddr>,
) -> Result<Trust, Error> {
    let Some(address) = wanted.or(registry.state.cluster_ip) else {
        return Err(Error::failed(format!(
            "the Service of {} has no ClusterIP to take for this machine",
            registry.host
        ))
        .help("choose an address with --address"));
    };
    if address.is_loopback() {
        return Err(Error::usage(format!(
            "docker verifies no registry whose name leads to {address}"
        ))
        .help("choose an --address that is not a loopback one, or leave it to kreg"));
    }
    let trust = Trust::new(
        instance_id(instance)?,
        registry.host.clone(),
        &registry.bundle_pem,
    )
    .tried("cannot give the CA that the cluster holds to clients")?;
    Ok(trust.with_endpoint(address))
}

/// Files first: by what stands in `/etc/hosts` a later run finds the address again.
pub(super) fn install(
    session: &Session,
    registry: &Registry,
    wanted: Option<IpAddr>,
) -> Result<Installed, Error> {
    let trust = trust(session.place.instance(), registry, wanted)?;
    let address = trust.endpoint().unwrap_or(IpAddr::from([0, 0, 0, 0]));
    let paths: Vec<_> = client_files(&trust)
        .iter()
        .map(|kind| kind.path().to_owned())
        .collect();
    let before = installed_at(trust.instance());
    if let Some(other) = before.filter(|other| *other != address) {
        return Err(Error::failed(format!(
            "{} leads to {other} on this machine already, by another `kreg tunnel --trust install`; nothing was changed",
            registry.host
        ))
        .help(format!(
            "go on by that one, or say --address {other}; if none is open any more, run `kreg tunnel --trust remove`"
        )));
    }
    let facts = facts(&trust, &paths)?;
    let plan = NodePlan::for_clients(&facts, &trust).map_err(|refused| {
        let help = match facts.uid {
            0 => refused.remedy(),
            _ => "run `sudo kreg tunnel --trust install`; `kreg tunnel --trust print` shows what it would do"
                .to_owned(),
        };
        Error::failed("cannot have this machine's clients trust the registry; nothing was changed")
            .because(&refused)
            .help(help)
    })?;
    let written = !plan.is_unchanged();
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

/// What a tunnel that was killed has left. Says what was taken back; harmless where there is nothing.
pub(super) fn remove(name: &str) -> Result<Vec<String>, Error> {
    let instance = instance_id(name)?;
    let address = installed_at(&instance);
    take_back(&instance, address)
}

/// Where a tunnel, open or killed, has led the registry's name.
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

fn take_back(instance: &InstanceId, address: Option<IpAddr>) -> Result<Vec<String>, Error> {
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

fn facts(trust: &Trust, paths: &[String]) -> Result<NodeFacts, Error> {
    let request = ProbeRequest::new(trust).with(paths.iter().cloned());
    let output = run(&NodeProgram::probe(&request))?;
    NodeFacts::decode(&output.stdout).tried("cannot read what this machine holds")
}

fn answered(program: &NodeProgram, what: &str) -> Result<Answer, Error> {
    let output = run(program)?;
    let answer = Answer::read(&output).tried(format!("cannot {what}"))?;
    match answer.state {
        State::Changed | State::Unchanged => Ok(answer),
        _ => {
            let unwell: Vec<_> = answer
                .files
                .iter()
                .filter(|file| matches!(file.status, FileStatus::Dirty | FileStatus::Failed))
                .map(|file| format!("{} {}", file.path, file.detail))
                .collect();
            Err(
                Error::failed(format!("cannot {what}: {}", unwell.join("; "))).help(
                    "mend that, then run `kreg tunnel --trust remove`: it goes on where this stopped",
                ),
            )
        }
    }
}

fn run(program: &NodeProgram) -> Result<kreg_nodes::Output, Error> {
    let here = Node::new("this machine", "localhost");
    LocalRoot::new(Path::new("/"))
        .run(&here, program.script(), TIMEOUT)
        .tried("cannot run a shell on this machine")
}

/// Apart from the instance of a node, which this machine may be too.
fn instance_id(name: &str) -> Result<InstanceId, Error> {
    InstanceId::new(format!("tunnel-{name}")).map_err(|cause| {
        Error::usage("this registry's name is too long for a tunnel").because(&cause)
    })
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
