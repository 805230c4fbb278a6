//! What CRI-O and podman need: the CA under the name of the endpoint that is really reached, and a
//! redirect to it.

use super::runtime::Wanted;
use super::{Refusal, RefusalKind};
use crate::containers::{RegistriesConf, own_dir, redirect, redirect_file};

pub(super) fn want(wanted: &mut Wanted<'_>, crio: bool) {
    let (facts, trust) = (wanted.facts, wanted.trust);
    let mut conf = match RegistriesConf::of(facts) {
        Ok(conf) => conf,
        Err(e) => {
            return wanted.refuse(Refusal::new(
                RefusalKind::BrokenConfig,
                format!("{e}, and with that every pull of CRI-O and podman fails"),
                format!("mend {}", e.file),
            ));
        }
    };
    let own = redirect_file(trust.instance());
    conf.tables.retain(|table| table.file != own);
    let host = trust.host().to_string();
    if let Some(table) = conf.tables.iter().find(|table| table.prefix == host) {
        return wanted.refuse(Refusal::new(
            RefusalKind::Shadowed,
            format!(
                "{} has a [[registry]] for {host} already, and only one is used",
                table.file
            ),
            format!(
                "if it is no longer needed, remove that table from {}",
                table.file
            ),
        ));
    }
    for table in conf.within(&host) {
        wanted.warnings.push(format!(
            "{} has a [[registry]] for {}, so images below it are fetched from {}",
            table.file, table.prefix, table.location
        ));
    }
    if let Some(dir) = hidden_by(wanted) {
        return wanted.refuse(Refusal::new(
            RefusalKind::Shadowed,
            format!(
                "{dir} exists, and root's podman reads it instead of {}",
                own_dir(trust)
            ),
            format!("if nothing else needs it: mv '{dir}' '{dir}.old'"),
        ));
    }
    wanted.file(format!("{}/ca.crt", own_dir(trust)), trust.ca_pem());
    if trust.address().is_some() {
        wanted.last_file(own.clone(), &redirect(trust));
        if crio && facts.runs("crio") && facts.at(&own).is_none() {
            wanted.warn(
                "CRI-O reads the redirect when it starts or reloads: `systemctl reload crio` \
                 (containers go on)",
            );
        }
    } else {
        wanted.by_name();
    }
}

/// A directory in root's home comes before the system's, and the first that exists is read.
fn hidden_by(wanted: &Wanted<'_>) -> Option<String> {
    let dir = format!("{HOME_CERTS_D}/{}", wanted.trust.endpoint_authority());
    wanted.facts.at(&dir).is_some().then_some(dir)
}

/// Where root's own certificates are for containers/image.
pub(crate) const HOME_CERTS_D: &str = "/root/.config/containers/certs.d";
