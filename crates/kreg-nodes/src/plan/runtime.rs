//! Which files each runtime needs.

use std::mem;

use super::keeper::{self, Keeper};
use super::serving::{Runtime, serving};
use super::{
    EditKind, Refusal, RefusalKind, Restart, containerd, containers, docker, rancher, system,
};
use crate::hosts_file::{Block, HOSTS};
use crate::{NameMode, NodeFacts, Trust};

/// What is decided for a node, as it is put together.
pub(super) struct Wanted<'a> {
    pub(super) facts: &'a NodeFacts,
    pub(super) trust: &'a Trust,
    pub(super) files: Vec<EditKind>,
    /// Files to write after all others.
    last: Vec<EditKind>,
    /// Whether the node must find the registry by its name.
    by_name: bool,
    pub(super) restart: Option<Restart>,
    pub(super) warnings: Vec<String>,
    pub(super) refusals: Vec<Refusal>,
}

/// Every file that `trust` needs, in the order to write them: CAs first, `hosts.toml` last,
/// for containerd fails every pull if `hosts.toml` names a CA that is not there.
pub(super) fn wanted<'a>(facts: &'a NodeFacts, trust: &'a Trust) -> Wanted<'a> {
    let mut wanted = Wanted::new(facts, trust);
    if let Some(refusal) = system::managed(facts, trust) {
        wanted.refusals.push(refusal);
        return wanted;
    }
    let serving = match serving(facts) {
        Ok(serving) => serving,
        Err(refusal) => {
            wanted.refuse(refusal);
            return wanted;
        }
    };
    if serving.is_empty() && !trust.docker_certs_d() {
        wanted.refusals.push(no_runtime(facts));
    }
    for runtime in &serving {
        match runtime {
            Runtime::Containerd => match keeper::out_of_sight(facts) {
                Some(refusal) => wanted.refuse(refusal),
                None => {
                    containerd::want(&mut wanted);
                    Keeper::amend(facts, &mut wanted.refusals);
                }
            },
            Runtime::Docker => docker::want(&mut wanted),
            Runtime::Crio | Runtime::Podman => containers::want(&mut wanted),
            Runtime::Rancher(one) => rancher::want(&mut wanted, *one),
        }
    }
    if trust.docker_certs_d() {
        docker::want_ca(&mut wanted);
    }
    wanted.hosts_line();
    system::warn(&mut wanted);
    containers::warn_of_logins(&mut wanted);
    let last = mem::take(&mut wanted.last);
    wanted.files.extend(last);
    wanted
}

impl<'a> Wanted<'a> {
    /// Nothing yet.
    pub(super) fn new(facts: &'a NodeFacts, trust: &'a Trust) -> Wanted<'a> {
        Wanted {
            facts,
            trust,
            files: Vec::new(),
            last: Vec::new(),
            by_name: trust.names() == NameMode::HostsFile,
            restart: None,
            warnings: Vec::new(),
            refusals: Vec::new(),
        }
    }

    pub(super) fn refuse(&mut self, refusal: Refusal) {
        self.refusals.push(refusal);
    }

    pub(super) fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    /// A file that is all kreg's; the same one is wanted once.
    pub(super) fn file(&mut self, path: String, content: &str) {
        let kind = self.kind(path, content);
        if !self.files.contains(&kind) {
            self.files.push(kind);
        }
    }

    /// As [`Wanted::file`], to be written after all others.
    pub(super) fn last_file(&mut self, path: String, content: &str) {
        self.last.push(self.kind(path, content));
    }

    /// The registry has to be found by its name, if by address is not to be had.
    pub(super) fn by_name(&mut self) {
        self.by_name |= self.trust.endpoint().is_some();
    }

    /// Whether a line in the hosts file is wanted.
    pub(super) fn edits_hosts(&self) -> bool {
        self.files.iter().any(|kind| kind.path() == HOSTS)
    }

    fn kind(&self, path: String, content: &str) -> EditKind {
        EditKind::of_trust(self.trust, path, content)
    }

    fn hosts_line(&mut self) {
        // An address as a name needs no line.
        if !self.by_name || self.trust.host().ip().is_some() {
            return;
        }
        let (trust, host) = (self.trust, self.trust.host());
        match trust.endpoint() {
            Some(address) => self.files.push(EditKind::Block {
                path: HOSTS.to_owned(),
                text: Block::new(trust.instance(), address, host.name()).text(),
            }),
            None => self.refuse(Refusal::new(
                RefusalKind::NoAddress,
                format!("a line in {HOSTS} needs the address of {host}"),
                "give the ClusterIP of the registry's Service",
            )),
        }
    }
}

fn no_runtime(facts: &NodeFacts) -> Refusal {
    Refusal::new(
        RefusalKind::NoRuntime,
        format!(
            "no container runtime was found (system: {})",
            match facts.os.pretty_name.as_str() {
                "" => "unknown",
                name => name,
            }
        ),
        "see that containerd, CRI-O, Docker or podman is installed in one of /usr/bin, \
         /usr/local/bin, /usr/sbin, /opt/bin",
    )
}
