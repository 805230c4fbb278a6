//! Which lines apply to a host, and what comes of them.

use std::time::Duration;

use super::super::pattern::fits;
use super::lines::Line;
use super::tokens::{Tokens, percent};
use super::{AddressFamily, HostSettings, IdentityAgent, OpensshConfig, unusable};
use crate::transport::TransportErrorKind;

/// Whether the lines of a block apply.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Applies {
    Yes,
    No,
    /// Only ssh itself could tell: the line, and the criterion that kreg does not judge.
    Unknown(String, String),
}

/// Values as the lines have them; the first one wins.
#[derive(Debug, Default)]
struct Found<'a> {
    host_name: Option<&'a Line>,
    host_key_alias: Option<&'a Line>,
    user: Option<&'a Line>,
    port: Option<&'a Line>,
    identity_files: Vec<&'a Line>,
    identities_only: Option<&'a Line>,
    identity_agent: Option<&'a Line>,
    user_known_hosts: Option<&'a Line>,
    global_known_hosts: Option<&'a Line>,
    jump: Option<&'a Line>,
    connect_timeout: Option<&'a Line>,
    address_family: Option<&'a Line>,
}

/// Keywords that change where a connection goes or what it is checked by, in ways that kreg does
/// not have; with the value that means nothing.
const NOT_FOLLOWED: [(&str, &str); 4] = [
    ("bindaddress", ""),
    ("bindinterface", ""),
    ("canonicalizehostname", "no"),
    ("revokedhostkeys", "none"),
];

pub(super) fn lookup(
    config: &OpensshConfig,
    host: &str,
    user: Option<&str>,
) -> Result<HostSettings, TransportErrorKind> {
    let mut search = Search {
        host,
        user,
        local_user: &config.local_user,
        found: Found::default(),
    };
    for lines in &config.lines {
        search.walk(lines, &Applies::Yes)?;
    }
    search.found.settle(config, host, user)
}

struct Search<'a> {
    host: &'a str,
    user: Option<&'a str>,
    local_user: &'a str,
    found: Found<'a>,
}

impl<'a> Search<'a> {
    /// `outside`: whether what brings these lines in applies.
    fn walk(&mut self, lines: &'a [Line], outside: &Applies) -> Result<(), TransportErrorKind> {
        let mut applies = outside.clone();
        for line in lines {
            match line.keyword.as_str() {
                "host" => {
                    let fits = fits(line.words.iter().map(String::as_str), self.host);
                    applies = within(outside, if fits { Applies::Yes } else { Applies::No });
                }
                "match" => applies = within(outside, self.judge(line)?),
                // What an included file says last does not reach beyond it.
                "include" => self.walk(&line.included, &applies)?,
                _ if applies == Applies::No => {}
                _ => self.take(line, &applies)?,
            }
        }
        Ok(())
    }

    /// Whether the criteria of a `Match` line hold: all of them must.
    fn judge(&self, line: &Line) -> Result<Applies, TransportErrorKind> {
        let mut applies = Applies::Yes;
        let mut words = line.words.iter();
        while let Some(word) = words.next() {
            let (criterion, wanted) = match word.strip_prefix('!') {
                Some(criterion) => (criterion, false),
                None => (word.as_str(), true),
            };
            // `host=a` is `host a` since OpenSSH 9.9.
            let (criterion, joined) = match criterion.split_once('=') {
                Some((criterion, value)) => (criterion, Some(value)),
                None => (criterion, None),
            };
            let criterion = criterion.to_ascii_lowercase();
            let unknown = || Applies::Unknown(line.at.clone(), criterion.clone());
            let (subject, lower) = match criterion.as_str() {
                "all" => continue,
                "canonical" | "final" => {
                    applies = within(&applies, unknown());
                    continue;
                }
                "host" => (self.connected_host()?, true),
                "originalhost" => (self.host.to_owned(), true),
                "user" => (self.login_user(), false),
                "localuser" => (self.local_user.to_owned(), false),
                _ => {
                    if joined.is_none() {
                        words.next();
                    }
                    applies = within(&applies, unknown());
                    continue;
                }
            };
            let value = joined.or_else(|| words.next().map(String::as_str));
            let Some(value) = value else {
                return Err(unusable(&line.at, format!("`{criterion}` without a value")));
            };
            let (subject, value) = match lower {
                true => (subject.to_ascii_lowercase(), value.to_ascii_lowercase()),
                false => (subject, value.to_owned()),
            };
            if fits(value.split(','), &subject) != wanted {
                applies = Applies::No;
            }
        }
        Ok(applies)
    }

    fn connected_host(&self) -> Result<String, TransportErrorKind> {
        self.found.host_name(self.host)
    }

    fn login_user(&self) -> String {
        let found = self.found.user.map(|line| line.words[0].clone());
        let settled = self.user.map(str::to_owned).or(found);
        settled.unwrap_or_else(|| self.local_user.to_owned())
    }

    fn take(&mut self, line: &'a Line, applies: &Applies) -> Result<(), TransportErrorKind> {
        let found = &mut self.found;
        let slot = match line.keyword.as_str() {
            "hostname" => &mut found.host_name,
            "hostkeyalias" => &mut found.host_key_alias,
            "user" => &mut found.user,
            "port" => &mut found.port,
            "identitiesonly" => &mut found.identities_only,
            "identityagent" => &mut found.identity_agent,
            "userknownhostsfile" => &mut found.user_known_hosts,
            "globalknownhostsfile" => &mut found.global_known_hosts,
            // Whichever comes first.
            "proxyjump" | "proxycommand" => &mut found.jump,
            "connecttimeout" => &mut found.connect_timeout,
            "addressfamily" => &mut found.address_family,
            "identityfile" => {
                decided(line, applies)?;
                found.identity_files.push(line);
                return Ok(());
            }
            other => {
                let not = NOT_FOLLOWED.iter().find(|(keyword, _)| *keyword == other);
                return match not {
                    Some((_, nothing)) if !line.words[0].eq_ignore_ascii_case(nothing) => {
                        decided(line, applies)?;
                        Err(not_followed(line))
                    }
                    _ => Ok(()),
                };
            }
        };
        if slot.is_none() {
            decided(line, applies)?;
            *slot = Some(line);
        }
        Ok(())
    }
}

/// A line that says something kreg would follow must be known to apply.
fn decided(line: &Line, applies: &Applies) -> Result<(), TransportErrorKind> {
    match applies {
        Applies::Unknown(at, criterion) => Err(unusable(
            at,
            format!(
                "`Match {criterion}` is for ssh alone to judge, and `{}` at {} hangs on it",
                line.keyword, line.at
            ),
        )),
        _ => Ok(()),
    }
}

fn not_followed(line: &Line) -> TransportErrorKind {
    let said = format!("`{} {}`", line.keyword, line.words.join(" "));
    unusable(
        &line.at,
        format!("{said} applies, which kreg does not follow"),
    )
}

fn within(outside: &Applies, inside: Applies) -> Applies {
    match (outside, inside) {
        (Applies::No, _) | (_, Applies::No) => Applies::No,
        (Applies::Yes, inside) => inside,
        (outside, _) => outside.clone(),
    }
}

impl Found<'_> {
    fn host_name(&self, host: &str) -> Result<String, TransportErrorKind> {
        let Some(line) = self.host_name else {
            return Ok(host.to_owned());
        };
        percent(&line.words[0], |token| (token == 'h').then_some(host))
            .map_err(|why| unusable(&line.at, why))
    }

    fn settle(
        &self,
        config: &OpensshConfig,
        host: &str,
        user: Option<&str>,
    ) -> Result<HostSettings, TransportErrorKind> {
        let first = |line: Option<&Line>| line.map(|line| line.words[0].clone());
        let host_name = self.host_name(host)?;
        let port = self.port.map(port).transpose()?;
        let login = user.map(str::to_owned).or_else(|| first(self.user));
        let tokens = Tokens {
            host: &host_name,
            original: host,
            port: port.unwrap_or(22),
            user: login.as_deref().unwrap_or(&config.local_user),
            home: &config.home,
            local_user: &config.local_user,
        };
        let path =
            |line: &Line, word: &str| tokens.path(word).map_err(|why| unusable(&line.at, why));
        let files = |line: Option<&Line>| {
            line.map(|line| {
                let named = line.words.iter().filter(|word| !is_none(word));
                named
                    .map(|word| path(line, word))
                    .collect::<Result<Vec<_>, _>>()
            })
            .transpose()
        };
        let mut identity_files = Vec::new();
        for line in &self.identity_files {
            if is_none(&line.words[0]) {
                continue;
            }
            let file = path(line, &line.words[0])?;
            if !identity_files.contains(&file) {
                identity_files.push(file);
            }
        }
        let identity_agent = match self.identity_agent {
            Some(line) if is_none(&line.words[0]) => Some(IdentityAgent::None),
            Some(line) if line.words[0] == "SSH_AUTH_SOCK" => None,
            Some(line) => Some(IdentityAgent::Socket(
                match line.words[0].strip_prefix('$') {
                    Some(name) if !name.starts_with('{') => path(line, &format!("${{{name}}}"))?,
                    _ => path(line, &line.words[0])?,
                },
            )),
            None => None,
        };
        Ok(HostSettings {
            host_key_alias: first(self.host_key_alias),
            user: first(self.user),
            identities_only: self
                .identities_only
                .is_some_and(|line| is_yes(&line.words[0])),
            user_known_hosts: files(self.user_known_hosts)?,
            global_known_hosts: files(self.global_known_hosts)?,
            jumps: self.jump.map(jumps).transpose()?.unwrap_or_default(),
            connect_timeout: self.connect_timeout.map(time).transpose()?.flatten(),
            address_family: self.address_family.map(family).transpose()?.flatten(),
            host_name: self.host_name.is_some().then(|| host_name.clone()),
            port,
            identity_files,
            identity_agent,
        })
    }
}

fn is_none(word: &str) -> bool {
    word.eq_ignore_ascii_case("none")
}

fn is_yes(word: &str) -> bool {
    word.eq_ignore_ascii_case("yes") || word.eq_ignore_ascii_case("true")
}

fn port(line: &Line) -> Result<u16, TransportErrorKind> {
    let port = line.words[0].parse().ok().filter(|&port| port != 0);
    port.ok_or_else(|| unusable(&line.at, "is no port"))
}

fn jumps(line: &Line) -> Result<Vec<String>, TransportErrorKind> {
    match (line.keyword.as_str(), line.words[0].as_str()) {
        (_, word) if is_none(word) => Ok(Vec::new()),
        ("proxyjump", hosts) => Ok(hosts.split(',').map(|hop| hop.trim().to_owned()).collect()),
        _ => Err(not_followed(line)),
    }
}

/// misc.c, convtime: `90`, `1m30s`.
fn time(line: &Line) -> Result<Option<Duration>, TransportErrorKind> {
    let bad = || unusable(&line.at, "is no time");
    let mut seconds = 0u64;
    let mut rest = line.words[0].as_str();
    if is_none(rest) {
        return Ok(None);
    }
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let number: u64 = rest[..end].parse().map_err(|_| bad())?;
        let mut unit = rest[end..].chars();
        let factor = match unit.next() {
            None | Some('s' | 'S') => 1,
            Some('m' | 'M') => 60,
            Some('h' | 'H') => 3600,
            Some('d' | 'D') => 86_400,
            Some('w' | 'W') => 604_800,
            Some(_) => return Err(bad()),
        };
        seconds = number
            .checked_mul(factor)
            .and_then(|more| seconds.checked_add(more))
            .ok_or_else(bad)?;
        rest = unit.as_str();
    }
    Ok((seconds > 0).then(|| Duration::from_secs(seconds)))
}

fn family(line: &Line) -> Result<Option<AddressFamily>, TransportErrorKind> {
    match line.words[0].to_ascii_lowercase().as_str() {
        "any" => Ok(None),
        "inet" => Ok(Some(AddressFamily::Inet)),
        "inet6" => Ok(Some(AddressFamily::Inet6)),
        _ => Err(unusable(&line.at, "is no address family")),
    }
}
