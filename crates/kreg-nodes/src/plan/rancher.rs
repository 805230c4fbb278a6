//! What k3s and RKE2 need: a directory beside those that they write themselves, which recent
//! releases leave alone. Where a release does not, only `registries.yaml` and a restart remain, and
//! those are for the administrator.

use super::runtime::Wanted;
use super::{Refusal, RefusalKind, containerd};
use crate::Trust;
use crate::containerd::ContainerdConfig;
use crate::rancher::{Rancher, Registries};

pub(super) fn want(wanted: &mut Wanted<'_>, rancher: Rancher) {
    match places(wanted, rancher) {
        Ok(places) => containerd::below_all(wanted, &places),
        Err(refusal) => wanted.refuse(refusal),
    }
}

fn places(wanted: &Wanted<'_>, rancher: Rancher) -> Result<Vec<String>, Refusal> {
    let (facts, trust) = (wanted.facts, wanted.trust);
    let (name, yaml) = (rancher.name(), rancher.registries_yaml());
    let said = Registries::of(facts, rancher).map_err(|e| {
        Refusal::new(
            RefusalKind::BrokenConfig,
            e.to_string(),
            format!("mend it: {name} itself will not start again with it"),
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
                "{name} ({version}) erases directories of others below {} when it starts",
                rancher.certs_d()
            ));
        }
        None => {
            return because(format!(
                "which release of {name} runs could not be read, and releases before September \
                 2024 erase directories of others below {} when they start",
                rancher.certs_d()
            ));
        }
    }
    let file = rancher.containerd_config();
    let config = ContainerdConfig::of_program(facts, rancher.containerd(), &file)
        .map_err(|e| containerd::broken(&e))?;
    let places = config.places();
    match (facts.at(&config.file), places.is_empty()) {
        (Some(_), false) => Ok(places),
        (Some(_), true) => because(format!(
            "{} sets no config_path, as where a template of yours leaves it out",
            config.file
        )),
        (None, _) if rancher.programs().iter().any(|name| facts.runs(name)) => because(format!(
            "{name} runs, and {}, which its containerd starts from, is not there",
            config.file
        )),
        // Not started yet, as where an image is built: it is what it will write.
        (None, _) => Ok(vec![rancher.certs_d()]),
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
