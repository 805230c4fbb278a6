//! Files that one client reads and another does not.

use std::collections::BTreeSet;

use super::{Client, Code, Finding};
use crate::readers::{self, Refusal};

/// What is wrong about the form of a file of certificates, if some client reads fewer of them than
/// stand in it. `read` is how a client reads such a file.
pub(super) fn certificates<T>(
    pem: &[u8],
    what: &str,
    read: impl Fn(&[u8], Client) -> Result<Vec<T>, Refusal>,
) -> Option<Finding> {
    let total = LABELS.iter().map(|label| count(pem, label)).sum();
    finding(pem, what, |client| match read(pem, client) {
        Ok(found) if found.len() >= total => Ok("all".to_owned()),
        Ok(found) => Err(format!("{} of {total}", found.len())),
        Err(refusal) if total > 0 => Err(format!("0 of {total} ({refusal})")),
        Err(_) => Ok(String::new()),
    })
}

/// The same of a file with a private key.
pub(super) fn key(pem: &[u8], what: &str) -> Option<Finding> {
    finding(pem, what, |client| match readers::key(pem, client) {
        Ok(()) => Ok("it".to_owned()),
        Err(refusal) => Err(format!("nothing ({refusal})")),
    })
}

const LABELS: [&str; 3] = [
    "CERTIFICATE-----",
    "X509 CERTIFICATE-----",
    "TRUSTED CERTIFICATE-----",
];

/// Blocks that begin or end so, wherever on a line.
fn count(pem: &[u8], label: &str) -> usize {
    let of = |word: &str| {
        let mark = format!("-----{word} {label}").into_bytes();
        pem.windows(mark.len()).filter(|text| *text == mark).count()
    };
    of("BEGIN").max(of("END"))
}

fn finding(
    pem: &[u8],
    what: &str,
    read: impl Fn(Client) -> Result<String, String>,
) -> Option<Finding> {
    let verdicts = Client::ALL.map(|client| (client, read(client)));
    let refusing: BTreeSet<_> = verdicts
        .iter()
        .filter(|(_, verdict)| verdict.is_err())
        .map(|(client, _)| *client)
        .collect();
    if refusing.is_empty() {
        return None;
    }
    let reads = verdicts.iter().map(|(client, verdict)| {
        let (Ok(text) | Err(text)) = verdict;
        format!("{client} reads {text}")
    });
    let mut message = reads.collect::<Vec<_>>().join("; ");
    if let Some(odd) = odd(pem) {
        message = format!("{odd}; {message}");
    }
    Some(Finding::new(Code::ReadUnevenly, what, message, refusing))
}

/// The oddities of a file in one line.
pub(super) fn odd(pem: &[u8]) -> Option<String> {
    let odd: Vec<_> = readers::oddities(pem)
        .iter()
        .map(ToString::to_string)
        .collect();
    (!odd.is_empty()).then(|| odd.join(", "))
}
