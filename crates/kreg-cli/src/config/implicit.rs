//! `./kreg.toml`, which nobody named: whether kreg may use it, and what it may set.
//!
//! An account that can change this file decides what kreg does, and kreg often runs as root. The rule for its
//! place is that of OpenSSH for files that it trusts (`safe_path` in its `misc.c`), with the user's
//! own group as Debian allows it; git has its `safe.directory` for the same reason. Under sudo the
//! caller is root: `SUDO_UID` is a variable that anybody can set, so it decides nothing.
//!
//! The crate fs-mistrust (0.14) has another rule: it lets a directory above be writable for all if it is sticky, as /tmp is,
//! trusts a group by its name whoever is in it, and looks at no ACL.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::error::Error;

/// Looked for in the working directory.
pub(super) const FILE: &str = "./kreg.toml";

/// Keys that lead to other code or to another cluster. Only a file that is named may set them.
const NAMED_ONLY: [&str; 8] = [
    "cluster.kubeconfig",
    "cluster.context",
    "registry.image",
    "nodes.ssh.config",
    "nodes.ssh.identity",
    "nodes.ssh.known_hosts",
    "nodes.ssh.passphrase_file",
    "nodes.ssh.accept_new",
];

const NAME_IT: &str = "read it; if it says what you want, name it: `--config ./kreg.toml`";

/// A file or directory that decides what the configuration is.
#[derive(Debug, Clone)]
struct Seen {
    path: PathBuf,
    /// The owner's user id.
    owner: u32,
    /// The permission bits, `0o7777` at most.
    mode: u32,
    /// Whether its group may write and has no member except the caller.
    private_group: bool,
}

/// The file's text; `None` if there is no file.
///
/// # Errors
/// If it cannot be read, or if somebody else can change it.
pub(super) fn read() -> Result<Option<String>, Error> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut file = match rustix::fs::open(FILE, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => return Err(refused("it is a symbolic link")),
        Err(cause) => return Err(unreadable(&cause.into())),
    };
    let caller = rustix::process::geteuid().as_raw();
    let own = file.metadata().map_err(|cause| unreadable(&cause))?;
    if !own.is_file() {
        return Err(refused("it is not a regular file"));
    }
    let directory = std::env::current_dir().map_err(|cause| unreadable(&cause))?;
    let mut chain = vec![seen(&directory.join("kreg.toml"), &own, caller)];
    for above in directory.ancestors() {
        let found = above.metadata().map_err(|cause| unreadable(&cause))?;
        chain.push(seen(above, &found, caller));
    }
    if let Some(why) = objection(&chain, caller) {
        return Err(refused(&why));
    }
    let mut text = String::new();
    file.read_to_string(&mut text)
        .map_err(|cause| unreadable(&cause))?;
    Ok(Some(text))
}

/// Refuses a file that sets what only a named one may set.
///
/// # Errors
/// With every such key.
pub(super) fn only_harmless(text: &str) -> Result<(), Error> {
    // The parser, which runs first, reports what is not valid TOML.
    let table: toml::Table = toml::from_str(text).unwrap_or_default();
    let table = toml::Value::Table(table);
    let is_set = |key: &&str| {
        let mut steps = key.split('.');
        steps
            .try_fold(&table, |value, step| value.get(step))
            .is_some()
    };
    let set: Vec<&str> = NAMED_ONLY.into_iter().filter(is_set).collect();
    if set.is_empty() {
        return Ok(());
    }
    Err(Error::usage(format!(
        "{FILE} sets {}, which only a file that --config names may set",
        set.join(", ")
    ))
    .help(NAME_IT))
}

fn refused(why: &str) -> Error {
    Error::usage(format!(
        "kreg does not use {FILE}, because --config does not name it and {why}"
    ))
    .help(NAME_IT)
}

fn unreadable(cause: &std::io::Error) -> Error {
    let error = Error::usage(format!("cannot read the configuration file {FILE}")).because(cause);
    match cause.kind() {
        ErrorKind::InvalidData => error.help("write it in UTF-8"),
        _ => error.help(NAME_IT),
    }
}

fn seen(path: &Path, found: &std::fs::Metadata, caller: u32) -> Seen {
    let mode = found.mode() & 0o7777;
    let users = |file| std::fs::read_to_string(file).unwrap_or_default();
    Seen {
        path: path.to_owned(),
        owner: found.uid(),
        mode,
        private_group: mode & 0o020 != 0
            && !has_acl(path)
            && is_private(
                found.gid(),
                caller,
                &users("/etc/passwd"),
                &users("/etc/group"),
            ),
    }
}

/// Why somebody other than the caller and root can change what the first of `chain` says.
fn objection(chain: &[Seen], caller: u32) -> Option<String> {
    chain.iter().find_map(|one| {
        let (owner, mode) = (one.owner, one.mode);
        let why = if owner != 0 && owner != caller {
            format!("belongs to user {owner}, and kreg runs as {caller}")
        } else if mode & 0o002 != 0 {
            format!("has mode {mode:04o}, so everybody can write to it")
        } else if mode & 0o020 != 0 && !one.private_group {
            format!("has mode {mode:04o}, so its group can write to it")
        } else {
            return None;
        };
        Some(format!("{} {why}", one.path.display()))
    })
}

/// Whether more than the owner, the group and the others have rights. With such a list (acl(5)) the
/// group's bits are its mask, and say nothing about who may write. A failure counts as yes.
fn has_acl(path: &Path) -> bool {
    let mut value = [0_u8; 1024];
    let found = rustix::fs::lgetxattr(path, "system.posix_acl_access", &mut value);
    !matches!(found, Err(Errno::NODATA | Errno::OPNOTSUPP))
}

/// Whether nobody but `caller` is in group `gid`, by the text of passwd(5) and group(5). Many
/// distributions give each user such a group and let it write.
fn is_private(gid: u32, caller: u32, passwd: &str, group: &str) -> bool {
    let (gid, caller) = (gid.to_string(), caller.to_string());
    let users: Vec<Vec<&str>> = passwd
        .lines()
        .map(|line| line.split(':').collect())
        .collect();
    let is_caller = |user: &&Vec<&str>| user.get(2) == Some(&caller.as_str());
    let Some(name) = users.iter().find(is_caller).map(|user| user[0]) else {
        return false;
    };
    let primary = users
        .iter()
        .filter(|user| user.get(3) == Some(&gid.as_str()))
        .all(|user| is_caller(&user));
    let mut groups = group
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .filter(|one| one.get(2) == Some(&gid.as_str()))
        .peekable();
    let known = groups.peek().is_some();
    let only_caller = |one: Vec<&str>| {
        let mut members = one.get(3).unwrap_or(&"").split(',');
        members.all(|member| member.is_empty() || member == name)
    };
    primary && known && groups.all(only_caller)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::config::TEMPLATE;

    const ALICE: u32 = 1000;

    fn at(path: &str, owner: u32, mode: u32) -> Seen {
        Seen {
            path: path.into(),
            owner,
            mode,
            private_group: false,
        }
    }

    #[test]
    fn a_file_that_somebody_else_can_change_is_refused_and_the_place_is_named() {
        let good = [
            at("/home/alice/kreg.toml", ALICE, 0o644),
            at("/home/alice", ALICE, 0o750),
            at("/home", 0, 0o755),
            at("/", 0, 0o755),
        ];
        assert_eq!(objection(&good, ALICE), None);
        for (place, one) in good.iter().enumerate() {
            for (change, says) in [
                (at("", 1001, one.mode), "belongs to user 1001"),
                (at("", one.owner, one.mode | 0o020), "its group"),
                (at("", one.owner, one.mode | 0o002), "everybody"),
                // As /tmp: the sticky bit does not keep others from making a directory there.
                (at("", one.owner, 0o1777), "mode 1777"),
            ] {
                let mut chain = good.to_vec();
                let path = one.path.clone();
                chain[place] = Seen { path, ..change };
                let why = objection(&chain, ALICE).expect("an objection");
                let named = format!("{} ", one.path.display());
                assert!(why.starts_with(&named) && why.contains(says), "{why}");
            }
        }
        let mut own_group = good.clone();
        own_group[0].mode = 0o664;
        own_group[0].private_group = true;
        assert_eq!(objection(&own_group, ALICE), None);
    }

    #[test]
    fn under_sudo_the_file_of_the_user_before_is_somebody_elses() {
        let chain = [at("/home/alice/kreg.toml", ALICE, 0o644)];
        assert!(objection(&chain, 0).is_some());
    }

    #[test]
    fn a_group_is_private_only_if_nobody_else_is_in_it() {
        let passwd = "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n\
                      bob:x:1001:1001::/home/bob:/bin/sh\n";
        let group = "root:x:0:\nalice:x:1000:\nbob:x:1001:\n";
        assert!(is_private(1000, ALICE, passwd, group));
        assert!(is_private(1000, ALICE, passwd, "alice:x:1000:alice\n"));
        for (gid, passwd, group) in [
            (1001, passwd.to_owned(), group),
            (1000, passwd.to_owned(), "alice:x:1000:bob\n"),
            (1000, passwd.to_owned(), "alice:x:1000:\nwheel:x:1000:bob\n"),
            (1000, passwd.to_owned(), ""),
            (1000, passwd.replace("1001:1001", "1001:1000"), group),
            (1000, String::new(), group),
        ] {
            assert!(!is_private(gid, ALICE, &passwd, group), "{gid}: {group}");
        }
    }

    #[test]
    fn modes_and_owners_are_read_from_the_file_system() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("kreg.toml");
        std::fs::write(&file, "").expect("a file");
        let caller = rustix::process::geteuid().as_raw();
        let look = |mode| {
            std::fs::set_permissions(&file, Permissions::from_mode(mode)).expect("chmod");
            let chain = [&file, &dir.path().to_owned()]
                .map(|path| seen(path, &path.metadata().expect("stat"), caller));
            objection(&chain, caller)
        };
        assert_eq!(look(0o644), None);
        assert!(look(0o646).is_some_and(|why| why.contains("mode 0646")));
    }

    /// Each key of the template alone: those that lead elsewhere are refused by name, the others are not.
    #[test]
    fn keys_that_lead_elsewhere_are_refused_by_name_and_no_others() {
        let mut section = "";
        let mut refused = Vec::new();
        for line in TEMPLATE.lines() {
            let line = line.strip_prefix('#').unwrap_or(line);
            if line.starts_with('[') {
                section = line.trim_matches(['[', ']']);
            } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with(' '))
            {
                let error = only_harmless(&format!("[{section}]\n{line}\n"));
                if let Err(error) = error {
                    let key = format!("{section}.{key}");
                    assert!(error.message().contains(&key), "{error}");
                    refused.push(key);
                }
            }
        }
        let mut expected = NAMED_ONLY.map(str::to_owned);
        refused.sort();
        expected.sort();
        assert_eq!(refused, expected);
        let inline = "nodes = { ssh = { accept_new = false } }\nregistry.image = \"a\"\n";
        let error = only_harmless(inline).expect_err("both").to_string();
        assert!(
            error.contains("registry.image, nodes.ssh.accept_new"),
            "{error}"
        );
    }
}
