//! What `ssh -G` printed: a keyword and its value a line, as readconf.c's `dump_client_config` does.

use std::path::PathBuf;
use std::time::Duration;

use super::settings::{AddressFamily, DEFAULT_IDENTITIES, HostSettings, IdentityAgent};

/// A path for `ControlPath` that makes ssh show what tokens stand for (ssh_config(5), TOKENS). All of
/// these are known since OpenSSH 7.3. The home directory is the one of passwd(5), as ssh takes it.
pub(super) const TOKENS: &str =
    "~/\u{1f}h%h\u{1f}n%n\u{1f}p%p\u{1f}r%r\u{1f}u%u\u{1f}i%i\u{1f}l%l\u{1f}L%L\u{1f}C%C";

/// Keywords that change where a connection goes or what it is checked by, in ways that libssh2 does
/// not have.
const NOT_FOLLOWED: [&str; 4] = [
    "proxycommand",
    "bindaddress",
    "bindinterface",
    "revokedhostkeys",
];

#[derive(Clone, Debug)]
pub(super) struct Said {
    lines: Vec<(String, String)>,
    applied: Vec<String>,
    /// The files that were read.
    files: Vec<PathBuf>,
}

impl Said {
    pub(super) fn read(stdout: &str, trace: &str) -> Said {
        let split = |line: &str| {
            let (keyword, value) = line.split_once(' ')?;
            Some((keyword.to_ascii_lowercase(), value.to_owned()))
        };
        Said {
            lines: stdout.lines().filter_map(split).collect(),
            applied: trace.lines().filter_map(applied).collect(),
            files: trace
                .lines()
                .filter_map(|line| line.strip_prefix("debug1: Reading configuration data "))
                .map(PathBuf::from)
                .collect(),
        }
    }

    pub(super) fn get(&self, keyword: &str) -> Option<&str> {
        self.all(keyword).next()
    }

    fn all(&self, keyword: &str) -> impl Iterator<Item = &str> {
        self.lines
            .iter()
            .filter(move |(name, _)| name == keyword)
            .map(|(_, value)| value.as_str())
    }

    /// Whether the files say the same about every host: no line begins with `Host` or `Match` but
    /// `Host *`, nor with another word that begins so, and there are neither tokens nor canonical names.
    pub(super) fn is_of_all(&self) -> bool {
        let of_all = |line: &str| {
            let line = line.trim().trim_start_matches('"').to_ascii_lowercase();
            let named = line.starts_with("host") && line != "host *";
            line.starts_with('#')
                || !(named
                    || line.starts_with("match")
                    || line.contains('%')
                    || line.contains("canonical"))
        };
        self.every_line(of_all)
    }

    /// Whether a line may name a user. Whether it applies is for ssh to say.
    pub(super) fn may_name_user(&self) -> bool {
        !self.every_line(|line| {
            let line = line.trim().trim_start_matches('"').to_ascii_lowercase();
            !line.starts_with("user") || line.starts_with("userknownhostsfile")
        })
    }

    /// Of all files that were read; one that cannot be read again may hold anything.
    fn every_line(&self, holds: impl Fn(&str) -> bool) -> bool {
        self.files.iter().all(|file| {
            let text = std::fs::read_to_string(file);
            text.is_ok_and(|text| text.lines().all(&holds))
        })
    }

    /// The same about another host and user, where [`Said::is_of_all`].
    pub(super) fn renamed(&self, host: &str, user: Option<&str>) -> Said {
        let mut said = self.clone();
        for (keyword, value) in &mut said.lines {
            match (keyword.as_str(), user) {
                ("host" | "hostname", _) => *value = host.to_owned(),
                ("user", Some(user)) => *value = user.to_owned(),
                _ => {}
            }
        }
        said
    }

    /// Whether nothing is said about this host that is not said about `stranger`, except for their names.
    pub(super) fn is_like(&self, stranger: &Said) -> bool {
        let settings = |said: &Said| -> Vec<(String, String)> {
            let own = |(keyword, _): &&(String, String)| {
                !["host", "controlpath"].contains(&keyword.as_str())
            };
            said.lines.iter().filter(own).cloned().collect()
        };
        let name = |said: &Said| said.get("host").unwrap_or_default().to_ascii_lowercase();
        let (ours, theirs) = (settings(self), settings(stranger));
        let (our_name, their_name) = (name(self), name(stranger));
        ours.len() == theirs.len()
            && ours.iter().zip(&theirs).all(|(a, b)| {
                let renamed = b.1.to_ascii_lowercase().replace(&their_name, &our_name);
                a.0 == b.0 && (a.1 == b.1 || a.1.to_ascii_lowercase() == renamed)
            })
    }

    /// `unconfigured`: what is said where no line says anything. `user`: who logs in, if a line says so.
    pub(super) fn settings(
        &self,
        unconfigured: &Said,
        user: Option<&str>,
    ) -> Result<HostSettings, String> {
        let host = self.get("host").unwrap_or_default();
        let value = |keyword| self.get(keyword).filter(|value| !is_none(value));
        let paths = |keyword| -> Result<Vec<PathBuf>, String> {
            let named = self.all(keyword).filter(|value| !is_none(value));
            named.map(|value| self.path(value)).collect()
        };
        let files = |keyword| self.get(keyword).map(path_list);
        let usual: Vec<&str> = unconfigured.all("identityfile").collect();
        let mut identity_files = paths("identityfile")?;
        if self.all("identityfile").eq(usual) {
            let readable =
                |path: &PathBuf| DEFAULT_IDENTITIES.iter().any(|name| path.ends_with(name));
            identity_files.retain(|path| readable(path) && path.is_file());
        }
        let jumps =
            value("proxyjump").map(|hosts| hosts.split(',').map(|hop| hop.trim().to_owned()));
        let identity_agent = match self.get("identityagent") {
            None | Some("SSH_AUTH_SOCK") => None,
            Some(none) if is_none(none) => Some(IdentityAgent::None),
            Some(path) => Some(IdentityAgent::Socket(match path.strip_prefix('$') {
                Some(name) if !name.starts_with('{') => variable(name)?.into(),
                // Its tokens are replaced already.
                _ => path.into(),
            })),
        };
        let not_followed = NOT_FOLLOWED.iter().filter_map(|keyword| {
            let value = value(keyword)?;
            Some(format!("{keyword} {value}"))
        });
        Ok(HostSettings {
            host_name: value("hostname")
                .filter(|name| !name.eq_ignore_ascii_case(host))
                .map(str::to_owned),
            host_key_alias: value("hostkeyalias").map(str::to_owned),
            user: user.map(str::to_owned),
            port: value("port").and_then(|port| port.parse().ok()),
            identity_files,
            certificate_files: paths("certificatefile")?,
            identities_only: value("identitiesonly").is_some_and(is_yes),
            identity_agent,
            user_known_hosts: files("userknownhostsfile"),
            global_known_hosts: files("globalknownhostsfile"),
            known_hosts_command: value("knownhostscommand").map(str::to_owned),
            jumps: jumps.map(Iterator::collect).unwrap_or_default(),
            connect_timeout: value("connecttimeout")
                .and_then(|seconds| seconds.parse().ok())
                .filter(|&seconds| seconds > 0)
                .map(Duration::from_secs),
            address_family: match value("addressfamily") {
                Some("inet") => Some(AddressFamily::Inet),
                Some("inet6") => Some(AddressFamily::Inet6),
                _ => None,
            },
            not_followed: not_followed.collect(),
            applied: self.applied.clone(),
        })
    }

    /// A path whose `~`, tokens and variables stand there as they were written.
    fn path(&self, text: &str) -> Result<PathBuf, String> {
        let tokens: Vec<&str> = self
            .get("controlpath")
            .unwrap_or_default()
            .split('\u{1f}')
            .collect();
        let home = tokens[0].trim_end_matches('/');
        let alias = self.get("hostkeyalias").or(self.get("host"));
        let token = |name: char| match name {
            '%' => Some("%"),
            'd' => Some(home),
            'k' => alias,
            _ => tokens[1..].iter().find_map(|one| one.strip_prefix(name)),
        };
        let (mut path, mut rest) = match text.strip_prefix("~/") {
            Some(rest) => (format!("{home}/"), rest),
            None => (String::new(), text),
        };
        while let Some(at) = rest.find(['%', '$']) {
            path += &rest[..at];
            rest = &rest[at..];
            if let Some(name) = rest.strip_prefix('%').and_then(|rest| rest.chars().next()) {
                let value = token(name);
                path += value.ok_or_else(|| format!("the token %{name} of {text} is not known"))?;
                rest = &rest[1 + name.len_utf8()..];
            } else if let Some((name, after)) = rest
                .strip_prefix("${")
                .and_then(|rest| rest.split_once('}'))
            {
                path += &variable(name)?;
                rest = after;
            } else {
                path += &rest[..1];
                rest = &rest[1..];
            }
        }
        Ok(PathBuf::from(path + rest))
    }
}

/// `file:line` of a trace line: `debug1: FILE line 3: Applying options for node*`.
fn applied(line: &str) -> Option<String> {
    let (place, _) = line
        .strip_prefix("debug1: ")?
        .split_once(": Applying options for ")?;
    let (file, number) = place.rsplit_once(" line ")?;
    Some(format!("{file}:{number}"))
}

/// Paths that stand in one line without quotes: a word that begins no path belongs to the one before.
fn path_list(text: &str) -> Vec<PathBuf> {
    let mut paths: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|_| !is_none(text)) {
        match paths.last_mut() {
            Some(last) if !word.starts_with(['/', '~']) => *last += &format!(" {word}"),
            _ => paths.push(word.to_owned()),
        }
    }
    paths.into_iter().map(PathBuf::from).collect()
}

fn variable(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|_| format!("${name} is not set"))
}

fn is_none(word: &str) -> bool {
    word.eq_ignore_ascii_case("none")
}

fn is_yes(word: &str) -> bool {
    ["yes", "true"].contains(&word)
}
