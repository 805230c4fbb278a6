//! What k3s and RKE2 need: a directory beside those that they write themselves, which recent
//! releases leave alone. Where a release does not, only `registries.yaml` and a restart remain, and
//! those are for the administrator.

use super::serving::missing;
use super::wanted::Wanted;
use super::{Refusal, RefusalKind, containerd};
use crate::Trust;
use crate::containerd::{ContainerdConfig, Version};
use crate::rancher::{Rancher, Registries};

pub(super) fn want(wanted: &mut Wanted<'_>, rancher: Rancher) {
    match places(wanted, rancher) {
        Ok((places, release)) => containerd::below_all(wanted, &places, release),
        Err(refusal) => wanted.refuse(refusal),
    }
}

/// The directories to write below, and the release of its containerd.
fn places(
    wanted: &Wanted<'_>,
    rancher: Rancher,
) -> Result<(Vec<String>, Option<Version>), Refusal> {
    let (facts, trust) = (wanted.facts, wanted.trust);
    let (name, yaml) = (rancher.name(), rancher.registries_yaml());
    let said = Registries::of(facts, rancher).map_err(|e| {
        Refusal::new(
            RefusalKind::BrokenConfig,
            e.to_string(),
            format!("fix it: {name} itself will not start again with it"),
        )
    })?;
    if said.names(trust.host()) {
        return Err(by_hand(
            rancher,
            trust,
            RefusalKind::Foreign,
            format!(
                "{yaml} has entries for {} already, from which {name} writes that directory anew \
                 at each start",
                trust.host()
            ),
        ));
    }
    let own = rancher.own_containerd(facts);
    let program = own.unwrap_or(rancher.containerd());
    let config = ContainerdConfig::of_program(facts, program, &rancher.containerd_config())
        .map_err(|e| containerd::broken(&e))?;
    let file = &config.file;
    let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
    let certs_d = format!("{folder}/certs.d");
    // What is installed starts next time, whatever runs now.
    let mut versions = rancher.programs().iter().filter_map(|program| {
        let version = facts.program(program)?.version.as_deref()?;
        Some((version, Rancher::keeps_foreign_directories(version)?))
    });
    let because = |reason| {
        Err(by_hand(
            rancher,
            trust,
            RefusalKind::UnsupportedRuntime,
            reason,
        ))
    };
    match versions.next() {
        Some((_, true)) => {}
        Some((version, false)) => {
            return because(format!(
                "{name} ({version}) erases directories of others below {certs_d} when it starts"
            ));
        }
        None => {
            return because(format!(
                "which release of {name} runs could not be read, and releases before September \
                 2024 erase directories of others below {certs_d} when they start"
            ));
        }
    }
    let runs = rancher.programs().iter().any(|program| facts.runs(program));
    let places = config.places();
    match (facts.at(file), places.is_empty()) {
        (Some(_), false) => Ok((places, config.release)),
        (Some(_), true) => because(format!(
            "{file} sets no config_path, as where a template of yours leaves it out"
        )),
        (None, _) if runs => Err(missing(file, name)),
        // Not started yet, as where an image is built: it is what it will write.
        (None, _) => Ok((vec![certs_d], config.release)),
    }
}

fn by_hand(rancher: Rancher, trust: &Trust, kind: RefusalKind, reason: String) -> Refusal {
    let yaml = rancher.registries_yaml();
    let ca_file = format!(
        "/etc/rancher/{}/kreg-{}-ca.crt",
        rancher.id(),
        trust.instance()
    );
    let entry = Registries::entry(trust, &ca_file);
    Refusal::new(
        kind,
        reason,
        format!(
            "write the CA to {ca_file}, merge this into {yaml}, then {}:\n{entry}",
            rancher.restart()
        ),
    )
    .with_snippet(format!("# {ca_file}\n{}# {yaml}\n{entry}", trust.ca_pem()))
}
