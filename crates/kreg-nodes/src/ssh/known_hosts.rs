//! OpenSSH's known_hosts files (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT").

use std::io::ErrorKind;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use super::pattern::wildcard;
use crate::transport::TransportErrorKind;

/// The lines of known_hosts files that name keys.
#[derive(Clone, Debug, Default)]
pub struct KnownHosts {
    entries: Vec<Entry>,
}

/// What known_hosts files say about a key that a host shows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// That key is known for that host.
    Known,
    /// No key is known for that host.
    Unknown,
    /// Other keys are known for that host, this one is not.
    Changed {
        /// `file:line` of an entry that differs, of the same type where there is one.
        at: String,
    },
    /// The key is marked as revoked.
    Revoked {
        /// `file:line` of the mark.
        at: String,
    },
}

#[derive(Clone, Debug)]
struct Entry {
    at: String,
    mark: Mark,
    hosts: Hosts,
    algorithm: String,
    key: Vec<u8>,
}

/// What the key of a line is: the host's, one that is taken back, or one that signs hosts' keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    None,
    Revoked,
    CertAuthority,
}

#[derive(Clone, Debug)]
enum Hosts {
    Patterns(Vec<String>),
    Hashed { salt: Vec<u8>, hash: Vec<u8> },
}

impl KnownHosts {
    /// Reads files; those that do not exist are skipped, as ssh does.
    ///
    /// # Errors
    /// [`TransportErrorKind::KnownHosts`] for a file that exists and cannot be read.
    pub fn read<P: AsRef<Path>>(
        files: impl IntoIterator<Item = P>,
    ) -> Result<KnownHosts, TransportErrorKind> {
        let mut known = KnownHosts::default();
        for file in files {
            let file = file.as_ref();
            match std::fs::read(file) {
                Ok(bytes) => {
                    known.add(
                        &file.display().to_string(),
                        &String::from_utf8_lossy(&bytes),
                    );
                }
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => {
                    return Err(TransportErrorKind::KnownHosts {
                        path: file.display().to_string(),
                        tried: "read",
                        detail: e.to_string(),
                    });
                }
            }
        }
        Ok(known)
    }

    /// Adds the lines of `text`, which came from `file`. Lines that are no entries are skipped.
    pub fn add(&mut self, file: &str, text: &str) {
        for (number, line) in text.lines().enumerate() {
            self.entries.extend(Entry::parse(file, number + 1, line));
        }
    }

    /// The types of the keys known for that host, in the files' order.
    #[must_use]
    pub fn algorithms(&self, host: &str, port: u16) -> Vec<&str> {
        let mut found: Vec<&str> = Vec::new();
        for entry in self.plain(host, port) {
            if !found.contains(&entry.algorithm.as_str()) {
                found.push(&entry.algorithm);
            }
        }
        found
    }

    /// `file:line` of a `@cert-authority` line for that host.
    #[must_use]
    pub fn authority(&self, host: &str, port: u16) -> Option<&str> {
        let names = names(host, port);
        let mut lines = names
            .iter()
            .flat_map(|name| self.of(name, Mark::CertAuthority));
        lines.next().map(|entry| entry.at.as_str())
    }

    /// Whether `key`, in SSH's binary form (RFC 4253, section 6.6), is that host's. A host at another
    /// port than 22 that no line names is known by its bare name too, as to ssh (sshconnect.c,
    /// "checking without port identifier").
    #[must_use]
    pub fn check(&self, host: &str, port: u16, algorithm: &str, key: &[u8]) -> Verdict {
        let names = names(host, port);
        let mut revoked = names.iter().flat_map(|name| self.of(name, Mark::Revoked));
        if let Some(entry) = revoked.find(|entry| entry.key == key) {
            return Verdict::Revoked {
                at: entry.at.clone(),
            };
        }
        if self.plain(host, port).iter().any(|entry| entry.key == key) {
            return Verdict::Known;
        }
        // Another key of the bare name is not a change of this one.
        let mut own = self.of(&names[0], Mark::None);
        let same_type = own.clone().find(|entry| entry.algorithm == algorithm);
        match same_type.or_else(|| own.next()) {
            Some(entry) => Verdict::Changed {
                at: entry.at.clone(),
            },
            None => Verdict::Unknown,
        }
    }

    /// The lines that [`KnownHosts::check`] compares a key with.
    fn plain(&self, host: &str, port: u16) -> Vec<&Entry> {
        let mut of_names = names(host, port).into_iter().map(|name| {
            let lines = self.of(&name, Mark::None);
            lines.collect::<Vec<_>>()
        });
        of_names.find(|lines| !lines.is_empty()).unwrap_or_default()
    }

    fn of(&self, name: &str, mark: Mark) -> impl Iterator<Item = &Entry> + Clone {
        let fits = move |entry: &&Entry| entry.mark == mark && entry.hosts.fits(name);
        self.entries.iter().filter(fits)
    }
}

/// The names of a host in known_hosts, the one with its port first.
fn names(host: &str, port: u16) -> Vec<String> {
    let mut names = vec![host_name(host, port)];
    if port != 22 {
        names.push(host_name(host, 22));
    }
    names
}

/// How known_hosts writes a host: the bare name at port 22, else `[name]:port`.
#[must_use]
pub fn host_name(host: &str, port: u16) -> String {
    let host = host.to_ascii_lowercase();
    match port {
        22 => host,
        _ => format!("[{host}]:{port}"),
    }
}

/// A line for a key, ended by a newline. `key` is in SSH's binary form (RFC 4253, section
/// 6.6), so it is not empty and names `algorithm` itself.
#[must_use]
pub fn line(host: &str, port: u16, algorithm: &str, key: &[u8]) -> String {
    format!(
        "{} {algorithm} {}\n",
        host_name(host, port),
        STANDARD.encode(key)
    )
}

impl Entry {
    fn parse(file: &str, number: usize, line: &str) -> Option<Entry> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let mut words = line.split_ascii_whitespace();
        let mut first = words.next()?;
        let mark = match first {
            "@revoked" => Mark::Revoked,
            "@cert-authority" => Mark::CertAuthority,
            other if other.starts_with('@') => return None,
            _ => Mark::None,
        };
        if mark != Mark::None {
            first = words.next()?;
        }
        Some(Entry {
            at: format!("{file}:{number}"),
            mark,
            hosts: Hosts::parse(first)?,
            algorithm: words.next()?.to_owned(),
            key: STANDARD.decode(words.next()?).ok()?,
        })
    }
}

impl Hosts {
    fn parse(text: &str) -> Option<Hosts> {
        let Some(hashed) = text.strip_prefix("|1|") else {
            let patterns = text.split(',').map(str::to_ascii_lowercase);
            return Some(Hosts::Patterns(patterns.collect()));
        };
        let (salt, hash) = hashed.split_once('|')?;
        Some(Hosts::Hashed {
            salt: STANDARD.decode(salt).ok()?,
            hash: STANDARD.decode(hash).ok()?,
        })
    }

    fn fits(&self, name: &str) -> bool {
        match self {
            Hosts::Patterns(patterns) => {
                let excluded = |p: &String| p.strip_prefix('!').is_some_and(|p| wildcard(p, name));
                !patterns.iter().any(excluded) && patterns.iter().any(|p| wildcard(p, name))
            }
            Hosts::Hashed { salt, hash } => Hmac::<Sha1>::new_from_slice(salt)
                .is_ok_and(|mac| mac.chain_update(name.as_bytes()).verify_slice(hash).is_ok()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn known(text: &str) -> KnownHosts {
        let mut known = KnownHosts::default();
        known.add("kh", text);
        known
    }

    #[test]
    fn reads_names_ports_marks_and_patterns() {
        let known = known(
            "# comment\n\
             node1,10.0.0.1 ssh-ed25519 AAAA one\n\
             [node1]:2222 ssh-rsa BBBB\n\
             @cert-authority *.example ssh-ed25519 CCCC\n\
             @revoked node1 ssh-ed25519 DDDD\n\
             *.lan,!bad.lan ecdsa-sha2-nistp256 EEEE\n\
             broken line\n",
        );
        let key = |text: &str| STANDARD.decode(text).unwrap();
        let check = |host: &str, port, text| known.check(host, port, "ssh-ed25519", &key(text));
        assert_eq!(check("NODE1", 22, "AAAA"), Verdict::Known);
        assert_eq!(check("10.0.0.1", 22, "AAAA"), Verdict::Known);
        assert_eq!(check("node1", 2222, "BBBB"), Verdict::Known);
        // By its bare name, where no line names the port; the other key of that name is not a change.
        assert_eq!(check("node1", 2200, "AAAA"), Verdict::Known);
        assert_eq!(check("node1", 2200, "BBBB"), Verdict::Unknown);
        assert_eq!(
            check("node1", 2222, "AAAA"),
            Verdict::Changed {
                at: "kh:3".to_owned()
            }
        );
        assert_eq!(
            check("node1", 22, "BBBB"),
            Verdict::Changed {
                at: "kh:2".to_owned()
            }
        );
        assert_eq!(
            check("node1", 22, "DDDD"),
            Verdict::Revoked {
                at: "kh:5".to_owned()
            }
        );
        assert_eq!(check("a.example", 22, "CCCC"), Verdict::Unknown);
        assert_eq!(check("a.lan", 22, "EEEE"), Verdict::Known);
        assert_eq!(check("bad.lan", 22, "EEEE"), Verdict::Unknown);
        assert_eq!(
            check("node1", 2222, "DDDD"),
            Verdict::Revoked {
                at: "kh:5".to_owned()
            }
        );
        assert_eq!(known.algorithms("node1", 2222), ["ssh-rsa"]);
        assert_eq!(known.algorithms("node1", 2200), ["ssh-ed25519"]);
        assert_eq!(known.authority("a.example", 2222), Some("kh:4"));
        assert_eq!(known.authority("node1", 22), None);
    }

    #[test]
    fn reads_hashed_names() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("known_hosts");
        let text = format!(
            "{}{}",
            line("node1", 22, "ssh-ed25519", b"one"),
            line("node1", 2222, "ssh-ed25519", b"two")
        );
        let mut hashed = String::new();
        for entry in text.lines() {
            let (name, rest) = entry.split_once(' ').unwrap();
            let salt = [7u8; 20];
            let mac = Hmac::<Sha1>::new_from_slice(&salt)
                .unwrap()
                .chain_update(name.as_bytes());
            let hash = mac.finalize().into_bytes();
            hashed += &format!(
                "|1|{}|{} {rest}\n",
                STANDARD.encode(salt),
                STANDARD.encode(hash)
            );
        }
        std::fs::write(&file, hashed).unwrap();
        let known = KnownHosts::read([&file, &folder.path().join("none")]).unwrap();
        assert_eq!(
            known.check("node1", 22, "ssh-ed25519", b"one"),
            Verdict::Known
        );
        assert_eq!(
            known.check("node1", 2222, "ssh-ed25519", b"two"),
            Verdict::Known
        );
        assert_eq!(
            known.check("node2", 22, "ssh-ed25519", b"one"),
            Verdict::Unknown
        );
    }

    /// A key in SSH's binary form: it begins with its type, so it is never empty. A line with
    /// an empty key is none to OpenSSH either.
    fn blob(algorithm: &str, rest: &[u8]) -> Vec<u8> {
        let length = u32::try_from(algorithm.len()).unwrap().to_be_bytes();
        [&length, algorithm.as_bytes(), rest].concat()
    }

    #[test]
    fn a_line_without_a_key_is_none() {
        let known = known("node1 ssh-ed25519 \nnode1 ssh-ed25519\n");
        assert_eq!(
            known.check("node1", 22, "ssh-ed25519", b""),
            Verdict::Unknown
        );
        assert!(known.algorithms("node1", 22).is_empty());
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,200}", host in "\\PC{0,20}") {
            let _ = known(&text).check(&host, 22, "ssh-ed25519", b"x");
        }

        #[test]
        fn what_is_added_is_known(host in "[a-z0-9.:-]{1,20}", port in 1u16.., key: Vec<u8>) {
            let key = blob("ssh-ed25519", &key);
            let known = known(&line(&host, port, "ssh-ed25519", &key));
            prop_assert_eq!(known.check(&host, port, "ssh-ed25519", &key), Verdict::Known);
        }
    }
}
