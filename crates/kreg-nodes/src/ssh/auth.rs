//! Logging in, by key files and by the agent.

use std::time::Duration;

use secrecy::ExposeSecret;
use ssh2::{ErrorCode, Session};

use super::config::SshConfig;
use super::connect::is_timeout;
use crate::transport::TransportErrorKind;

/// Logs in by the first key that the node takes.
pub(super) fn login(
    config: &SshConfig,
    session: &Session,
    limit: Duration,
) -> Result<(), TransportErrorKind> {
    // Asking is the `none` method, which some servers already let in.
    let offered = match session.auth_methods(&config.user) {
        Ok(methods) => methods.to_owned(),
        Err(_) if session.authenticated() => return Ok(()),
        Err(e) => return Err(broken(&e, limit)),
    };
    let mut tried = Vec::new();
    for identity in config.identity_files() {
        let path = identity.path.display().to_string();
        if !identity.path.is_file() {
            tried.push(format!("{path} (no such file)"));
            continue;
        }
        let passphrase = identity
            .passphrase
            .as_ref()
            .map(ExposeSecret::expose_secret);
        match session.userauth_pubkey_file(&config.user, None, &identity.path, passphrase) {
            Ok(()) => return Ok(()),
            Err(e) if is_broken(&e) => return Err(broken(&e, limit)),
            Err(e) => tried.push(format!("{path} ({})", why(&e, passphrase.is_some()))),
        }
    }
    if config.agent && std::env::var_os("SSH_AUTH_SOCK").is_some() {
        match by_agent(config, session, &mut tried) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(e) if is_broken(&e) => return Err(broken(&e, limit)),
            Err(e) => tried.push(format!("the agent ({})", e.message())),
        }
    }
    Err(TransportErrorKind::Auth {
        user: config.user.clone(),
        tried: match tried.is_empty() {
            true => "nothing: no key file and no agent".to_owned(),
            false => tried.join(", "),
        },
        offered,
    })
}

fn by_agent(
    config: &SshConfig,
    session: &Session,
    tried: &mut Vec<String>,
) -> Result<bool, ssh2::Error> {
    let mut agent = session.agent()?;
    agent.connect()?;
    agent.list_identities()?;
    let keys = agent.identities()?;
    for key in &keys {
        match agent.userauth(&config.user, key) {
            Ok(()) => return Ok(true),
            Err(e) if is_broken(&e) => return Err(e),
            Err(_) => tried.push(format!("the agent's {} (refused)", key.comment())),
        }
    }
    if keys.is_empty() {
        tried.push("the agent (holds no key)".to_owned());
    }
    Ok(false)
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
