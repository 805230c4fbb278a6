//! Nodes over SSH, as flags, configuration and environment have it.

use std::io::IsTerminal as _;
use std::path::Path;

use kreg_auth::PasswordSource;
use kreg_nodes::ssh::openssh::OpensshConfig;
use kreg_nodes::ssh::{SshChoices, SshConfig, has_passphrase};
use kreg_nodes::{BySsh, Node};

use crate::config::sections::Ssh;
use crate::error::{Error, Tried as _};
use crate::settings::Settings;

/// Who logs in where nobody says otherwise.
const USER: &str = "root";

const PASSPHRASE_VARIABLE: &str = "KREG_SSH_PASSPHRASE";

pub(super) fn libssh2(settings: &Settings, nodes: Vec<Node>) -> Result<BySsh, Error> {
    let ssh = &settings.nodes.ssh;
    let mut config = ssh_config(ssh)?;
    if let Some(passphrase) = passphrase(ssh)? {
        config = config.passphrase(passphrase);
    }
    Ok(paced(BySsh::libssh2(nodes, config), settings))
}

pub(super) fn system(settings: &Settings, nodes: Vec<Node>) -> Result<BySsh, Error> {
    let ssh = &settings.nodes.ssh;
    let config = ssh_config(ssh)?;
    if let Some(source) = passphrase_source(ssh) {
        return Err(Error::usage(format!(
            "the `ssh` program cannot be given the passphrase from {source}"
        ))
        .help(format!(
            "add the key to your agent by ssh-add, and leave the passphrase out (unset \
             {PASSPHRASE_VARIABLE})"
        )));
    }
    if let Some(identity) = &ssh.identity
        && is_locked(identity)?
    {
        return Err(Error::usage(format!(
            "the SSH key {} has a passphrase, which the `ssh` program cannot ask for",
            identity.display()
        ))
        .help("add it to your agent by ssh-add"));
    }
    Ok(paced(BySsh::system(nodes, config), settings))
}

fn paced(ssh: BySsh, settings: &Settings) -> BySsh {
    ssh.parallel(settings.nodes.parallel)
        .timeout(settings.timeout)
}

fn ssh_config(settings: &Ssh) -> Result<SshConfig, Error> {
    let openssh = match &settings.config {
        None => OpensshConfig::usual(),
        Some(none) if none.as_os_str() == "none" => Ok(OpensshConfig::default()),
        Some(file) => OpensshConfig::read(file),
    };
    let openssh = openssh.map_err(|cause| {
        Error::usage("cannot follow OpenSSH's configuration")
            .because(&cause)
            .help("fix it, or leave it out by --ssh-config none")
    })?;
    let none = |hosts: &[String]| matches!(hosts, [none] if none == "none");
    let jumps = settings.jump.clone();
    let choices = SshChoices {
        user: settings.user.clone(),
        port: settings.port,
        identity: settings.identity.clone(),
        known_hosts: settings.known_hosts.clone(),
        accept_new: settings.accept_new,
        jumps: jumps.map(|hosts| if none(&hosts) { Vec::new() } else { hosts }),
        connect_timeout: settings.connect_timeout,
    };
    Ok(SshConfig::following(openssh, USER).with(choices))
}

/// Whether the key has a passphrase and no agent can hold it.
fn is_locked(identity: &Path) -> Result<bool, Error> {
    let has_passphrase = has_passphrase(identity).map_err(|cause| {
        Error::usage(format!("cannot read the SSH key {}", identity.display())).because(&cause)
    })?;
    Ok(has_passphrase && std::env::var_os("SSH_AUTH_SOCK").is_none())
}

fn passphrase_source(settings: &Ssh) -> Option<PasswordSource> {
    PasswordSource::chosen(false, settings.passphrase_file.clone())
        .or_else(|| PasswordSource::variable(PASSPHRASE_VARIABLE))
}

/// From a file or the environment; asked for only if the key that was named is locked.
fn passphrase(settings: &Ssh) -> Result<Option<kreg_auth::SecretString>, Error> {
    if let Some(source) = passphrase_source(settings) {
        let read = source.read().map_err(|cause| {
            Error::usage("cannot read the passphrase of the SSH key").because(&cause)
        })?;
        return Ok(Some(read));
    }
    let Some(identity) = &settings.identity else {
        return Ok(None);
    };
    if !is_locked(identity)? || !std::io::stdin().is_terminal() {
        return Ok(None);
    }
    let asked = rpassword::prompt_password(format!("Passphrase of {}: ", identity.display()))
        .tried("cannot ask for the passphrase of the SSH key")?;
    Ok(Some(asked.into()))
}
