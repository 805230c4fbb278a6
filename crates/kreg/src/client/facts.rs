//! What is found on this machine; nothing is changed, and no answer is waited for without end.

use std::os::unix::fs::PermissionsExt as _;
use std::{env, fs};

use super::docker::{DOCKER_GROUP, Docker, FAR, said};
use super::system::{Init, System};

/// Clients that can push to and pull from a registry.
const CLIENTS: &[&str] = &["docker", "podman", "nerdctl", "buildah", "skopeo", "crane"];

/// Everything that advice depends on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Facts {
    /// The distribution.
    pub system: System,
    /// What starts daemons.
    pub init: Init,
    /// The name of the account.
    pub user: String,
    /// Whether it is root.
    pub is_root: bool,
    /// Whether `sudo` is installed.
    pub has_sudo: bool,
    /// Names of the clients that were found.
    pub programs: Vec<&'static str>,
    /// Docker's daemon, where its client is installed.
    pub docker: Option<Docker>,
    /// Where nerdctl is installed: whether containerd answers it, or why not.
    pub nerdctl: Option<Result<(), String>>,
    /// Docker's group.
    pub group: Group,
    /// Whether the user has ranges of ids to map containers' users to (subuid(5)).
    pub has_subordinate_ids: bool,
}

/// The group that may open Docker's socket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Group {
    /// There is one.
    pub exists: bool,
    /// `/etc/group` lists the user.
    pub lists_user: bool,
    /// This very session has it.
    pub is_held: bool,
}

impl Facts {
    /// Looks at this machine. Takes a minute at most.
    pub async fn read() -> Self {
        let uid = rustix::process::getuid();
        let number = uid.as_raw().to_string();
        let user = user_name(&number);
        let programs: Vec<_> = CLIENTS.iter().copied().filter(|name| has(name)).collect();
        let docker = if programs.contains(&"docker") {
            Some(Docker::read().await)
        } else {
            None
        };
        let nerdctl = if programs.contains(&"nerdctl") {
            Some(said("nerdctl", &["info"], FAR).await.map(drop))
        } else {
            None
        };
        let releases = ["/etc/os-release", "/usr/lib/os-release"];
        let release = releases
            .iter()
            .find_map(|path| fs::read_to_string(path).ok());
        let owners = entries("/etc/subuid").map(|fields| fields[0].clone());
        Facts {
            system: System::parse(&release.unwrap_or_default()),
            init: Init::read(),
            is_root: uid.is_root(),
            has_sudo: has("sudo"),
            programs,
            docker,
            nerdctl,
            group: Group::read(&user),
            has_subordinate_ids: owners
                .into_iter()
                .any(|owner| owner == user || owner == number),
            user,
        }
    }
}

impl Group {
    /// `name:password:gid:members` (group(5)).
    fn read(user: &str) -> Self {
        let mut groups = entries("/etc/group");
        let Some(group) = groups.find(|fields| fields[0] == DOCKER_GROUP) else {
            return Group::default();
        };
        let field = |at: usize| group.get(at).map(String::as_str).unwrap_or_default();
        let held = rustix::process::getgroups().unwrap_or_default();
        let mut held = held.into_iter().chain([rustix::process::getegid()]);
        Group {
            exists: true,
            lists_user: field(3).split(',').any(|member| member == user),
            is_held: held.any(|group| group.as_raw().to_string() == field(2)),
        }
    }
}

/// By the password file (passwd(5)); a user of a directory service by the environment.
fn user_name(uid: &str) -> String {
    let known = entries("/etc/passwd").find(|fields| fields.get(2).is_some_and(|one| one == uid));
    let known = known.map(|fields| fields[0].clone());
    known
        .or_else(|| env::var("USER").ok())
        .unwrap_or_else(|| uid.to_owned())
}

/// The fields of each line, of which there is one at least.
fn entries(path: &str) -> impl Iterator<Item = Vec<String>> + use<> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<_> = text
        .lines()
        .map(|line| line.split(':').map(str::to_owned).collect())
        .collect();
    lines.into_iter()
}

/// Whether a program of this name is on PATH.
fn has(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| {
        let found = fs::metadata(folder.join(program));
        found.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    })
}
