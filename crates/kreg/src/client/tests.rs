//! From facts to findings and steps.

use super::docker::DOCKER_SOCKET;
use super::*;

/// A step as a line of a test.
fn line(step: &Step) -> String {
    match step {
        Step::AsRoot(command) => format!("# {command}"),
        Step::AsUser(command) => format!("$ {command}"),
        Step::NewSession(group) => format!("newgrp {group}"),
    }
}

fn lines(finding: &Finding) -> Vec<String> {
    finding.fix.iter().map(line).collect()
}

fn facts(family: Family) -> Facts {
    Facts {
        system: System {
            name: "a system".to_owned(),
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
    let found = findings(facts);
    assert!(!is_usable(&found), "{found:?}");
    let mut found = found.into_iter();
    found
        .find(|finding| finding.verdict == Verdict::Bad)
        .unwrap()
}

#[test]
fn nothing_installed_is_told_with_the_commands_of_each_family() {
    for (family, commands) in [
        (
            Family::Debian,
            &[
                "# apt-get update",
                "# apt-get install --yes docker.io",
                "# systemctl enable --now docker",
                "# usermod --append --groups docker ann",
                "newgrp docker",
            ] as &[&str],
        ),
        (
            Family::Fedora,
            &[
                "# dnf install --assumeyes moby-engine",
                "# systemctl enable --now docker",
                "# usermod --append --groups docker ann",
                "newgrp docker",
            ],
        ),
        (Family::RedHat, &["# dnf install --assumeyes podman"]),
        (
            Family::Suse,
            &[
                "# zypper --non-interactive install docker",
                "# systemctl enable --now docker",
                "# usermod --append --groups docker ann",
                "newgrp docker",
            ],
        ),
        (
            Family::Arch,
            &[
                "# pacman --sync --needed --noconfirm docker",
                "# systemctl enable --now docker",
                "# usermod --append --groups docker ann",
                "newgrp docker",
            ],
        ),
    ] {
        let finding = first_bad(&facts(family));
        assert_eq!(finding.check, Check::Client);
        assert_eq!(lines(&finding), commands, "{family:?}");
    }
    let alpine = Facts {
        init: Init::OpenRc,
        is_root: true,
        ..facts(Family::Alpine)
    };
    assert_eq!(
        lines(&first_bad(&alpine)),
        [
            "# apk add docker",
            "# rc-update add docker default",
            "# service docker start"
        ]
    );
    let unknown = first_bad(&facts(Family::Unknown));
    assert!(unknown.fix.is_empty() && unknown.found.contains("package manager"));
}

#[test]
fn a_daemon_that_is_down_is_started_by_what_starts_daemons_here() {
    for (init, command) in [
        (Init::Systemd, "# systemctl enable --now docker"),
        (Init::SysV, "# service docker start"),
        (Init::None, "# sh -c 'dockerd >/var/log/dockerd.log 2>&1 &'"),
    ] {
        let facts = Facts {
            init,
            ..with_docker(Daemon::NotRunning)
        };
        let finding = first_bad(&facts);
        assert_eq!(finding.check, Check::Daemon);
        assert_eq!(lines(&finding), [command]);
    }
}

#[test]
fn a_daemon_elsewhere_is_not_started_here() {
    let mut facts = with_docker(Daemon::NotRunning);
    facts.docker.as_mut().unwrap().endpoint = "unix:///run/user/1000/docker.sock".to_owned();
    let finding = first_bad(&facts);
    assert_eq!(lines(&finding)[1], "$ docker context use default");
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
    assert_eq!(lines(&finding)[0], "# usermod --append --groups docker ann");
    let finding = first_bad(&denied(Group::default()));
    assert_eq!(lines(&finding)[0], "# groupadd --system docker");
    let listed = Group {
        lists_user: true,
        ..exists
    };
    let finding = first_bad(&denied(listed));
    assert_eq!(lines(&finding), ["newgrp docker"]);
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
    let found = findings(&with_docker(Daemon::Answers));
    let is_good = |finding: &Finding| finding.verdict == Verdict::Good;
    assert!(found.iter().all(is_good), "{found:?}");
    assert_eq!(found.len(), 3);
    let mut facts = with_docker(Daemon::NotRunning);
    facts.programs.push("skopeo");
    let found = findings(&facts);
    assert!(is_usable(&found));
    let is_note = |finding: &Finding| finding.verdict == Verdict::Note;
    assert!(found.iter().any(|one| is_note(one) && !one.fix.is_empty()));
}

#[test]
fn nerdctl_is_of_use_only_where_containerd_answers_it() {
    let nerdctl = |answer| Facts {
        programs: vec!["nerdctl"],
        nerdctl: Some(answer),
        ..facts(Family::Debian)
    };
    assert!(is_usable(&findings(&nerdctl(Ok(())))));
    let mut silent = nerdctl(Err("cannot access containerd\nsocket".to_owned()));
    let finding = first_bad(&silent);
    assert_eq!(
        lines(&finding),
        ["$ containerd-rootless-setuptool.sh install"]
    );
    assert!(finding.found.ends_with("cannot access containerd socket"));
    silent.is_root = true;
    assert_eq!(
        lines(&first_bad(&silent)),
        ["# systemctl enable --now containerd"]
    );
    // Docker makes up for it, and it for Docker.
    let mut both = with_docker(Daemon::Answers);
    both.nerdctl = silent.nerdctl;
    assert!(is_usable(&findings(&both)));
    let mut both = with_docker(Daemon::NotRunning);
    both.nerdctl = Some(Ok(()));
    assert!(is_usable(&findings(&both)));
}

#[test]
fn podman_wants_ids_to_map_to_and_works_without() {
    let facts = Facts {
        programs: vec!["podman"],
        ..facts(Family::Debian)
    };
    let found = findings(&facts);
    assert!(is_usable(&found));
    let fix = lines(&found[1]);
    assert!(fix[0].starts_with("# usermod --add-subuids"), "{found:?}");
    let facts = Facts {
        has_subordinate_ids: true,
        ..facts
    };
    assert_eq!(findings(&facts)[1].verdict, Verdict::Good);
}
