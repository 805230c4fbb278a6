//! A registry's directory of certificates.

use super::places::below;
use crate::NodeFacts;
use crate::facts::Found;

/// What in a registry's directory of certificates makes every pull fail: a client certificate
/// without its key, a key without its certificate, or a directory in place of one of these files
/// (containers/image `pkg/tlsclientconfig`, `SetupCertificates`).
#[must_use]
pub fn faults(facts: &NodeFacts, dir: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if exists_otherwise(facts, dir) {
        faults.push(format!("{dir} is not a directory"));
    }
    for path in below(facts, dir) {
        let partner = |own: &str, other: &str| {
            let base = path.strip_suffix(own)?;
            let partner = format!("{base}{other}");
            facts.at(&partner).is_none().then_some(partner)
        };
        let is_one = [".crt", ".cert", ".key"]
            .iter()
            .any(|end| path.ends_with(end));
        if let Some(key) = partner(".cert", ".key") {
            faults.push(format!(
                "{path} is a client certificate without its key {key}"
            ));
        } else if let Some(cert) = partner(".key", ".cert") {
            faults.push(format!("{path} is a key without its certificate {cert}"));
        } else if is_one && facts.is_dir(path) {
            faults.push(format!("{path} is a directory"));
        }
    }
    faults
}

fn exists_otherwise(facts: &NodeFacts, dir: &str) -> bool {
    matches!(
        facts.at(dir),
        Some(Found::File(_) | Found::Big | Found::Special)
    )
}
