//! The one step that is never taken unasked: a runtime's own configuration, and its restart.

use std::fmt;

use serde::Serialize;

use super::keeper::Keeper;
use super::{Change, Edit, EditKind, Refusal, RefusalKind};
use crate::containerd::{ContainerdConfig, ROOT, Version, is_plain, with_single_root};
use crate::facts::Found;
use crate::{NodeFacts, Trust};

/// containerd is made to look for registries in a directory, which takes a restart of it. Running
/// containers go on.
///
/// Carried out by [`crate::NodeProgram::restart`]: the configuration is journaled, changed, and
/// containerd restarted; if its CRI does not answer then, the file is put back and containerd
/// restarted once more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Restart {
    pub(crate) edit: Edit,
    pub(crate) unit: String,
    pub(crate) socket: String,
}

impl Restart {
    /// The restart that makes containerd read one root, and the places to write below then. None where
    /// it does not help, or where the configuration is not kreg's to edit (see [`Keeper`]); what stands in
    /// the way is reported elsewhere.
    pub(super) fn needed(
        facts: &NodeFacts,
        trust: &Trust,
        config: &ContainerdConfig,
    ) -> Result<Option<(Restart, Vec<String>)>, Refusal> {
        let old = config
            .release
            .is_none_or(|release| release < Version(2, 0, 0));
        let blocked = !config.mirrors.is_empty() || (old && !config.tls.is_empty());
        let kept = Keeper::of(facts, config).is_some();
        if config.cri_disabled || blocked || kept || !facts.runs("containerd") {
            return Ok(None);
        }
        let Some(unit) = unit(facts) else {
            return Ok(None);
        };
        let address = facts
            .program("containerd")
            .and_then(|one| one.address.as_ref());
        let file = &config.file;
        let now = match facts.at(file) {
            None => None,
            Some(Found::File(found)) => match std::str::from_utf8(&found.content) {
                Ok(text) => Some(text),
                Err(_) => return Ok(None),
            },
            Some(_) => return Ok(None),
        };
        let roots = config.roots();
        let is_list = roots.len() > 1 || !is_plain(&config.config_path);
        let (places, after) = match roots.first() {
            Some(_) if is_waiting(facts, trust, config) => {
                (config.places(), now.unwrap_or_default().to_owned())
            }
            // A list that a file sets becomes its first root; containerd's own default stays.
            Some(root) if !is_list || config.built_in || !root.starts_with('/') => return Ok(None),
            root => {
                let root = root.map_or(ROOT, String::as_str);
                let set = with_single_root(facts, config, root)
                    .filter(|set| set.file == *file)
                    .ok_or_else(|| of_no_avail(file, unit))?;
                (vec![root.to_owned()], set.text)
            }
        };
        let change = match now {
            Some(now) if now == after => Change::Keep,
            Some(_) => Change::Replace,
            None => Change::Create,
        };
        let edit = Edit {
            kind: EditKind::File {
                path: file.clone(),
                mode: 0o644,
                content: after.clone(),
                adopt: true,
            },
            change,
            before: now.map(str::to_owned),
            after,
        };
        let restart = Restart {
            edit,
            unit: unit.to_owned(),
            socket: address.unwrap_or(&config.socket).clone(),
        };
        Ok(Some((restart, places)))
    }

    /// The edit of containerd's configuration; kept where only the restart is still to be made.
    #[must_use]
    pub fn edit(&self) -> &Edit {
        &self.edit
    }

    /// The service that is restarted.
    #[must_use]
    pub fn unit(&self) -> &str {
        &self.unit
    }
}

impl fmt::Display for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.edit)?;
        writeln!(
            f,
            "restart of {0}: `systemctl restart {0}`; undone if its CRI does not answer then",
            self.unit
        )
    }
}

/// The service that the node's containerd runs in. None where it runs in none and there are several: a
/// restart of `containerd` would be that of another one.
pub(super) fn unit(facts: &NodeFacts) -> Option<&str> {
    let own = facts.program("containerd")?.unit.as_deref();
    own.or((facts.containerds().len() < 2).then_some("containerd"))
}

/// Whether kreg has changed the configuration and was cut off before the restart.
fn is_waiting(facts: &NodeFacts, trust: &Trust, config: &ContainerdConfig) -> bool {
    let ours = facts.journal(trust.instance()).contains_key(&config.file);
    let started = facts
        .program("containerd")
        .and_then(|program| program.started);
    // A second's grace: both times are rounded.
    ours && started.is_some_and(|started| config.modified > started + 1)
}

fn of_no_avail(file: &str, unit: &str) -> Refusal {
    Refusal::new(
        RefusalKind::NoConfigPath,
        format!(
            "config_path in {file} would not hold: its imports set the same table, or the file has an unusual form"
        ),
        format!(
            "set config_path = \"{ROOT}\" yourself in the file that wins, then `systemctl restart {unit}`"
        ),
    )
}
