//! The shell script that runs on a node: rendered here, readable by an administrator.

mod agent;
mod answer;
mod erase;
mod probe;
mod quote;

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

#[cfg(feature = "daemonset")]
pub(crate) use agent::{PERIOD, STALE};
pub use answer::{Answer, AnswerError};
pub use erase::{
    Marking, RegistryId, RegistryIdError, STORAGE_MARKER, STORAGE_OWNER, StorageDir,
    StorageDirError,
};
pub use probe::ProbeRequest;
pub use quote::quote;

use crate::{EditKind, InstanceId, NodePlan};

// Each program carries what it uses and no more: an administrator is to read it.
const ANSWER: &str = include_str!("answer.sh");
const LOCK: &str = include_str!("lock.sh");
const FILES: &str = include_str!("files.sh");
const JOURNAL: &str = include_str!("journal.sh");
const TAKE_BACK: &str = include_str!("take_back.sh");
const COPIES: &str = include_str!("copies.sh");
const PUT: &str = include_str!("put.sh");
const APPLY: &str = include_str!("apply.sh");
const UNDO: &str = include_str!("undo.sh");
const RESTART: &str = include_str!("restart.sh");
const DESCEND: &str = include_str!("descend.sh");
const ERASE: &str = include_str!("erase.sh");
const MARK: &str = include_str!("mark.sh");
#[cfg(feature = "daemonset")]
const FIND: &str = include_str!("find.sh");
const VITALS: &str = include_str!("vitals.sh");
const PROCESS: &str = include_str!("process.sh");

/// In seconds, the longest that systemd may take for a restart, that containerd may take to be well
/// after it, and that either may take to answer a question.
const RESTART_WITHIN: u64 = 150;
const WELL_WITHIN: u64 = 60;
const ASK_WITHIN: u64 = 10;

/// A POSIX shell script for a node: dash, bash and busybox ash run it alike.
///
/// It takes no arguments and reads no input. With `KREG_ROOT=/dir` in its environment every
/// path lies below that directory. Its last line of output is one JSON object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeProgram {
    script: String,
}

impl NodeProgram {
    /// More than [`NodeProgram::restart`] takes, where the node has `timeout`: a minute for the lock
    /// and a minute for files; five questions before the restart and after; then the restart and at
    /// most four questions beside the wait, twice, if it must be undone.
    pub const LONGEST_RESTART: Duration = Duration::from_secs(
        120 + 5 * ASK_WITHIN + 2 * (RESTART_WITHIN + WELL_WITHIN + 4 * ASK_WITHIN),
    );

    /// Puts a plan into place. Running it twice changes nothing the second time.
    ///
    /// The script judges again what is on the node when it runs: it depends on the plan's
    /// wishes, not on the facts, so one script serves every node with the same wishes.
    #[must_use]
    pub fn apply(plan: &NodePlan) -> NodeProgram {
        let mut contents = String::new();
        let mut steps = String::new();
        for (number, edit) in plan.edits.iter().enumerate() {
            let name = format!("content_{}", number + 1);
            // Writing to a String cannot fail.
            let _ = match edit.kind() {
                EditKind::File {
                    path,
                    mode,
                    content,
                    adopt,
                } => {
                    contents += &quote::printer(&name, content);
                    let adopt = if *adopt { "yes" } else { "no" };
                    writeln!(steps, "  put_file {} {mode:o} {adopt} {name}", quote(path))
                }
                EditKind::Block { path, text } => {
                    contents += &quote::printer(&name, text);
                    writeln!(steps, "  put_hosts {} {name}", quote(path))
                }
            };
        }
        let title = format!("trust {} on this node", plan.host);
        let head = head("apply", &plan.instance, &title);
        let adopt = adopt(plan.adopt);
        NodeProgram {
            script: format!(
                "{head}{adopt}{ANSWER}\n{LOCK}\n{FILES}\n{TAKE_BACK}\n{JOURNAL}\n{COPIES}\n{PUT}\n{APPLY}\n# --- What to put in place \
                 -----------------------------------------------------------------\n\n\
                 {contents}\nmain() {{\n  take_lock\n  sound_journal\n  follow_copies\n{steps}  prune\n  finish\n}}\n\n\
                 main </dev/null\n"
            ),
        }
    }

    /// Makes the runtime read what the plan writes, by a change of its own configuration and a
    /// restart, if the plan has that step. To be run before [`NodeProgram::apply`], on one node at
    /// a time. The runtime's CRI must answer before and after; if it does not after, both are
    /// undone. It takes [`NodeProgram::LONGEST_RESTART`] at most.
    #[must_use]
    pub fn restart(plan: &NodePlan) -> Option<NodeProgram> {
        let restart = plan.restart()?;
        let title = format!("make {} read certs.d, which takes a restart", restart.unit);
        let head = head("restart", &plan.instance, &title) + adopt(plan.adopt);
        let (unit, socket) = (quote(&restart.unit), quote(&restart.socket));
        let config = quote(restart.edit.path());
        let was = quote::printer("was", restart.edit.before.as_deref().unwrap_or_default());
        let wanted = quote::printer("wanted", restart.edit.after());
        Some(NodeProgram {
            script: format!(
                "{head}unit={unit}\nsocket={socket}\nconfig={config}\n\
                 restart_within={RESTART_WITHIN}\nwell_within=${{KREG_RESTART_WAIT-{WELL_WITHIN}}}\n\
                 ask_within={ASK_WITHIN}\n[ \"$well_within\" -ge \"$ask_within\" ] || ask_within=$well_within\n\n\
                 {ANSWER}\n{LOCK}\n{FILES}\n{TAKE_BACK}\n{JOURNAL}\n{PUT}\n{RESTART}\n{was}{wanted}\n\
                 main() {{\n  take_lock\n  sound_journal\n  can_restart\n  put_config \"$config\" was wanted\n  \
                 restart_runtime\n  finish\n}}\n\nmain </dev/null\n"
            ),
        })
    }

    /// Brings back what was there before `instance`, as its journal on the node has it. Without an id that
    /// is any installation of this name; with one, that of another id is left alone.
    #[must_use]
    pub fn undo(instance: &InstanceId) -> NodeProgram {
        let head = head("undo", instance, "take back what kreg wrote on this node");
        NodeProgram {
            script: format!("{head}{ANSWER}\n{LOCK}\n{FILES}\n{TAKE_BACK}\n{COPIES}\n{UNDO}"),
        }
    }

    /// Erases the images that a registry of `instance` kept in `storage`: distribution's own tree
    /// (`docker/registry/v2`) and no other file. A directory that this leaves empty goes too.
    ///
    /// The directory's marker ([`STORAGE_MARKER`]) must hold the instance's id; one without an id erases
    /// only where there is no marker. Links, mounts, and directories that others than root and
    /// [`STORAGE_OWNER`] could replace are refused.
    #[must_use]
    pub fn erase(instance: &InstanceId, storage: &StorageDir) -> NodeProgram {
        let title = "erase the images that a registry kept on this node";
        let head = in_storage("erase", instance, title, storage);
        NodeProgram {
            script: format!("{head}{ANSWER}\n{LOCK}\n{DESCEND}\n{ERASE}"),
        }
    }

    /// Writes down in `storage` whose images it holds: its marker ([`STORAGE_MARKER`]) comes to hold
    /// the instance's id. A directory that holds another id is refused (step `owner`), and so is what
    /// [`NodeProgram::erase`] refuses to go through (step `mark`).
    #[must_use]
    pub fn mark(instance: &InstanceId, storage: &StorageDir, how: Marking) -> NodeProgram {
        let title = "write down whose images a directory of this node holds";
        let head = in_storage("mark", instance, title, storage);
        let how = how.word();
        NodeProgram {
            script: format!("{head}how='{how}'\n\n{ANSWER}\n{LOCK}\n{DESCEND}\n{MARK}"),
        }
    }

    /// Says whether the directory that is mounted to erase images in `storage` is on the node; writes nothing. Its answer
    /// is read by `AgentPods::lacks`.
    #[cfg(feature = "daemonset")]
    #[must_use]
    pub(crate) fn find(dir: &str) -> NodeProgram {
        NodeProgram {
            script: format!("#!/bin/sh\ndir={}\n{FIND}", quote(dir)),
        }
    }

    /// Reads the facts that `request` asks for, and writes nothing.
    #[must_use]
    pub fn probe(request: &ProbeRequest) -> NodeProgram {
        NodeProgram {
            script: request.render(),
        }
    }

    /// Tells clock, proxy and, given an address, whether it can be reached; writes nothing. See
    /// [`crate::Vitals`].
    #[must_use]
    pub fn vitals(address: Option<IpAddr>, port: u16) -> NodeProgram {
        let address = address.map(|address| address.to_string());
        let address = quote(&address.unwrap_or_default());
        NodeProgram {
            script: format!(
                "#!/bin/sh\n# kreg {}: read from this node what holds at the moment.\n\n\
                 address={address}\nport={port}\n\n{PROCESS}\n{VITALS}",
                env!("CARGO_PKG_VERSION")
            ),
        }
    }

    /// A script that only holds the node's lock for some seconds, as by an image that has no flock(1).
    pub(crate) fn hold_lock(instance: &InstanceId, seconds: u32) -> String {
        let head = head("hold", instance, "hold the lock of this node");
        format!(
            "command() {{ [ \"$2\" != flock ] && type \"$2\" >/dev/null 2>&1; }}\n\
             {head}{ANSWER}\n{LOCK}\ntake_lock\nsleep {seconds}\nfinish\n"
        )
    }

    /// The script.
    #[must_use]
    pub fn script(&self) -> &str {
        &self.script
    }
}

fn in_storage(program: &str, instance: &InstanceId, title: &str, storage: &StorageDir) -> String {
    format!(
        "{}storage={}\nmarker={STORAGE_MARKER}\nowners='0 {STORAGE_OWNER}'\n\n",
        head(program, instance, title),
        quote(storage.as_str()),
    )
}

fn adopt(yes: bool) -> &'static str {
    if yes { "adopt=yes\n" } else { "adopt=no\n" }
}

/// What takes away is not bound to an id where none is known; what writes always is.
fn head(program: &str, instance: &InstanceId, title: &str) -> String {
    let id = match program {
        "undo" => instance.id().map_or("", RegistryId::as_str),
        // The directory of a registry that goes by its name has no marker.
        "erase" => match instance.owner() {
            name if name == instance.as_str() => "",
            id => id,
        },
        _ => instance.owner(),
    };
    format!(
        "#!/bin/sh\n# kreg {version}: {title}.\n# Instance {instance}. Journal: {journal}.\n\n\
         program={program}\ninstance={quoted}\nid={id}\n\n",
        version = env!("CARGO_PKG_VERSION"),
        journal = instance.journal(),
        quoted = quote(instance.as_str()),
        id = quote(id),
    )
}
