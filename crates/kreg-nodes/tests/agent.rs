//! The program that decides on the node against the plan that is decided from facts: where the
//! plan refuses, the program writes nothing; where the program writes, it writes what the plan says.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may panic"
)]

mod common;
#[path = "common/held.rs"]
mod held;

use std::fs;

use common::{CA, SHELLS, Tree, answer, instance, node, trust};
use held::{Case, DAEMON, MAIN, OWN, corpus, v2};
use kreg_nodes::conformance::{Directory, NodeFiles as _};
use kreg_nodes::{Answer, Fleet, NameMode, NodeProgram, State, Trust};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// All that is on a node but times.
fn look(tree: &Tree) -> Vec<String> {
    let files = Directory::new(tree.path()).tree("/").unwrap();
    let line = |(path, seen): (&String, &kreg_nodes::conformance::Seen)| {
        format!(
            "{path} {:?} {:o} {} {} {}",
            seen.kind, seen.mode, seen.uid, seen.gid, seen.sha256
        )
    };
    files.iter().map(line).collect()
}

/// What became of one case by both.
#[derive(Debug)]
struct Verdict {
    plan: Result<(), String>,
    agent: Answer,
}

/// Holds both against each other, the program by each of these shells; how they agree is for the
/// caller.
fn both(case: &Case, trust: &Trust, shells: &[&[&str]]) -> Result<Vec<Verdict>, String> {
    let planned = case.tree();
    let before = look(&planned);
    let local = case.local(&planned, &["sh"]);
    let writes = Fleet::new(&local).plan(&[node()], trust).remove(0).writes;
    let receipts = Fleet::new(&local).trust(&[node()], trust, &|_| {});
    let plan = match receipts[0].state {
        State::Changed | State::Unchanged => Ok(()),
        _ => Err(receipts[0].to_string()),
    };
    let planned = look(&planned);
    let by = |shell: &&[&str]| {
        let told = case.tree();
        let mut local = case.local(&told, shell);
        // A plan that refuses writes nothing: then nothing but the program itself is to keep it from writing.
        let mut writes = writes.dirs();
        if plan.is_ok() {
            // Of a Pod it is the directory of the journals, which is there.
            writes.push("/var/lib");
            local = local.env("KREG_WRITES", writes.join(" "));
        }
        let agent = answer(&local, &node(), &NodeProgram::agent(trust));
        let plan = plan.clone();
        let verdict = Verdict { plan, agent };
        let beyond = verdict.agent.files.iter();
        if beyond
            .clone()
            .any(|file| file.detail.contains("may not write"))
        {
            return Err(format!("{shell:?} may write {writes:?}: {verdict:#?}"));
        }
        let wanted = match verdict.agent.state {
            State::Refused => &before,
            _ => &planned,
        };
        let now = look(&told);
        if now != *wanted {
            return Err(format!(
                "{shell:?}: {verdict:#?}\nholds {now:#?}\nand not {wanted:#?}"
            ));
        }
        match (&verdict.plan, verdict.agent.state) {
            (Ok(()), State::Changed | State::Unchanged) | (_, State::Refused) => Ok(verdict),
            _ => Err(format!("{shell:?}: {verdict:#?}")),
        }
    };
    shells.iter().map(by).collect()
}

fn wishes() -> Vec<(&'static str, Trust)> {
    let all = trust(CA);
    let plain = Trust::new(instance(), "docker-registry:5000".parse().unwrap(), CA).unwrap();
    vec![
        ("every kind of edit", all),
        (
            "by address",
            plain.with_endpoint("10.96.0.50".parse().unwrap()),
        ),
    ]
}

/// Every case of the corpus whose number `chosen` takes for this wish's number.
fn agree_on_the_corpus(shells: &[&[&str]], chosen: fn(usize, usize) -> bool) {
    let mut wrong = Vec::new();
    for (wish_number, (wish, trust)) in wishes().into_iter().enumerate() {
        for (number, (wanted, name, case)) in corpus().into_iter().enumerate() {
            if !chosen(number, wish_number) {
                continue;
            }
            // Nothing but the hosts file is concerned.
            if wish == "by address" && (name.contains("markers") || name.contains("zero byte")) {
                continue;
            }
            let verdicts = match both(&case, &trust, shells) {
                Ok(verdicts) => verdicts,
                Err(why) => {
                    wrong.push(format!("{name}, {wish}: {why}"));
                    continue;
                }
            };
            // A tutorial's Docker directory is written whatever the runtime.
            let wanted_both = match wanted {
                // The script knows containerd and Docker, and refuses the rest.
                "by the plan alone" => ("done", "refused"),
                both => (both, both),
            };
            for (shell, verdict) in shells.iter().zip(verdicts) {
                let word = |done| if done { "done" } else { "refused" };
                let planned = word(verdict.plan.is_ok());
                let did = word(verdict.agent.state != State::Refused);
                if (planned, did) != wanted_both
                    && !(wish != "by address" && name.starts_with("nothing known"))
                {
                    wrong.push(format!(
                        "{name}, {wish}, {shell:?}: {wanted}, and not {verdict:#?}"
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn agent_and_plan_agree_on_what_nodes_hold() {
    agree_on_the_corpus(&[&["sh"]], |_, _| true);
}

#[test]
#[ignore = "needs dash, busybox and bash: run by cargo xtask test"]
fn every_shell_agrees_on_what_nodes_hold() {
    // What is read does not depend on the wish, and `sh` has each with each.
    agree_on_the_corpus(&SHELLS, |case, wish| case % 2 == wish);
}

/// Configurations put together of lines that matter, in any order, whole and broken.
fn configs() -> impl Strategy<Value = Case> {
    let line = prop_oneof![
        3 => Just("version = 2"), 2 => Just("version = 3"), 1 => Just("version = 1"), 1 => Just("version = 4"), 1 => Just("version = \"2\""),
        3 => Just("[plugins.\"io.containerd.grpc.v1.cri\".registry]"),
        1 => Just("[ plugins . 'io.containerd.grpc.v1.cri' ]  # x"),
        2 => Just("[plugins.'io.containerd.cri.v1.images'.registry]"),
        1 => Just("[plugins.cri.registry]"),
        1 => Just("[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors]"),
        1 => Just("[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"docker.io\"]"),
        1 => Just("[plugins.\"io.containerd.grpc.v1.cri\".registry.configs.x.tls]"),
        1 => Just("[plugins.\"io.containerd.grpc.v1.cri\".containerd]"),
        1 => Just("[plugins]"), 1 => Just("[other]"), 1 => Just("[[list]]"), 1 => Just("[[plugins]]"),
        4 => Just("config_path = \"/etc/containerd/certs.d\""),
        1 => Just("config_path = '/etc/docker/certs.d:/etc/containerd/certs.d'"),
        1 => Just("config_path = \"\""), 1 => Just("config_path = 3"), 1 => Just("registry.config_path = \"/etc/x\""),
        1 => Just("registry = { config_path = \"/etc/x\" }"), 1 => Just("mirrors = {}"),
        1 => Just("config_path = \"/etc/\\u0063ontainerd/certs.d\""),
        1 => Just("config_path = \"\"\"\n/etc/x\"\"\""),
        1 => Just("disabled_plugins = [\"cri\"]"), 1 => Just("disabled_plugins = []"),
        2 => Just("imports = [\"/etc/containerd/conf.d/*.toml\"]"), 1 => Just("imports = [\"../x\", 'y.toml', ]"),
        1 => Just("imports = [\n\"/etc/containerd/[a]*.toml\"\n]"),
        1 => Just("a = [1, 2,\n 3] # list"), 1 => Just("a = [[1], [2]]"), 1 => Just("b = 007"), 1 => Just("b = 0.5"), 1 => Just("b = 1_000"),
        1 => Just("c = true"), 1 => Just("c = yes"), 1 => Just("d = 1979-05-27"), 1 => Just("\"e f\" = 'g'"), 1 => Just("= 1"),
        1 => Just("# comment"), 1 => Just(""), 1 => Just("]"), 1 => Just("  \t"),
    ];
    let file = prop::collection::vec(line, 0..8).prop_map(|lines| lines.join("\n"));
    let shape = prop_oneof![2 => Just(true), 1 => Just(false)];
    let runtime = prop_oneof![
        Just(""),
        Just("containerd 1.6"),
        Just("containerd 1.7"),
        Just("containerd 2.0"),
        Just("containerd 2.2"),
        Just("containerd 2.2.2"),
        Just("containerd 2.4"),
        Just("dockerd 24.0"),
        Just("crio 1.30"),
    ];
    (shape, file.clone(), file, any::<bool>(), runtime).prop_map(
        |(sound, main, more, there, runtime)| {
            let main = match sound {
                true => format!("version = 2\n{main}"),
                false => main,
            };
            let case = Case::config(main).runtime(runtime);
            match there {
                true => case.file("/etc/containerd/conf.d/more.toml", more),
                false => case,
            }
        },
    )
}

/// Docker's configuration, put together of pieces that make some JSON and much that is none, where
/// the plan refuses with containerd's image store and writes with Docker's own.
fn daemons() -> impl Strategy<Value = Case> {
    let value = prop_oneof![
        4 => Just("true"), 4 => Just("false"), 1 => Just("null"), 1 => Just("{}"), 1 => Just("[]"), 1 => Just("[1, \"a\"]"),
        1 => Just("\"true\""), 1 => Just("-0"), 1 => Just("1.50"), 1 => Just("007"), 1 => Just("1e5"), 1 => Just("1."),
        1 => Just("tru"), 1 => Just("[1,]"), 1 => Just("{\"a\": {\"containerd-snapshotter\": true}}"), 1 => Just("\"a\nb\""),
        1 => Just("\"\\\"\""), 1 => Just("\"\u{e4}\""), 1 => Just("{\"a\":1,}"), 1 => Just("["), 1 => Just(""),
    ];
    let key = prop_oneof![4 => Just("\"containerd-snapshotter\""), 1 => Just("\"buildkit\""), 1 => Just("\"\""), 1 => Just("a")];
    let inner = prop::collection::vec((key, value), 0..3).prop_map(|all| {
        let all: Vec<_> = all
            .iter()
            .map(|(key, value)| format!("{key}: {value}"))
            .collect();
        format!("{{{}}}", all.join(", "))
    });
    let outer =
        prop_oneof![4 => Just("\"features\""), 1 => Just("\"log-opts\""), 1 => Just("'features'")];
    let members = prop::collection::vec((outer, inner), 0..3);
    let ends = prop_oneof![8 => Just(("{", "}\n")), 2 => Just(("\u{feff}{", "}")), 1 => Just(("\u{feff} {", "\u{feff}}")), 1 => Just(("{", "")), 1 => Just(("[", "]")), 1 => Just(("", "")), 1 => Just(("{", "}}"))];
    let old = prop::bool::weighted(0.2);
    (members, ends, any::<bool>(), old).prop_map(|(members, (begin, end), hidden, old)| {
        let members: Vec<_> = members
            .iter()
            .map(|(key, inner)| format!("{key} :\t{inner}"))
            .collect();
        let text = format!("{begin}{}{end}", members.join(",\n"));
        let release = if old { "dockerd 20.10" } else { "dockerd 24.0" };
        let case = Case::config("").runtime(release).file(DAEMON, text);
        match hidden {
            true => case.file("/etc/docker/certs.d/docker-registry_5000_/x", ""),
            false => case,
        }
    })
}

fn agree_on_random_files(shells: &[&[&str]], cases: u32) {
    agree_on(configs(), shells, cases);
    agree_on(daemons(), shells, cases / 3);
}

fn agree_on(files: impl Strategy<Value = Case>, shells: &[&[&str]], cases: u32) {
    let trust = trust(CA).with_docker_certs_d(false);
    let mut config = Config::with_cases(cases);
    config.failure_persistence = None;
    let verdict = TestRunner::new(config).run(&files, |case| {
        both(&case, &trust, shells)
            .map_err(TestCaseError::fail)
            .map(drop)
    });
    if let Err(e) = verdict {
        panic!("{e}");
    }
}

#[test]
fn where_the_plan_refuses_the_agent_writes_nothing() {
    agree_on_random_files(&[&["sh"]], 96);
}

#[test]
#[ignore = "needs dash, busybox and bash: run by cargo xtask test"]
fn no_shell_writes_where_the_plan_refuses() {
    agree_on_random_files(&SHELLS, 24);
}

#[test]
fn an_address_is_written_by_the_name_mode() {
    let trust = trust(CA).with_names(NameMode::ByAddress);
    let verdicts = both(
        &Case::config(v2("config_path = \"/etc/containerd/certs.d\"")),
        &trust,
        &[&["sh"]],
    )
    .unwrap();
    let paths: Vec<_> = verdicts[0]
        .agent
        .files
        .iter()
        .map(|file| file.path.as_str())
        .collect();
    assert_eq!(
        paths,
        [
            &format!("{OWN}/ca.crt"),
            "/etc/docker/certs.d/docker-registry:5000/ca.crt",
            &format!("{OWN}/hosts.toml")
        ]
    );
}

#[test]
fn what_is_out_of_sight_is_not_taken_for_absent() {
    let config = format!(
        "imports = ['/opt/more.toml']\n{}",
        v2("config_path = \"/etc/containerd/certs.d\"")
    );
    for config in [config.clone(), config.replace("more", "*")] {
        let case = Case::config(config);
        let tree = case.tree();
        let local = tree.local().env("KREG_TREES", "/etc /var/lib/kreg");
        let receipts = Fleet::new(&local).status(&[node()], &trust(CA));
        assert_eq!(receipts[0].state, State::Refused, "{receipts:?}");
        let agent = answer(&local, &node(), &NodeProgram::agent(&trust(CA)));
        assert_eq!(agent.state, State::Refused, "{agent:?}");
    }
}

/// What the plan says to be writable is all that the agent's program writes, on every node of the corpus.
#[test]
fn the_agent_writes_nothing_but_where_the_plan_says() {
    for (wish, trust) in wishes() {
        for (_, name, case) in corpus() {
            let tree = case.tree();
            let local = case.local(&tree, &["sh"]);
            let planned = Fleet::new(&local).plan(&[node()], &trust).remove(0);
            let before = look(&tree);
            answer(&local, &node(), &NodeProgram::agent(&trust));
            let mut dirs = planned.writes.dirs();
            dirs.push("/var/lib/kreg");
            for line in look(&tree).iter().filter(|line| !before.contains(line)) {
                let path = line.split(' ').next().unwrap();
                let inside = dirs.iter().any(|dir| path.starts_with(dir));
                assert!(inside, "{name}, {wish}: {path} is not in {dirs:?}");
            }
        }
    }
}

#[test]
fn only_hosts_and_directories_that_are_missing_make_etc_writable() {
    let writes = |case: &Case, trust: &Trust| {
        let tree = case.tree();
        let local = case.local(&tree, &["sh"]);
        let planned = Fleet::new(&local).plan(&[node()], trust).remove(0);
        let dirs: Vec<String> = planned
            .writes
            .dirs()
            .iter()
            .map(ToString::to_string)
            .collect();
        (dirs, planned.writes.why_etc())
    };
    let etc = || vec!["/etc".to_owned()];
    let plain = trust(CA)
        .with_names(NameMode::ByAddress)
        .with_docker_certs_d(false);
    let case = Case::config(v2("config_path = \"/etc/containerd/certs.d\""));
    let narrow = (vec!["/etc/containerd".to_owned()], None);
    assert_eq!(writes(&case, &plain), narrow);
    let hosts = plain.clone().with_names(NameMode::HostsFile);
    let why = Some("/etc/hosts on tree".to_owned());
    assert_eq!(writes(&case, &hosts), (etc(), why));
    let docker = plain.clone().with_docker_certs_d(true);
    let why = Some("/etc/docker on tree".to_owned());
    assert_eq!(writes(&case, &docker), (etc(), why));
    let both = case.clone().file(DAEMON, "{}");
    let dirs = vec!["/etc/containerd".to_owned(), "/etc/docker".to_owned()];
    assert_eq!(writes(&both, &docker), (dirs, None));
    let elsewhere = v2("config_path = \"/etc/registries/certs.d\"");
    let elsewhere = Case::config(elsewhere).file("/etc/registries/x", "");
    assert_eq!(
        writes(&elsewhere, &plain),
        (vec!["/etc/registries".to_owned()], None)
    );

    // A directory that kreg made counts as missing: the next run asks for the same, and can remove it.
    let tree = case.tree();
    let local = case.local(&tree, &["sh"]);
    let receipts = Fleet::new(&local).trust(&[node()], &docker, &|_| {});
    assert_eq!(receipts[0].state, State::Changed, "{receipts:?}");
    let again = Fleet::new(&local).plan(&[node()], &docker).remove(0);
    assert_eq!(again.writes.why_etc().unwrap(), "/etc/docker on tree");
    // So does one that the next plan no longer writes in, as long as it has to be taken back.
    let less = Fleet::new(&local).plan(&[node()], &plain).remove(0);
    assert_eq!(less.writes.why_etc().unwrap(), "/etc/docker on tree");
}

#[test]
fn an_agent_that_may_not_write_there_writes_nothing_and_says_so() {
    let tree = Case::config(v2("config_path = \"/etc/containerd/certs.d\"")).tree();
    let before = look(&tree);
    let local = tree.local().env("KREG_WRITES", "/etc/docker /var/lib/kreg");
    let agent = answer(&local, &node(), &NodeProgram::agent(&trust(CA)));
    assert_eq!(agent.state, State::Refused);
    let why = &agent.files[0].detail;
    assert!(
        why.contains("in /etc/containerd, which this agent may not write"),
        "{why}"
    );
    assert!(why.contains("put on the nodes again"), "{why}");
    assert!(before == look(&tree));
}

#[test]
fn it_tells_what_its_decision_hangs_on() {
    let tree = Case::config(v2("config_path = \"/etc/containerd/certs.d\"")).tree();
    let told = tree.at("/watch");
    let local = tree.local().env("KREG_WATCH", told.display().to_string());
    answer(&local, &node(), &NodeProgram::agent(&trust(CA)));
    let told = fs::read_to_string(told).unwrap();
    let hiding = "/etc/containerd/certs.d/docker-registry_5000_".to_owned();
    for path in [
        MAIN.to_owned(),
        hiding,
        format!("{OWN}/ca.crt"),
        format!("{OWN}/hosts.toml"),
        "/etc/hosts".to_owned(),
    ] {
        assert!(told.lines().any(|line| line == path), "{path}: {told}");
    }
}
