//! Logging in, by key files and by the agent.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret;
use ssh2::{ErrorCode, PublicKey, Session};

use super::config::Identity;
use super::failure::is_timeout;
use super::key::is_hardware_key;
use super::route::{Agent, Hop};
use crate::transport::TransportErrorKind;

/// Logs in by the first key that the node takes.
pub(super) fn login(
    hop: &Hop,
    session: &Session,
    limit: Duration,
) -> Result<(), TransportErrorKind> {
    // Asking is the `none` method, which some servers already let in.
    let offered = match session.auth_methods(&hop.user) {
        Ok(methods) => methods.to_owned(),
        Err(_) if session.authenticated() => return Ok(()),
        Err(e) => return Err(broken(&e, limit)),
    };
    let mut tries = Tries {
        hop,
        limit,
        tried: Vec::new(),
        by_openssh: false,
    };
    let mut keys: VecDeque<Key<'_>> = hop.identities.iter().map(Key::File).collect();
    let asks = match hop.agent {
        Agent::None => false,
        Agent::Usual => std::env::var_os("SSH_AUTH_SOCK").is_some(),
        Agent::At(_) => true,
    };
    let agent = asks.then(|| tries.of_agent(session)).flatten();
    let of_agent = agent
        .iter()
        .flat_map(|(agent, keys)| keys.iter().map(move |key| (agent, key)));
    keys.extend(of_agent.map(|(agent, key)| Key::Agent(agent, key)));
    while let Some(key) = keys.pop_front() {
        match tries.offer(session, &key)? {
            Answer::In => return Ok(()),
            Answer::No => {}
            Answer::HungUp => {
                return Err(TransportErrorKind::HungUp {
                    user: hop.user.clone(),
                    tried: tries.tried.join(", "),
                    untried: keys.iter().map(Key::name).collect(),
                });
            }
        }
    }
    Err(TransportErrorKind::Auth {
        user: hop.user.clone(),
        by_openssh: tries.by_openssh,
        tried: match tries.tried.is_empty() {
            true => "nothing: no key file and no agent".to_owned(),
            false => tries.tried.join(", "),
        },
        offered,
    })
}

enum Key<'a> {
    File(&'a Identity),
    Agent(&'a ssh2::Agent, &'a PublicKey),
}

impl Key<'_> {
    fn name(&self) -> String {
        match self {
            Key::File(identity) => identity.path.display().to_string(),
            Key::Agent(_, key) => format!("the agent's {}", key.comment()),
        }
    }
}

/// What the node says to a key.
#[derive(PartialEq, Eq)]
enum Answer {
    In,
    No,
    /// It closed the connection instead of an answer.
    HungUp,
}

/// What was tried, and what came of it.
struct Tries<'a> {
    hop: &'a Hop,
    limit: Duration,
    tried: Vec<String>,
    /// Whether there was a key that libssh2 cannot use.
    by_openssh: bool,
}

impl Tries<'_> {
    fn offer(&mut self, session: &Session, key: &Key<'_>) -> Result<Answer, TransportErrorKind> {
        let (hop, name) = (self.hop, key.name());
        let identity = match key {
            Key::File(identity) => identity,
            Key::Agent(agent, key) => {
                let answer = agent.userauth(&hop.user, key);
                return self.note(name, answer, false);
            }
        };
        let passphrase = identity
            .passphrase
            .as_ref()
            .map(ExposeSecret::expose_secret);
        if !identity.path.is_file() {
            self.tried.push(format!("{name} (no such file)"));
            return Ok(Answer::No);
        }
        if is_hardware_key(&identity.path) {
            self.by_openssh = true;
            let why = "a key of a security device, which libssh2 cannot use";
            self.tried.push(format!("{name} ({why})"));
            return Ok(Answer::No);
        }
        let with = |public: Option<&Path>| {
            session.userauth_pubkey_file(&hop.user, public, &identity.path, passphrase)
        };
        for certificate in certificates(hop, identity) {
            let name = format!("{name} with {}", certificate.display());
            let answer = self.note(name, with(Some(&certificate)), passphrase.is_some())?;
            if answer != Answer::No {
                return Ok(answer);
            }
        }
        self.note(name, with(None), passphrase.is_some())
    }

    fn note(
        &mut self,
        name: String,
        answer: Result<(), ssh2::Error>,
        with_passphrase: bool,
    ) -> Result<Answer, TransportErrorKind> {
        let Err(e) = answer else {
            return Ok(Answer::In);
        };
        if is_timeout(&e) {
            return Err(broken(&e, self.limit));
        }
        let (said, answer) = match is_broken(&e) {
            true => ("the node hung up".to_owned(), Answer::HungUp),
            false => (why(&e, with_passphrase), Answer::No),
        };
        self.tried.push(format!("{name} ({said})"));
        Ok(answer)
    }

    /// The agent and those of its keys that may be offered.
    fn of_agent(&mut self, session: &Session) -> Option<(ssh2::Agent, Vec<PublicKey>)> {
        let hop = self.hop;
        let keys = || -> Result<_, ssh2::Error> {
            let mut agent = session.agent()?;
            if let Agent::At(socket) = &hop.agent {
                agent.set_identity_path(socket)?;
            }
            agent.connect()?;
            agent.list_identities()?;
            let keys = agent.identities()?;
            Ok((agent, keys))
        };
        let (agent, mut keys) = match keys() {
            Ok(found) => found,
            Err(e) => {
                self.tried.push(format!("the agent ({})", e.message()));
                return None;
            }
        };
        let any = !keys.is_empty();
        if hop.identities_only {
            let named = public_halves(hop);
            keys.retain(|key| named.iter().any(|blob| blob == key.blob()));
        }
        match (any, keys.is_empty()) {
            (false, _) => self.tried.push("the agent (holds no key)".to_owned()),
            (true, true) => {
                let none = "the agent (holds none of these keys)";
                self.tried.push(none.to_owned());
            }
            (true, false) => {}
        }
        Some((agent, keys))
    }
}

/// The keys of `KEY.pub` beside each key file, in SSH's binary form.
fn public_halves(hop: &Hop) -> Vec<Vec<u8>> {
    let half = |identity: &Identity| public_key(&beside(&identity.path, ".pub"));
    hop.identities.iter().filter_map(half).collect()
}

/// The certificates of a key: `KEY-cert.pub` beside it (ssh_config(5), IdentityFile), and of those
/// that are named the ones that are made for it.
fn certificates(hop: &Hop, identity: &Identity) -> Vec<PathBuf> {
    let mut found = vec![beside(&identity.path, "-cert.pub")];
    found.retain(|path| path.is_file());
    let public = public_key(&beside(&identity.path, ".pub"));
    for certificate in &hop.certificates {
        let fits = match (&public, public_key(certificate)) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(public), Some(signed)) => is_of(&signed, public),
        };
        if fits && !found.contains(certificate) {
            found.push(certificate.clone());
        }
    }
    found
}

/// Whether a certificate holds this key: after its own type and nonce, a certificate goes on as the
/// key does after its type (PROTOCOL.certkeys).
fn is_of(certificate: &[u8], key: &[u8]) -> bool {
    let length = key.get(..4).and_then(|bytes| bytes.try_into().ok());
    let length = length.map_or(0, |bytes| u32::from_be_bytes(bytes) as usize);
    match key.get(length.saturating_add(4)..) {
        Some(body) if !body.is_empty() => {
            certificate.windows(body.len()).any(|window| window == body)
        }
        _ => false,
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut file = path.as_os_str().to_owned();
    file.push(ending);
    file.into()
}

/// The second word of a public key file, in SSH's binary form.
fn public_key(file: &Path) -> Option<Vec<u8>> {
    let text = std::fs::read_to_string(file).ok()?;
    STANDARD.decode(text.split_ascii_whitespace().nth(1)?).ok()
}

/// In few words; the codes are from libssh2.h.
fn why(error: &ssh2::Error, with_passphrase: bool) -> String {
    match error.code() {
        // AUTHENTICATION_FAILED, PUBLICKEY_UNVERIFIED
        ErrorCode::Session(-18 | -19) => "refused".to_owned(),
        // FILE: the key could not be read
        ErrorCode::Session(-16) if with_passphrase => {
            "not readable: wrong passphrase, or no private key".to_owned()
        }
        ErrorCode::Session(-16) => {
            "not readable: it has a passphrase, or is not a private key".to_owned()
        }
        _ => error.message().to_owned(),
    }
}

/// Whether the connection is gone, so that no further key can be tried: SOCKET_SEND,
/// TIMEOUT, SOCKET_DISCONNECT, SOCKET_TIMEOUT, SOCKET_RECV; and PUBLICKEY_UNVERIFIED where no answer
/// came at all (libssh2's userauth.c gives both of these texts after any failure to read).
fn is_broken(error: &ssh2::Error) -> bool {
    match error.code() {
        ErrorCode::Session(-7 | -9 | -13 | -30 | -43) => true,
        ErrorCode::Session(-19) => error.message().starts_with("Waiting for "),
        _ => false,
    }
}

fn broken(error: &ssh2::Error, limit: Duration) -> TransportErrorKind {
    match is_timeout(error) {
        true => TransportErrorKind::Timeout {
            during: "logging in",
            after: limit,
        },
        false => TransportErrorKind::Lost {
            during: "logging in",
            detail: error.message().to_owned(),
        },
    }
}
