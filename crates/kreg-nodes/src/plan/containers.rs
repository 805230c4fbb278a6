//! What CRI-O and podman need: the CA in the directory of the registry's name, and the name.

use super::wanted::Wanted;
use super::{Refusal, RefusalKind};
use crate::containers::{
    CERTS_D, Demand, Places, Policy, RegistriesConf, RegistriesConfError, exists, faults,
};
use crate::facts::Found;

pub(super) fn want(wanted: &mut Wanted<'_>) {
    let host = wanted.trust.host().to_string();
    let read =
        Places::of(wanted.facts).and_then(|places| Ok((places, RegistriesConf::of(wanted.facts)?)));
    let (places, conf) = match read {
        Ok(read) => read,
        Err(e) => return wanted.refuse(broken(&e)),
    };
    if let Some(refusal) = shadowed(wanted, &places, &conf, &host) {
        return wanted.refuse(refusal);
    }
    if let Some(refusal) = policy(wanted, &places, &host) {
        return wanted.refuse(refusal);
    }
    let dir = format!("{CERTS_D}/{host}");
    let faults = faults(wanted.facts, &dir);
    if !faults.is_empty() {
        return wanted.refuse(Refusal::new(
            RefusalKind::BrokenConfig,
            format!(
                "{}, and with that every pull from {host} by CRI-O and podman fails",
                faults.join(", and ")
            ),
            "move it to another directory, or put what is missing beside it; a CA's name ends in .crt",
        ));
    }
    wanted.file(format!("{dir}/ca.crt"), wanted.trust.ca_pem());
    wanted.by_name();
}

/// Credentials of the node's own, with which a pull passes that brings none.
pub(super) fn warn_of_logins(wanted: &mut Wanted<'_>) {
    let host = wanted.trust.host().to_string();
    let Ok(places) = Places::of(wanted.facts) else {
        return;
    };
    for file in places.logins() {
        if wanted.facts.logins.contains(&file) {
            wanted.warn(format!(
                "{file} holds credentials for {host}, which serve every Pod on this node: a pull \
                 without a pull secret passes here, and one that passes does not prove the secret"
            ));
        }
    }
}

fn broken(e: &RegistriesConfError) -> Refusal {
    let file = &e.file;
    Refusal::new(
        RefusalKind::BrokenConfig,
        format!(
            "{e}: podman fails every pull; a CRI-O that runs goes on with what it read before, and \
             does not start again"
        ),
        format!("fix {file}, or remove it"),
    )
}

/// What leads the registry's name elsewhere, or nowhere.
fn shadowed(
    wanted: &mut Wanted<'_>,
    places: &Places,
    conf: &RegistriesConf,
    host: &str,
) -> Option<Refusal> {
    let facts = wanted.facts;
    // CRI-O reads these files at its start, and when it is told to.
    let reload = match facts.program("crio") {
        Some(_) => ", and then: systemctl reload crio",
        None => "",
    };
    if let Some(table) = conf.applying(host) {
        let (file, prefix) = (&table.file, &table.prefix);
        let elsewhere = !table.location.is_empty() && table.location != *prefix;
        if elsewhere || table.blocked {
            let what = match table.blocked {
                true => "blocks it".to_owned(),
                false => format!("leads to {}", table.location),
            };
            return Some(Refusal::new(
                RefusalKind::Shadowed,
                format!("the [[registry]] for {prefix} in {file} applies to {host} and {what}"),
                format!("if it is no longer needed, remove that table from {file}{reload}"),
            ));
        }
        if table.insecure {
            wanted.warn(format!(
                "the [[registry]] for {prefix} in {file} is insecure, so no certificate of {host} \
                 is checked"
            ));
        }
    }
    for table in conf.within(host) {
        let what = match table.blocked {
            true => "blocked".to_owned(),
            false => format!("fetched from {}", table.location),
        };
        wanted.warn(format!(
            "{} has a [[registry]] for {}, so images below it are {what}",
            table.file, table.prefix
        ));
    }
    // The first directory that exists is read, even if it is empty.
    let home = format!("{}/{host}", places.home_certs_d());
    if facts.at(&home) == Some(&Found::Unreadable) {
        wanted.warn(format!(
            "{home} is out of sight; if it exists, it is read instead of {CERTS_D}/{host}"
        ));
    }
    exists(facts, &home).then(|| {
        Refusal::new(
            RefusalKind::Shadowed,
            format!(
                "{home} exists, and CRI-O and root's podman read it instead of {CERTS_D}/{host}"
            ),
            format!("if nothing else needs it: mv '{home}' '{home}.old'"),
        )
    })
}

/// Why no image of the registry may be used, if so.
fn policy(wanted: &mut Wanted<'_>, places: &Places, host: &str) -> Option<Refusal> {
    let allow = "[{\"type\": \"insecureAcceptAnything\"}]";
    let file = places.policy(wanted.facts);
    let missing = |file: &str| {
        Refusal::new(
            RefusalKind::BrokenConfig,
            format!("{file} is not there, and without it every pull of CRI-O and podman fails"),
            format!("write it; to allow every image: {{\"default\": {allow}}}"),
        )
    };
    let Some(file) = file else {
        return Some(missing(crate::containers::POLICY));
    };
    let text = match wanted.facts.at(&file) {
        Some(Found::File(found)) => &found.content,
        None | Some(Found::Link) => return Some(missing(&file)),
        Some(_) => {
            return Some(Refusal::new(
                RefusalKind::BrokenConfig,
                format!(
                    "{file} cannot be read, and with that every pull of CRI-O and podman fails"
                ),
                format!("put a policy at {file}: see containers-policy.json(5)"),
            ));
        }
    };
    let policy = match Policy::read(text, host) {
        Ok(policy) => policy,
        Err(what) => {
            return Some(Refusal::new(
                RefusalKind::BrokenConfig,
                format!("{file} {what}, and with that every pull of CRI-O and podman fails"),
                format!("fix {file}: see containers-policy.json(5)"),
            ));
        }
    };
    let entry = &policy.host.entry;
    match policy.host.demand {
        Demand::Rejected => {
            return Some(Refusal::new(
                RefusalKind::Shadowed,
                format!("{file} rejects every image of {host}, by its entry {entry}"),
                format!("allow it in {file}, under transports.docker: \"{host}\": {allow}"),
            ));
        }
        Demand::Signature => wanted.warn(format!(
            "{file} wants images of {host} to be signed, by its entry {entry}: one that is not, \
             such as kreg's own test image, is refused (SignatureValidationFailed)"
        )),
        Demand::Nothing => {}
    }
    for rule in policy
        .within
        .iter()
        .filter(|rule| rule.demand == Demand::Rejected)
    {
        wanted.warn(format!("{file} rejects images by its entry {}", rule.entry));
    }
    None
}
