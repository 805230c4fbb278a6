//! Whether the node is the one it should be.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sha2::{Digest, Sha256};
use ssh2::Session;

use super::by_hand::word;
use super::known_hosts::{self, KnownHosts, Verdict, host_name};
use super::route::Hop;
use crate::transport::TransportErrorKind;

/// Host key algorithms of libssh2, the stronger first.
const ALGORITHMS: [&str; 7] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
    "ssh-rsa",
];

/// The order to offer: the types that are known first, as OpenSSH does, else a host whose
/// other key is known would look as if it had changed.
pub(super) fn preference(known: &[&str]) -> String {
    let fits = |algorithm: &&str| match *algorithm {
        // One key type, three ways to sign with it (RFC 8332).
        "rsa-sha2-512" | "rsa-sha2-256" => known.contains(&"ssh-rsa"),
        other => known.contains(&other),
    };
    let (mut first, rest): (Vec<&str>, Vec<&str>) =
        ALGORITHMS.iter().partition(|algorithm| fits(algorithm));
    first.extend(rest);
    first.join(",")
}

/// Checks the key that the server showed in the handshake.
pub(super) fn check(
    hop: &Hop,
    accept_new: bool,
    known: &mut KnownHosts,
    session: &Session,
) -> Result<(), TransportErrorKind> {
    let (host, port) = (hop.known_as.0.as_str(), hop.known_as.1);
    let Some((key, _)) = session.host_key() else {
        return Err(TransportErrorKind::Handshake {
            detail: "the server showed no host key".to_owned(),
        });
    };
    let Some(algorithm) = algorithm_of(key) else {
        return Err(TransportErrorKind::Handshake {
            detail: "the server showed a host key that names no type".to_owned(),
        });
    };
    let fingerprint = format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(key)));
    let file = hop.keeps_keys.clone().unwrap_or_default();
    let verdict = known.check(host, port, &algorithm, key);
    if matches!(verdict, Verdict::Unknown | Verdict::Changed { .. }) {
        by_other_means(hop, known)?;
    }
    // The very key that was shown: another look may find another, and behind a jump host sees nothing.
    let line = known_hosts::line(host, port, &algorithm, key);
    let add_to = |file: &str| added(&line, file);
    let add_here = || add_to(&word(&file.display().to_string()));
    match verdict {
        Verdict::Known => Ok(()),
        Verdict::Unknown if !keeps(&file) => Err(TransportErrorKind::NoKnownHosts {
            source_of_keys: hop.known_hosts_by.clone(),
            add: add_to("~/.ssh/known_hosts"),
            algorithm,
            fingerprint,
        }),
        Verdict::Unknown if accept_new => {
            append(&file, &line)?;
            tracing::warn!(host, port, fingerprint, "host key trusted at first sight");
            known.add(&file.display().to_string(), &line);
            Ok(())
        }
        Verdict::Unknown => Err(TransportErrorKind::HostKeyUnknown {
            add: match file.parent().filter(|folder| !folder.exists()) {
                Some(folder) => format!(
                    "mkdir -p -m 700 {} && {}",
                    word(&folder.display().to_string()),
                    add_here()
                ),
                None => add_here(),
            },
            algorithm,
            fingerprint,
        }),
        Verdict::Changed { at } => {
            let known_in = at
                .rsplit_once(':')
                .map_or(at.as_str(), |(file, _)| file)
                .to_owned();
            Err(TransportErrorKind::HostKeyChanged {
                remove: format!(
                    "ssh-keygen -f {} -R {}",
                    word(&known_in),
                    word(&host_name(host, port))
                ),
                algorithm,
                fingerprint,
                known_at: at,
            })
        }
        Verdict::Revoked { at } => Err(TransportErrorKind::HostKeyRevoked {
            fingerprint,
            known_at: at,
        }),
    }
}

/// What adds a line to a file whose last line may have no end; an empty line there means nothing (sshd(8)).
fn added(line: &str, file: &str) -> String {
    format!("printf '\\n%s\\n' {} >> {file}", word(line.trim_end()))
}

/// What would tell ssh whether to trust a key that no plain line holds, and what libssh2 cannot ask.
fn by_other_means(hop: &Hop, known: &KnownHosts) -> Result<(), TransportErrorKind> {
    let not_followed = |what: String| TransportErrorKind::NotFollowed {
        step: "host key",
        what,
    };
    if let Some(at) = known.authority(&hop.known_as.0, hop.known_as.1) {
        return Err(not_followed(format!(
            "its host key is to be signed by the @cert-authority of {at}"
        )));
    }
    match &hop.known_hosts_command {
        Some(command) => Err(not_followed(command.clone())),
        None => Ok(()),
    }
}

/// Whether a key that is added to that file is found there again: it is not in /dev/null.
pub(super) fn keeps(file: &Path) -> bool {
    let there = fs::metadata(file).ok();
    !file.as_os_str().is_empty() && there.is_none_or(|there| there.is_file())
}

/// The name that a key in SSH's binary form begins with. It is to stand in a line of a file,
/// so it must be what RFC 4251, section 6, lets a name be.
fn algorithm_of(key: &[u8]) -> Option<String> {
    let length = u32::from_be_bytes(key.get(..4)?.try_into().ok()?);
    let end = usize::try_from(length).ok()?.checked_add(4)?;
    let name = std::str::from_utf8(key.get(4..end)?).ok()?;
    let plain = |b: u8| b.is_ascii_graphic() && b != b',';
    (!name.is_empty() && name.bytes().all(plain)).then(|| name.to_owned())
}

fn append(file: &Path, line: &str) -> Result<(), TransportErrorKind> {
    let write = || {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        let old = fs::read(file).unwrap_or_default();
        let glue = if old.is_empty() || old.ends_with(b"\n") {
            ""
        } else {
            "\n"
        };
        let mut open = OpenOptions::new();
        let mut out = open.append(true).create(true).mode(0o600).open(file)?;
        out.write_all(format!("{glue}{line}").as_bytes())?;
        out.sync_all()
    };
    write().map_err(|e: std::io::Error| TransportErrorKind::KnownHosts {
        path: file.display().to_string(),
        tried: "written",
        detail: e.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_known_types_first_and_drops_none() {
        let order = preference(&["ssh-rsa"]);
        assert!(
            order.starts_with("rsa-sha2-512,rsa-sha2-256,ssh-rsa,ssh-ed25519"),
            "{order}"
        );
        assert_eq!(preference(&[]), ALGORITHMS.join(","));
        assert_eq!(
            preference(&["unheard-of"]).split(',').count(),
            ALGORITHMS.len()
        );
    }

    #[test]
    fn reads_a_keys_type() {
        let of = |key: &[u8]| algorithm_of(key);
        let name = of(b"\0\0\0\x0bssh-ed25519\0\0");
        assert_eq!(name.as_deref(), Some("ssh-ed25519"));
        for bad in [
            &b""[..],
            b"\0\0\0\0",
            b"\xff\xff\xff\xffx",
            b"\0\0\0\x03a b",
            b"\0\0\0\x03a\nb",
        ] {
            assert_eq!(of(bad), None, "{bad:?}");
        }
    }
}
