//! From facts to findings and commands: no I/O.

use serde::Serialize;

use super::facts::{DOCKER_GROUP, DOCKER_SOCKET, Daemon, Docker, Facts};
use super::system::{Family, Init};

/// One question about this machine, its answer, and the commands that mend it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Finding {
    /// `client`, `daemon` or `access`.
    pub(super) check: &'static str,
    pub(super) verdict: Verdict,
    pub(super) found: String,
    /// To be run in this order.
    pub(super) fix: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    Good,
    Bad,
    /// Good enough, and worth a look.
    Note,
}

/// Clients that need no daemon.
const DAEMONLESS: &[&str] = &["podman", "buildah", "skopeo", "crane"];

/// What is to be said, the cause before its consequences.
pub(super) fn of(facts: &Facts) -> Vec<Finding> {
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
    if works {
        for finding in &mut findings {
            if finding.verdict == Verdict::Bad {
                finding.verdict = Verdict::Note;
            }
        }
    }
    findings
}

/// Whether something can push and pull now.
pub(super) fn is_usable(findings: &[Finding]) -> bool {
    findings
        .iter()
        .all(|finding| finding.verdict != Verdict::Bad)
}

fn client(facts: &Facts) -> Finding {
    if !facts.programs.is_empty() {
        return good("client", format!("{} installed", facts.programs.join(", ")));
    }
    let (name, install) = facts.system.family.install();
    if facts.system.family == Family::Unknown {
        let found = "none of docker, podman, nerdctl, buildah, skopeo and crane is installed, and kreg does not know \
                     how this system installs one: ask its package manager for docker or podman";
        return bad("client", found, Vec::new());
    }
    let mut fix = as_root(facts, install);
    if name == "docker" {
        // Debian's package brings the script that is not there yet.
        let init = match (facts.system.family, facts.init) {
            (Family::Debian, Init::None) => Init::SysV,
            (_, init) => init,
        };
        fix.extend(as_root(facts, init.start_docker()));
        if !facts.is_root {
            fix.extend(join(facts));
        }
    }
    bad(
        "client",
        "none of docker, podman, nerdctl, buildah, skopeo and crane is installed",
        fix,
    )
}

fn daemon(facts: &Facts, docker: &Docker) -> Vec<Finding> {
    let at = &docker.endpoint;
    let is_local = *at == format!("unix://{DOCKER_SOCKET}") || at == "unix:///run/docker.sock";
    match &docker.daemon {
        Daemon::Answers if facts.is_root => {
            vec![good("daemon", format!("Docker answers at {at}"))]
        }
        Daemon::Answers => vec![
            good("daemon", format!("Docker answers at {at}")),
            good("access", format!("{} may use it without sudo", facts.user)),
        ],
        Daemon::Denied => vec![access(facts, at)],
        Daemon::NotRunning if is_local => vec![bad(
            "daemon",
            format!("Docker's client is installed, and nobody answers at {at}"),
            as_root(facts, facts.init.start_docker()),
        )],
        Daemon::NotRunning => vec![bad(
            "daemon",
            format!(
                "nobody answers at {at}, where DOCKER_HOST or the current context leads; start that daemon, or go \
                 back to this machine's own"
            ),
            vec![
                "unset DOCKER_HOST".to_owned(),
                "docker context use default".to_owned(),
            ],
        )],
        Daemon::Trouble(why) => vec![bad(
            "daemon",
            format!("Docker at {at} cannot be used: {why}"),
            vec!["docker version".to_owned()],
        )],
    }
}

/// What nerdctl needs: a containerd that this user may speak to.
fn containerd(facts: &Facts, answer: &Result<(), String>) -> Finding {
    match answer {
        Ok(()) => good("daemon", "containerd answers nerdctl"),
        Err(why) => {
            let words = why.split_whitespace().collect::<Vec<_>>().join(" ");
            let start: &[&str] = match facts.init {
                Init::Systemd => &["systemctl enable --now containerd"],
                Init::OpenRc => &["rc-service containerd start"],
                _ => &["sh -c 'containerd >/var/log/containerd.log 2>&1 &'"],
            };
            let fix = match facts.is_root {
                true => as_root(facts, start),
                // A user has one of their own; root's is root's.
                false => vec!["containerd-rootless-setuptool.sh install".to_owned()],
            };
            bad(
                "daemon",
                format!("nerdctl is installed, and containerd does not answer it: {words}"),
                fix,
            )
        }
    }
}

/// The socket is there and closed to this user.
fn access(facts: &Facts, at: &str) -> Finding {
    let (user, group) = (&facts.user, &facts.group);
    let closed = format!("{at} is not open to {user}");
    match (group.is_held, group.lists_user) {
        (true, _) => bad(
            "access",
            format!(
                "{closed}, who has the group {DOCKER_GROUP}: the socket belongs to another group; Docker's \
                 configuration (`group` in /etc/docker/daemon.json, or docker.socket) says which"
            ),
            vec![format!("ls -l {DOCKER_SOCKET}")],
        ),
        (false, true) => bad(
            "access",
            format!(
                "{closed} in this session, which is older than the membership in group {DOCKER_GROUP}"
            ),
            vec![format!(
                "newgrp {DOCKER_GROUP}    # or log out and in again"
            )],
        ),
        (false, false) => bad(
            "access",
            format!(
                "{closed}, who is not in group {DOCKER_GROUP} (whoever is in it can become root on this machine)"
            ),
            join(facts),
        ),
    }
}

fn join(facts: &Facts) -> Vec<String> {
    let family = facts.system.family;
    let mut commands = Vec::new();
    // The package makes it, where the package comes first.
    if !facts.group.exists && facts.docker.is_some() {
        commands.push(family.make_group(DOCKER_GROUP));
    }
    commands.push(family.join(&facts.user, DOCKER_GROUP));
    let commands: Vec<_> = commands.iter().map(String::as_str).collect();
    let mut fix = as_root(facts, &commands);
    fix.push(format!(
        "newgrp {DOCKER_GROUP}    # or log out and in again"
    ));
    fix
}

fn rootless(facts: &Facts) -> Finding {
    if facts.is_root || facts.has_subordinate_ids {
        return good(
            "access",
            format!("podman needs no daemon; {} may use it", facts.user),
        );
    }
    let user = &facts.user;
    let fix = match facts.system.family {
        // busybox has no usermod.
        Family::Alpine => vec![
            format!("sh -c 'echo {user}:100000:65536 >> /etc/subuid'"),
            format!("sh -c 'echo {user}:100000:65536 >> /etc/subgid'"),
        ],
        _ => vec![format!(
            "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}"
        )],
    };
    let fix: Vec<_> = fix.iter().map(String::as_str).collect();
    Finding {
        verdict: Verdict::Note,
        ..bad(
            "access",
            format!(
                "podman can unpack no image with other owners than {user}, who has no ids in /etc/subuid"
            ),
            as_root(facts, &fix),
        )
    }
}

fn as_root(facts: &Facts, commands: &[&str]) -> Vec<String> {
    let one = |command: &&str| match (facts.is_root, facts.has_sudo) {
        (true, _) => (*command).to_owned(),
        (false, true) => format!("sudo {command}"),
        (false, false) => format!("su -c \"{command}\""),
    };
    commands.iter().map(one).collect()
}

fn good(check: &'static str, found: impl Into<String>) -> Finding {
    Finding {
        check,
        verdict: Verdict::Good,
        found: found.into(),
        fix: Vec::new(),
    }
}

fn bad(check: &'static str, found: impl Into<String>, fix: Vec<String>) -> Finding {
    Finding {
        check,
        verdict: Verdict::Bad,
        found: found.into(),
        fix,
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::Group;
    use super::super::system::System;
    use super::*;

    fn facts(family: Family) -> Facts {
        Facts {
            system: System {
                pretty_name: "a system".to_owned(),
                family,
            },
            init: Init::Systemd,
            user: "ann".to_owned(),
            has_sudo: true,
            ..Facts::default()
        }
    }

    fn with_docker(daemon: Daemon) -> Facts {
        Facts {
            programs: vec!["docker"],
            docker: Some(Docker {
                endpoint: format!("unix://{DOCKER_SOCKET}"),
                daemon,
            }),
            ..facts(Family::Debian)
        }
    }

    /// The first thing that is wrong.
    fn first_bad(facts: &Facts) -> Finding {
        let findings = of(facts);
        assert!(!is_usable(&findings), "{findings:?}");
        let mut bad = findings
            .into_iter()
            .filter(|finding| finding.verdict == Verdict::Bad);
        bad.next().unwrap()
    }

    #[test]
    fn nothing_installed_is_told_with_the_commands_of_each_family() {
        for (family, commands) in [
            (
                Family::Debian,
                &[
                    "sudo apt-get update",
                    "sudo apt-get install --yes docker.io",
                    "sudo systemctl enable --now docker",
                    "sudo usermod --append --groups docker ann",
                    "newgrp docker    # or log out and in again",
                ] as &[&str],
            ),
            (
                Family::Fedora,
                &[
                    "sudo dnf install --assumeyes moby-engine",
                    "sudo systemctl enable --now docker",
                    "sudo usermod --append --groups docker ann",
                    "newgrp docker    # or log out and in again",
                ],
            ),
            (Family::RedHat, &["sudo dnf install --assumeyes podman"]),
            (
                Family::Suse,
                &[
                    "sudo zypper --non-interactive install docker",
                    "sudo systemctl enable --now docker",
                    "sudo usermod --append --groups docker ann",
                    "newgrp docker    # or log out and in again",
                ],
            ),
            (
                Family::Arch,
                &[
                    "sudo pacman --sync --needed --noconfirm docker",
                    "sudo systemctl enable --now docker",
                    "sudo usermod --append --groups docker ann",
                    "newgrp docker    # or log out and in again",
                ],
            ),
        ] {
            let finding = first_bad(&facts(family));
            assert_eq!(finding.check, "client");
            assert_eq!(finding.fix, commands, "{family:?}");
        }
        let alpine = Facts {
            init: Init::OpenRc,
            is_root: true,
            ..facts(Family::Alpine)
        };
        assert_eq!(
            first_bad(&alpine).fix,
            [
                "apk add docker",
                "rc-update add docker default",
                "service docker start"
            ]
        );
        let unknown = first_bad(&facts(Family::Unknown));
        assert!(unknown.fix.is_empty() && unknown.found.contains("package manager"));
    }

    #[test]
    fn a_daemon_that_is_down_is_started_by_what_starts_daemons_here() {
        for (init, command) in [
            (Init::Systemd, "sudo systemctl enable --now docker"),
            (Init::SysV, "sudo service docker start"),
            (
                Init::None,
                "sudo sh -c 'dockerd >/var/log/dockerd.log 2>&1 &'",
            ),
        ] {
            let facts = Facts {
                init,
                ..with_docker(Daemon::NotRunning)
            };
            let finding = first_bad(&facts);
            assert_eq!(
                (finding.check, finding.fix.as_slice()),
                ("daemon", [command.to_owned()].as_slice())
            );
        }
    }

    #[test]
    fn a_daemon_elsewhere_is_not_started_here() {
        let mut facts = with_docker(Daemon::NotRunning);
        facts.docker.as_mut().unwrap().endpoint = "unix:///run/user/1000/docker.sock".to_owned();
        let finding = first_bad(&facts);
        assert!(
            finding
                .fix
                .contains(&"docker context use default".to_owned()),
            "{finding:?}"
        );
    }

    #[test]
    fn a_closed_socket_has_three_causes() {
        let denied = |group| Facts {
            group,
            ..with_docker(Daemon::Denied)
        };
        let exists = Group {
            exists: true,
            ..Group::default()
        };
        let finding = first_bad(&denied(exists));
        assert_eq!(finding.fix[0], "sudo usermod --append --groups docker ann");
        let finding = first_bad(&denied(Group::default()));
        assert_eq!(finding.fix[0], "sudo groupadd --system docker");
        let listed = Group {
            lists_user: true,
            ..exists
        };
        let finding = first_bad(&denied(listed));
        assert_eq!(finding.fix, ["newgrp docker    # or log out and in again"]);
        let held = Group {
            is_held: true,
            ..listed
        };
        assert!(
            first_bad(&denied(held))
                .found
                .contains("belongs to another group")
        );
    }

    #[test]
    fn what_works_is_good_and_another_client_makes_up_for_docker() {
        let findings = of(&with_docker(Daemon::Answers));
        assert!(
            findings
                .iter()
                .all(|finding| finding.verdict == Verdict::Good),
            "{findings:?}"
        );
        assert_eq!(findings.len(), 3);
        let mut facts = with_docker(Daemon::NotRunning);
        facts.programs.push("skopeo");
        let findings = of(&facts);
        assert!(is_usable(&findings));
        assert!(
            findings
                .iter()
                .any(|finding| finding.verdict == Verdict::Note && !finding.fix.is_empty())
        );
    }

    #[test]
    fn nerdctl_is_of_use_only_where_containerd_answers_it() {
        let nerdctl = |answer| Facts {
            programs: vec!["nerdctl"],
            nerdctl: Some(answer),
            ..facts(Family::Debian)
        };
        assert!(is_usable(&of(&nerdctl(Ok(())))));
        let mut silent = nerdctl(Err("cannot access containerd\nsocket".to_owned()));
        let finding = first_bad(&silent);
        assert_eq!(finding.fix, ["containerd-rootless-setuptool.sh install"]);
        assert!(finding.found.ends_with("cannot access containerd socket"));
        silent.is_root = true;
        assert_eq!(
            first_bad(&silent).fix,
            ["systemctl enable --now containerd"]
        );
        // Docker makes up for it, and it for Docker.
        let mut both = with_docker(Daemon::Answers);
        both.nerdctl = silent.nerdctl;
        assert!(is_usable(&of(&both)));
        let mut both = with_docker(Daemon::NotRunning);
        both.nerdctl = Some(Ok(()));
        assert!(is_usable(&of(&both)));
    }

    #[test]
    fn podman_wants_ids_to_map_to_and_works_without() {
        let facts = Facts {
            programs: vec!["podman"],
            ..facts(Family::Debian)
        };
        let findings = of(&facts);
        assert!(is_usable(&findings));
        assert!(
            findings[1].fix[0].starts_with("sudo usermod --add-subuids"),
            "{findings:?}"
        );
        let facts = Facts {
            has_subordinate_ids: true,
            ..facts
        };
        assert_eq!(of(&facts)[1].verdict, Verdict::Good);
    }

    #[test]
    fn without_sudo_root_is_asked_by_su() {
        let facts = Facts {
            has_sudo: false,
            ..facts(Family::RedHat)
        };
        assert_eq!(
            first_bad(&facts).fix,
            ["su -c \"dnf install --assumeyes podman\""]
        );
    }
}
