//! From facts to findings, and to steps that repair what is wrong: no I/O.

use serde::Serialize;

use super::docker::{DOCKER_GROUP, DOCKER_SOCKET, Daemon, Docker};
use super::facts::Facts;
use super::system::{Family, Init};

/// One question about this machine, its answer, and what repairs it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The question.
    pub check: Check,
    /// Whether the answer is good.
    pub verdict: Verdict,
    /// The answer.
    pub found: String,
    /// What to do, in this order.
    pub fix: Vec<Step>,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Check {
    /// Is a client installed?
    Client,
    /// Does the daemon answer that it needs?
    Daemon,
    /// May this user use it?
    Access,
}

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Nothing can be pushed or pulled because of it.
    Bad,
    /// Good enough, and worth a look.
    Note,
}

/// Something to do on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// A command for root's shell.
    AsRoot(String),
    /// A command for the user's own shell.
    AsUser(String),
    /// A new session, which has this group.
    NewSession(&'static str),
}

/// Clients that need no daemon.
const DAEMONLESS: &[&str] = &["podman", "buildah", "skopeo", "crane"];

/// What is found, the cause before its consequences.
#[must_use]
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![client(facts)];
    if let Some(docker) = &facts.docker {
        findings.extend(daemon(facts, docker));
    }
    if let Some(answer) = &facts.nerdctl {
        findings.push(containerd(facts, answer));
    }
    if facts.programs.contains(&"podman") {
        findings.push(rootless(facts));
    }
    // One may be out of order where another works.
    let docker = facts.docker.as_ref();
    let works = docker.is_some_and(|docker| docker.daemon == Daemon::Answers)
        || facts.nerdctl == Some(Ok(()))
        || facts.programs.iter().any(|name| DAEMONLESS.contains(name));
    for finding in &mut findings {
        if works && finding.verdict == Verdict::Bad {
            finding.verdict = Verdict::Note;
        }
    }
    findings
}

/// Whether something can push and pull now.
#[must_use]
pub fn is_usable(findings: &[Finding]) -> bool {
    findings
        .iter()
        .all(|finding| finding.verdict != Verdict::Bad)
}

fn client(facts: &Facts) -> Finding {
    if !facts.programs.is_empty() {
        return good(
            Check::Client,
            format!("{} installed", facts.programs.join(", ")),
        );
    }
    let none = "none of docker, podman, nerdctl, buildah, skopeo and crane is installed";
    let family = facts.system.family;
    if family == Family::Unknown {
        let found = format!(
            "{none}, and kreg does not know how this system installs one: ask its package manager for docker or podman"
        );
        return bad(Check::Client, found, Vec::new());
    }
    let mut fix = as_root(family.install());
    if family != Family::RedHat {
        // Debian's package brings the script that is not there yet.
        let init = match (family, facts.init) {
            (Family::Debian, Init::None) => Init::SysV,
            (_, init) => init,
        };
        fix.extend(as_root(init.start_docker()));
        if !facts.is_root {
            fix.extend(join(facts));
        }
    }
    bad(Check::Client, none, fix)
}

fn daemon(facts: &Facts, docker: &Docker) -> Vec<Finding> {
    let at = &docker.endpoint;
    let is_local = *at == format!("unix://{DOCKER_SOCKET}") || at == "unix:///run/docker.sock";
    let one = match &docker.daemon {
        Daemon::Answers => {
            let mut found = vec![good(Check::Daemon, format!("Docker answers at {at}"))];
            if !facts.is_root {
                let access = format!("{} may use it without sudo", facts.user);
                found.push(good(Check::Access, access));
            }
            return found;
        }
        Daemon::Denied => access(facts, at),
        Daemon::NotRunning if is_local => bad(
            Check::Daemon,
            format!("Docker's client is installed, and nobody answers at {at}"),
            as_root(facts.init.start_docker()),
        ),
        Daemon::NotRunning => bad(
            Check::Daemon,
            format!(
                "nobody answers at {at}, where DOCKER_HOST or the current context leads; start that daemon, or go \
                 back to this machine's own"
            ),
            vec![
                as_user("unset DOCKER_HOST"),
                as_user("docker context use default"),
            ],
        ),
        Daemon::Trouble(why) => bad(
            Check::Daemon,
            format!("Docker at {at} cannot be used: {why}"),
            vec![as_user("docker version")],
        ),
    };
    vec![one]
}

/// What nerdctl needs: a containerd that this user may speak to.
fn containerd(facts: &Facts, answer: &Result<(), String>) -> Finding {
    let Err(why) = answer else {
        return good(Check::Daemon, "containerd answers nerdctl");
    };
    let words: Vec<_> = why.split_whitespace().collect();
    let fix = if facts.is_root {
        as_root(facts.init.start_containerd())
    } else {
        // A user has one of their own; root's is root's.
        vec![as_user("containerd-rootless-setuptool.sh install")]
    };
    let found = format!(
        "nerdctl is installed, and containerd does not answer it: {}",
        words.join(" ")
    );
    bad(Check::Daemon, found, fix)
}

/// The socket is there and closed to this user.
fn access(facts: &Facts, at: &str) -> Finding {
    let group = &facts.group;
    let closed = format!("{at} is not open to {}", facts.user);
    let (found, fix) = if group.is_held {
        let why = format!(
            "who has the group {DOCKER_GROUP}: the socket belongs to another group; Docker's configuration (`group` in \
             /etc/docker/daemon.json, or docker.socket) says which"
        );
        let look = as_user(&format!("ls -l {DOCKER_SOCKET}"));
        (format!("{closed}, {why}"), vec![look])
    } else if group.lists_user {
        let why =
            format!("in this session, which is older than the membership in group {DOCKER_GROUP}");
        (
            format!("{closed} {why}"),
            vec![Step::NewSession(DOCKER_GROUP)],
        )
    } else {
        let why = format!(
            "who is not in group {DOCKER_GROUP} (an account that is in it can become root on this machine)"
        );
        (format!("{closed}, {why}"), join(facts))
    };
    bad(Check::Access, found, fix)
}

fn join(facts: &Facts) -> Vec<Step> {
    let family = facts.system.family;
    let mut steps = Vec::new();
    // The package makes it, where the package comes first.
    if !facts.group.exists && facts.docker.is_some() {
        steps.push(Step::AsRoot(family.make_group(DOCKER_GROUP)));
    }
    steps.push(Step::AsRoot(family.join(&facts.user, DOCKER_GROUP)));
    steps.push(Step::NewSession(DOCKER_GROUP));
    steps
}

fn rootless(facts: &Facts) -> Finding {
    let user = &facts.user;
    if facts.is_root || facts.has_subordinate_ids {
        return good(
            Check::Access,
            format!("podman needs no daemon; {user} may use it"),
        );
    }
    let ids = facts.system.family.give_ids(user);
    Finding {
        verdict: Verdict::Note,
        ..bad(
            Check::Access,
            format!(
                "podman can unpack no image with other owners than {user}, who has no ids in /etc/subuid"
            ),
            ids.into_iter().map(Step::AsRoot).collect(),
        )
    }
}

fn as_root(commands: &[&str]) -> Vec<Step> {
    let commands = commands.iter();
    commands
        .map(|one| Step::AsRoot((*one).to_owned()))
        .collect()
}

fn as_user(command: &str) -> Step {
    Step::AsUser(command.to_owned())
}

fn good(check: Check, found: impl Into<String>) -> Finding {
    Finding {
        check,
        verdict: Verdict::Good,
        found: found.into(),
        fix: Vec::new(),
    }
}

fn bad(check: Check, found: impl Into<String>, fix: Vec<Step>) -> Finding {
    Finding {
        check,
        verdict: Verdict::Bad,
        found: found.into(),
        fix,
    }
}
