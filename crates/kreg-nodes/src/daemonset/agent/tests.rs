use std::collections::BTreeSet;

use super::*;

const CERT: &str = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n";

fn waiting() -> NodeAgent {
    NodeAgent::new(
        InstanceId::new("r").unwrap(),
        AgentImage::named("registry:2.8.3"),
    )
}

fn trust() -> Trust {
    let instance = InstanceId::new("r").unwrap();
    Trust::new(instance, "r:5000".parse().unwrap(), CERT).unwrap()
}

/// What a node with these directories in `/etc` takes whose plan is to write these files.
fn writes(dirs: &[&str], files: &[&str]) -> Writes {
    Writes::sample("n1", dirs, files)
}

fn keeping(writes: Writes) -> NodeAgent {
    waiting().keeping(trust(), writes)
}

fn containerd() -> Writes {
    let file = "/etc/containerd/certs.d/r:5000/ca.crt";
    writes(&["/etc/containerd"], &[file])
}

fn template(agent: &NodeAgent) -> Value {
    agent.objects()[3]["spec"]["template"]["spec"].clone()
}

/// Each path of the node, what must be there before, and whether the container may write it.
fn mounted(agent: &NodeAgent) -> Vec<(String, String, bool)> {
    let pod = template(agent);
    let mounts = pod["containers"][0]["volumeMounts"].as_array().unwrap();
    let volumes = pod["volumes"].as_array().unwrap().iter();
    let paths = volumes.filter(|volume| volume["hostPath"].is_object());
    let line = |volume: &Value| {
        let text = |key: &str| volume["hostPath"][key].as_str().unwrap().to_owned();
        let mut of = mounts.iter().filter(|one| one["name"] == volume["name"]);
        let (mount, none) = (of.next().unwrap(), of.next());
        assert!(none.is_none(), "{mounts:?}");
        assert_eq!(
            mount["mountPath"],
            format!("/host{}", text("path")).trim_end_matches('/')
        );
        (text("path"), text("type"), mount["readOnly"] != true)
    };
    paths.map(line).collect()
}

fn mounts(of: &[(&str, &str, bool)]) -> Vec<(String, String, bool)> {
    let owned = |(path, kind, writes): &(&str, &str, bool)| {
        ((*path).to_owned(), (*kind).to_owned(), *writes)
    };
    of.iter().map(owned).collect()
}

const ETC: (&str, &str, bool) = ("/etc", "Directory", false);
const JOURNALS: (&str, &str, bool) = ("/var/lib/kreg", "DirectoryOrCreate", true);

/// One of each kind.
fn all() -> Vec<NodeAgent> {
    let storage = StorageDir::new("/srv/images").unwrap();
    vec![
        waiting(),
        waiting().searching(),
        waiting().taking_back(),
        waiting().reaching([&storage]),
        keeping(Writes::default()),
        keeping(containerd()),
        keeping(writes(&[], &["/etc/hosts"])),
    ]
}

#[test]
fn no_agent_has_a_token_or_more_rights_than_writing_takes() {
    for agent in all() {
        let objects = agent.objects();
        assert_eq!(objects[1]["automountServiceAccountToken"], false);
        let pod = template(&agent);
        assert_eq!(pod["automountServiceAccountToken"], false);
        let volumes = pod["volumes"].as_array().unwrap();
        let token =
            |volume: &&Value| volume["projected"].is_object() || volume["secret"].is_object();
        assert_eq!(volumes.iter().find(token), None);
        for host in ["hostNetwork", "hostPID", "hostIPC"] {
            assert!(pod[host].is_null(), "{host}");
        }
        let security = &pod["containers"][0]["securityContext"];
        assert_eq!(security["privileged"], false);
        assert_eq!(security["allowPrivilegeEscalation"], false);
        assert_eq!(security["readOnlyRootFilesystem"], true);
        assert_eq!(security["capabilities"]["drop"], json!(["ALL"]));
    }
}

#[test]
fn one_that_looks_can_write_nothing() {
    let all = mounts(&[ETC, ("/var/lib", "Directory", false)]);
    assert_eq!(mounted(&waiting()), all);
    let all = mounts(&[("/", "Directory", false)]);
    assert_eq!(mounted(&waiting().searching()), all);
}

#[test]
fn one_that_keeps_may_write_only_where_files_of_kreg_go() {
    assert_eq!(
        mounted(&keeping(Writes::default())),
        mounts(&[ETC, JOURNALS])
    );
    let one = ("/etc/containerd", "Directory", true);
    assert_eq!(
        mounted(&keeping(containerd())),
        mounts(&[ETC, one, JOURNALS])
    );
    let mut both = containerd();
    both.join(writes(
        &["/etc/docker"],
        &["/etc/docker/certs.d/r:5000/ca.crt"],
    ));
    let two = ("/etc/docker", "Directory", true);
    assert_eq!(mounted(&keeping(both)), mounts(&[ETC, one, two, JOURNALS]));
}

#[test]
fn what_lies_in_etc_itself_makes_etc_writable_and_the_object_says_why() {
    let whole = mounts(&[("/etc", "Directory", true), JOURNALS]);
    let why = |agent: &NodeAgent| {
        agent.objects()[3]["metadata"]["annotations"]["kreg.dev/writes-etc"].clone()
    };
    assert_eq!(why(&keeping(containerd())), Value::Null);
    for (files, wanted) in [
        ("/etc/hosts", "/etc/hosts on n1"),
        ("/etc/docker/certs.d/r:5000/ca.crt", "/etc/docker on n1"),
    ] {
        let mut needs = containerd();
        needs.join(writes(&[], &[files]));
        let agent = keeping(needs);
        assert_eq!(mounted(&agent), whole);
        assert_eq!(why(&agent), wanted);
    }
}

/// The kubelet makes a `DirectoryOrCreate`, and the runtime one without a type.
#[test]
fn no_mount_makes_a_directory_but_that_of_the_journals_which_is_removed_from_above() {
    for agent in all() {
        let made = mounted(&agent)
            .into_iter()
            .filter(|(_, kind, _)| kind != "Directory");
        let made: BTreeSet<String> = made.map(|(path, ..)| path).collect();
        match agent.is_keeping() {
            true => assert_eq!(made, BTreeSet::from(["/var/lib/kreg".to_owned()])),
            false => assert_eq!(made, BTreeSet::new()),
        }
    }
    let above = ("/var/lib".to_owned(), "Directory".to_owned(), true);
    assert!(mounted(&waiting().taking_back()).contains(&above));
}

#[test]
fn programs_are_told_what_they_see_and_what_they_may_write() {
    let told = |agent: &NodeAgent, name: &str| {
        let pod = template(agent);
        let all = pod["containers"][0]["env"].as_array().unwrap().clone();
        let one = all.into_iter().find(|one| one["name"] == name)?;
        Some(one["value"].as_str()?.to_owned())
    };
    let keeper = keeping(containerd());
    assert_eq!(
        told(&keeper, "KREG_TREES").unwrap(),
        "/etc /etc/containerd /var/lib/kreg"
    );
    assert_eq!(
        told(&keeper, "KREG_WRITES").unwrap(),
        "/etc/containerd /var/lib/kreg"
    );
    assert_eq!(told(&waiting(), "KREG_WRITES").unwrap(), "");
    assert_eq!(told(&waiting().searching(), "KREG_TREES"), None);
    assert_eq!(
        told(&waiting().taking_back(), "KREG_WRITES").unwrap(),
        "/etc /var/lib"
    );
}

#[test]
fn read_only_is_so_with_all_mounts_below_where_the_server_knows_how() {
    for (known, wanted) in [(false, Value::Null), (true, json!("IfPossible"))] {
        let pod = template(&keeping(containerd()).recursive_read_only(known));
        let mounts = &pod["containers"][0]["volumeMounts"];
        assert_eq!(mounts[0]["recursiveReadOnly"], wanted);
        assert_eq!(mounts[1]["recursiveReadOnly"], Value::Null);
    }
}

#[test]
fn the_image_and_whether_it_may_be_fetched_are_those_of_the_registry() {
    let loaded = AgentImage::running("registry:2.8.3", "sha256:0");
    for (image, policy) in [
        (AgentImage::named("registry:2.8.3"), "IfNotPresent"),
        (loaded, "Never"),
    ] {
        let agent = NodeAgent::new(InstanceId::new("r").unwrap(), image);
        let container = &template(&agent)["containers"][0];
        assert_eq!(container["image"], "registry:2.8.3");
        assert_eq!(container["imagePullPolicy"], policy);
    }
}

#[test]
fn a_tenth_is_replaced_at_a_time_and_how_makes_no_other_pods() {
    let agent = keeping(containerd());
    let slow = agent.clone().by(Rollout::new(30, 2));
    let strategy =
        |agent: &NodeAgent| agent.objects()[3]["spec"]["updateStrategy"]["rollingUpdate"].clone();
    assert_eq!(strategy(&agent), json!({ "maxUnavailable": "10%" }));
    assert_eq!(strategy(&slow), json!({ "maxUnavailable": 5 }));
    assert_eq!(agent.revision(), slow.revision());
}

#[test]
fn whatever_the_pods_depend_on_makes_another_revision() {
    let base = keeping(containerd());
    let others = [
        waiting(),
        keeping(Writes::default()),
        NodeAgent {
            image: AgentImage::named("other"),
            ..base.clone()
        },
        NodeAgent {
            image: AgentImage::running("registry:2.8.3", ""),
            ..base.clone()
        },
        base.clone().with_runtimes([("n1", "containerd://1.7.0")]),
        base.clone().without(["n1".to_owned()]),
    ];
    for other in others {
        assert_ne!(other.revision(), base.revision(), "{other:?}");
    }
    assert_eq!(keeping(containerd()).revision(), base.revision());
}

#[test]
fn directories_of_images_are_seen_from_above_and_once() {
    let dirs = [
        "/tmp/repository",
        "/tmp/a/b",
        "/data",
        "/var/lib/x/y",
        "/tmp/repository",
    ];
    let dirs = dirs.map(|dir| StorageDir::new(dir).unwrap());
    let tree = |path| (path, "Directory", true);
    let all = mounts(&["/etc", "/var/lib", "/data", "/tmp"].map(tree));
    assert_eq!(mounted(&waiting().reaching(&dirs)), all);
}
