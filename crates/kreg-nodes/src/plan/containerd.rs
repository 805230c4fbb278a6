//! What containerd needs.

use super::keeper::Keeper;
use super::restart;
use super::wanted::Wanted;
use super::{Refusal, RefusalKind, Restart};
use crate::containerd::{
    ConfigError, ContainerdConfig, ROOT, Version, candidates, hosts_toml, is_plain, own_dir,
    with_single_root,
};
use crate::{Advice, NodeFacts, Trust};

pub(super) fn want(wanted: &mut Wanted<'_>) {
    let (facts, trust) = (wanted.facts, wanted.trust);
    let config = match ContainerdConfig::of(facts) {
        Ok(config) => config,
        Err(e) => return wanted.refuse(broken(&e)),
    };
    if trust.restart() {
        match Restart::needed(facts, trust, &config) {
            Ok(None) => {}
            Ok(Some((restart, places))) => {
                wanted.restart = Some(restart);
                return below_all(wanted, &places, config.release);
            }
            Err(refusal) => return wanted.refuse(refusal),
        }
    }
    match places(facts, &config) {
        Ok(places) => {
            warn(facts, &config, &mut wanted.warnings);
            below_all(wanted, &places, config.release);
        }
        Err(refusal) => wanted.refuse(refusal),
    }
}

/// The CA and `hosts.toml` below each of these directories, for a containerd of this release.
pub(super) fn below_all(wanted: &mut Wanted<'_>, places: &[String], release: Option<Version>) {
    let trust = wanted.trust;
    // Releases before 2.1 never take a list for one directory's name.
    let splits = release.is_some_and(|release| release < Version(2, 1, 0));
    for place in places {
        match shadows(wanted.facts, trust, place) {
            Err(refusal) if place.contains(':') && splits => wanted.warn(format!(
                "{}; releases before 2.1 do not, so this holds after an upgrade",
                refusal.reason
            )),
            Err(refusal) => return wanted.refuse(refusal),
            Ok(()) => {}
        }
    }
    for place in places {
        let dir = own_dir(place, trust.host());
        wanted.file(format!("{dir}/ca.crt"), trust.ca_pem());
        wanted.last_file(format!("{dir}/hosts.toml"), &hosts_toml(trust));
    }
}

pub(super) fn broken(e: &ConfigError) -> Refusal {
    Refusal::new(
        RefusalKind::BrokenConfig,
        format!("containerd's configuration is broken: {e}"),
        "fix it, then try again: containerd does not start again with it",
    )
}

/// The directories to write below, if containerd reads what is written there.
fn places(facts: &NodeFacts, config: &ContainerdConfig) -> Result<Vec<String>, Refusal> {
    let file = &config.file;
    if config.cri_disabled {
        return Err(Refusal::new(
            RefusalKind::BrokenConfig,
            format!(
                "{file} turns containerd's CRI plugin off (disabled_plugins), so no kubelet can pull by it"
            ),
            format!("take `cri` out of disabled_plugins in {file} and restart containerd"),
        ));
    }
    let places = config.places();
    let Some(root) = places.first() else {
        return Err(no_config_path(facts, config));
    };
    if !is_plain(&config.config_path) {
        return Err(Refusal::new(
            RefusalKind::NoConfigPath,
            format!(
                "{file} or its imports set config_path to {:?}, and what containerd reads by that \
                 depends on where it was started: a root is not an absolute path, or holds . or ..",
                config.config_path
            ),
            set_root(facts, config, ROOT),
        )
        .with_advice(may_restart(facts, config)));
    }
    if !config.mirrors.is_empty() {
        return Err(Refusal::new(
            RefusalKind::BrokenConfig,
            format!(
                "{file} sets registry.mirrors ({}) beside config_path, with which containerd's \
                 CRI plugin does not load",
                config.mirrors.join(", ")
            ),
            format!(
                "move each mirror to {root}/<host>/hosts.toml and remove registry.mirrors from {file}"
            ),
        ));
    }
    let old = config
        .release
        .is_none_or(|release| release < Version(2, 0, 0));
    if old && !config.tls.is_empty() {
        return Err(Refusal::new(
            RefusalKind::BrokenConfig,
            format!(
                "{file} sets registry.configs.*.tls ({}) beside config_path, with which the CRI \
                 plugin of containerd 1.x does not load",
                config.tls.join(", ")
            ),
            format!(
                "move those certificates to {root}/<host>/hosts.toml and remove them from {file}"
            ),
        ));
    }
    Ok(places)
}

fn warn(facts: &NodeFacts, config: &ContainerdConfig, warnings: &mut Vec<String>) {
    let started = facts
        .program("containerd")
        .and_then(|program| program.started);
    // A second's grace: both times are rounded.
    if started.is_some_and(|started| config.modified > started + 1) {
        warnings.push(format!(
            "{} was changed after containerd was started; what it says now holds only after \
             `systemctl restart {}`",
            config.file,
            restart::unit(facts).unwrap_or("containerd")
        ));
    }
}

/// containerd reads one directory for a host. What stands before kreg's hides it.
fn shadows(facts: &NodeFacts, trust: &Trust, root: &str) -> Result<(), Refusal> {
    let own = trust.host().to_string();
    let earlier = candidates(trust.host())
        .into_iter()
        .take_while(|name| *name != own);
    for name in earlier {
        let path = format!("{root}/{name}");
        if facts.at(&path).is_some() {
            return Err(Refusal::new(
                RefusalKind::Shadowed,
                format!("{path} exists, and containerd reads it instead of {root}/{own}"),
                format!("if nothing else needs it: mv '{path}' '{path}.old'"),
            ));
        }
    }
    Ok(())
}

fn no_config_path(facts: &NodeFacts, config: &ContainerdConfig) -> Refusal {
    let file = &config.file;
    let reason = match (&config.misplaced, &config.emptied_by, config.release) {
        (Some((at, _)), Some(last), Some(_)) => format!(
            "{last} sets config_path to nothing, which overrides what {at} sets, so containerd looks in no \
             directory for registries"
        ),
        (_, _, None) => format!(
            "containerd's release is not known, and releases differ in where they look for \
             registries by {file} and its imports"
        ),
        (Some((at, table)), None, Some(release)) => format!(
            "{at} sets config_path under [plugins.\"{table}\"], and containerd {release} does not read that \
             table or a later file replaces it, so it looks in no directory for registries"
        ),
        (None, _, Some(_)) => format!(
            "containerd looks in no directory for registries: no config_path is set by {file} or \
             its imports"
        ),
    };
    let mut remedy = set_root(facts, config, ROOT);
    let mut blocks: Vec<&str> = Vec::new();
    if !config.mirrors.is_empty() {
        blocks.push("registry.mirrors");
    }
    if !config.tls.is_empty() {
        blocks.push("registry.configs.*.tls");
    }
    if !blocks.is_empty() {
        remedy += &format!(
            "\nFirst move what {} says to {ROOT}/<host>/hosts.toml and remove it: with both, \
             containerd's CRI plugin does not load",
            blocks.join(" and ")
        );
    }
    Refusal::new(RefusalKind::NoConfigPath, reason, remedy).with_advice(may_restart(facts, config))
}

/// Whether leave to restart would do instead.
fn may_restart(facts: &NodeFacts, config: &ContainerdConfig) -> Option<Advice> {
    let own = Keeper::of(facts, config).is_none() && restart::unit(facts).is_some();
    own.then_some(Advice::Restart)
}

/// What to set by hand, in a table that this release reads.
fn set_root(facts: &NodeFacts, config: &ContainerdConfig, root: &str) -> String {
    let set = with_single_root(facts, config, root);
    if let Some(keeper) = Keeper::of(facts, config) {
        return keeper.remedy(config, set.as_ref(), root);
    }
    let (file, lines) = match set {
        Some(set) => (set.file, set.lines),
        None => (config.file.clone(), format!("  config_path = \"{root}\"")),
    };
    match restart::unit(facts) {
        Some(unit) => format!(
            "let kreg set it and restart {unit}, or set it in {file}, then \
             `systemctl restart {unit}` (running containers go on), then try again:\n{lines}"
        ),
        None => format!(
            "set it in {file}, then restart the containerd that was started with this file (running \
             containers go on), then try again:\n{lines}"
        ),
    }
}
