//! What CRI-O and podman need: the CA in the directory of the registry's name, and the name.

use super::runtime::Wanted;
use super::{Refusal, RefusalKind};
use crate::containers::{CERTS_D, RegistriesConf};

pub(super) fn want(wanted: &mut Wanted<'_>) {
    let (facts, trust) = (wanted.facts, wanted.trust);
    let host = trust.host().to_string();
    let conf = match RegistriesConf::of(facts) {
        Ok(conf) => conf,
        Err(e) => {
            return wanted.refuse(Refusal::new(
                RefusalKind::BrokenConfig,
                format!("{e}, and with that every pull of CRI-O and podman fails"),
                format!("mend {}", e.file),
            ));
        }
    };
    if let Some(table) = conf.applying(&host) {
        let (file, prefix) = (&table.file, &table.prefix);
        let elsewhere = !table.location.is_empty() && table.location != *prefix;
        if elsewhere || table.blocked {
            let what = match table.blocked {
                true => "blocks it".to_owned(),
                false => format!("leads to {}", table.location),
            };
            return wanted.refuse(Refusal::new(
                RefusalKind::Shadowed,
                format!("the [[registry]] for {prefix} in {file} applies to {host} and {what}"),
                format!("if it is no longer needed, remove that table from {file}"),
            ));
        }
        if table.insecure {
            wanted.warnings.push(format!(
                "the [[registry]] for {prefix} in {file} is insecure, so no certificate of {host} \
                 is checked"
            ));
        }
    }
    for table in conf.within(&host) {
        wanted.warnings.push(format!(
            "{} has a [[registry]] for {}, so images below it are fetched from {}",
            table.file, table.prefix, table.location
        ));
    }
    // A directory in root's home comes before the system's, and the first that exists is read.
    let home = format!("{HOME_CERTS_D}/{host}");
    if facts.at(&home).is_some() {
        return wanted.refuse(Refusal::new(
            RefusalKind::Shadowed,
            format!("{home} exists, and root's podman reads it instead of {CERTS_D}/{host}"),
            format!("if nothing else needs it: mv '{home}' '{home}.old'"),
        ));
    }
    wanted.file(format!("{CERTS_D}/{host}/ca.crt"), trust.ca_pem());
    wanted.by_name();
}

/// Where root's own certificates are for containers/image.
pub(crate) const HOME_CERTS_D: &str = "/root/.config/containers/certs.d";
