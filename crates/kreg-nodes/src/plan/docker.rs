//! What Docker needs: the CA in its own directory, and the registry's name, since it cannot be
//! led elsewhere.

use super::wanted::Wanted;
use super::{Refusal, RefusalKind, system};
use crate::containerd::candidates;
use crate::docker::{CERTS_D, CONFIG_FILE, DaemonConfig};

pub(super) fn want(wanted: &mut Wanted<'_>) {
    let (host, address) = (wanted.trust.host(), wanted.trust.endpoint());
    match DaemonConfig::of(wanted.facts) {
        Ok(config) => {
            if let Some(entry) = config.insecure_for(host, address) {
                wanted.warn(format!(
                    "{CONFIG_FILE} lists {entry} under insecure-registries, so dockerd checks no \
                     certificate of {host}; take it out, or make the range smaller, and restart Docker"
                ));
            }
            if config.image_store != Some(false) {
                image_store(wanted, config.image_store.is_some());
            }
        }
        Err(e) => wanted.refuse(Refusal::new(
            RefusalKind::BrokenConfig,
            e.to_string(),
            "fix it: dockerd itself will not start again with it",
        )),
    }
    want_ca(wanted);
    wanted.by_name();
}

/// The CA where dockerd looks, and the tutorial writes.
pub(super) fn want_ca(wanted: &mut Wanted<'_>) {
    let trust = wanted.trust;
    if let Some(refusal) = system::erased(wanted.facts, trust) {
        return wanted.refuse(refusal);
    }
    let path = format!("{CERTS_D}/{}/ca.crt", trust.host());
    wanted.file(path, trust.ca_pem());
}

/// With containerd's image store, containerd's rules hold in Docker's directory (moby
/// `daemon/hosts.go`): one directory is read, and in it `hosts.toml` before certificates.
fn image_store(wanted: &mut Wanted<'_>, sure: bool) {
    let facts = wanted.facts;
    let own = wanted.trust.host().to_string();
    let earlier = candidates(wanted.trust.host())
        .into_iter()
        .take_while(|name| *name != own)
        .map(|name| format!("{CERTS_D}/{name}"));
    let hides = earlier.chain([format!("{CERTS_D}/{own}/hosts.toml")]);
    // kreg's own hosts.toml for a containerd that reads there brings the CA with it.
    let ours = facts.journal(wanted.trust.instance());
    for path in hides.filter(|path| facts.at(path).is_some() && !ours.contains_key(path)) {
        let reason = format!(
            "{path} exists, and with containerd's image store Docker reads it instead of {CERTS_D}/{own}/ca.crt"
        );
        match sure {
            true => wanted.refuse(Refusal::new(
                RefusalKind::Shadowed,
                reason,
                format!("if nothing else needs it: mv '{path}' '{path}.old'"),
            )),
            false => wanted.warn(format!(
                "{reason}; `docker info` says under Storage Driver whether it is on"
            )),
        }
    }
}
