//! Who else can change a file of this machine.
//!
//! The rule is that of OpenSSH for files that it trusts (`safe_path` in its `misc.c`), with the user's own group as Debian
//! allows it. The crate fs-mistrust (0.14) has another rule: it lets a directory above be writable for all if it is sticky,
//! as /tmp is, trusts a group by its name no matter who is in it, and looks at no ACL.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// A file, or a directory above it.
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

/// Why an account other than the caller's and root can change this open file: by its own owner and mode, or by those of a
/// directory above it. `None` if none can. `path` is the file's absolute path.
///
/// # Errors
/// If the file or a directory above it cannot be looked at.
pub fn others_can_change(file: &File, path: &Path) -> io::Result<Option<String>> {
    let caller = rustix::process::geteuid().as_raw();
    let mut chain = vec![seen(path, &file.metadata()?, caller)];
    for above in path.ancestors().skip(1) {
        chain.push(seen(above, &above.metadata()?, caller));
    }
    Ok(objection(&chain, caller))
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
}
