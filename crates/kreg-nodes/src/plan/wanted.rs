//! What is decided for a node, as it is put together.

use super::{EditKind, Refusal, RefusalKind, Restart};
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

    /// The line in the hosts file, if the registry is found by its name.
    pub(super) fn hosts_line(&mut self) {
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

    /// All that is wanted, with the last files at the end.
    pub(super) fn whole(mut self) -> Wanted<'a> {
        self.files.append(&mut self.last);
        self
    }
}
