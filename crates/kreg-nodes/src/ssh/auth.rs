//! Logging in, by key files and by the agent.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret;
use ssh2::{ErrorCode, Session};

use super::connect::is_timeout;
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
    let mut tried = Vec::new();
    for identity in &hop.identities {
        let path = identity.path.display().to_string();
        if !identity.path.is_file() {
            tried.push(format!("{path} (no such file)"));
            continue;
        }
        let passphrase = identity
            .passphrase
            .as_ref()
            .map(ExposeSecret::expose_secret);
        match session.userauth_pubkey_file(&hop.user, None, &identity.path, passphrase) {
            Ok(()) => return Ok(()),
            Err(e) if is_broken(&e) => return Err(broken(&e, limit)),
            Err(e) => tried.push(format!("{path} ({})", why(&e, passphrase.is_some()))),
        }
    }
    let asks = match hop.agent {
        Agent::None => false,
        Agent::Usual => std::env::var_os("SSH_AUTH_SOCK").is_some(),
        Agent::At(_) => true,
    };
    if asks {
        match by_agent(hop, session, &mut tried) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(e) if is_broken(&e) => return Err(broken(&e, limit)),
            Err(e) => tried.push(format!("the agent ({})", e.message())),
        }
    }
    Err(TransportErrorKind::Auth {
        user: hop.user.clone(),
        tried: match tried.is_empty() {
            true => "nothing: no key file and no agent".to_owned(),
            false => tried.join(", "),
        },
        offered,
    })
}

fn by_agent(hop: &Hop, session: &Session, tried: &mut Vec<String>) -> Result<bool, ssh2::Error> {
    let mut agent = session.agent()?;
    if let Agent::At(socket) = &hop.agent {
        agent.set_identity_path(socket)?;
    }
    agent.connect()?;
    agent.list_identities()?;
    let mut keys = agent.identities()?;
    if keys.is_empty() {
        tried.push("the agent (holds no key)".to_owned());
    } else if hop.identities_only {
        let named = public_halves(hop);
        keys.retain(|key| named.iter().any(|blob| blob == key.blob()));
        if keys.is_empty() {
            tried.push("the agent (holds none of these keys)".to_owned());
        }
    }
    for key in &keys {
        match agent.userauth(&hop.user, key) {
            Ok(()) => return Ok(true),
            Err(e) if is_broken(&e) => return Err(e),
            Err(_) => tried.push(format!("the agent's {} (refused)", key.comment())),
        }
    }
    Ok(false)
}

/// The keys of `KEY.pub` beside each key file, in SSH's binary form.
fn public_halves(hop: &Hop) -> Vec<Vec<u8>> {
    let half = |identity: &super::Identity| {
        let mut file = identity.path.clone().into_os_string();
        file.push(".pub");
        let text = std::fs::read_to_string(file).ok()?;
        STANDARD.decode(text.split_ascii_whitespace().nth(1)?).ok()
    };
    hop.identities.iter().filter_map(half).collect()
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
            "not readable: it has a passphrase, or is no private key".to_owned()
        }
        _ => error.message().to_owned(),
    }
}

/// Whether the connection is gone, so that no further key can be tried: SOCKET_SEND,
/// TIMEOUT, SOCKET_DISCONNECT, SOCKET_TIMEOUT, SOCKET_RECV.
fn is_broken(error: &ssh2::Error) -> bool {
    matches!(error.code(), ErrorCode::Session(-7 | -9 | -13 | -30 | -43))
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
