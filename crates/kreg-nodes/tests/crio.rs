//! What is decided on nodes with CRI-O, whose files are those of containers/image.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may panic"
)]

#[path = "common/facts.rs"]
mod facts;

use facts::{ALLOW, Facts, by_address, crio, paths};
use kreg_nodes::RefusalKind;
use rstest::rstest;

const ETC: &str = "/etc/containers/registries.conf";
const ETC_D: &str = "/etc/containers/registries.conf.d/10-ours.conf";
const HOME: &str = "/root/.config/containers/registries.conf";
const HOME_D: &str = "/root/.config/containers/registries.conf.d/10-ours.conf";
const POLICY: &str = "/etc/containers/policy.json";
const DIR: &str = "/etc/containers/certs.d/docker-registry:5000";

const ELSEWHERE: &str =
    "[[registry]]\nprefix = \"docker-registry:5000\"\nlocation = \"10.0.0.1:5000\"\n";
const BLOCKED: &str = "[[registry]]\nlocation = \"docker-registry:5000\"\nblocked = true\n";
const V1: &str = "[registries.insecure]\nregistries = [\"docker-registry:5000\"]\n";

#[test]
fn crio_is_led_by_name_and_needs_no_restart() {
    let plan = crio().decide(&by_address()).plan();
    let files = [
        "/etc/containers/certs.d/docker-registry:5000/ca.crt",
        "/etc/hosts",
    ];
    assert_eq!(paths(&plan), files);
    assert!(plan.warnings().is_empty() && plan.restart().is_none());
}

/// Its node, the file that decides, and what is said about it.
#[rstest]
#[case::drop_in(crio().file(ETC_D, ELSEWHERE), ETC_D)]
#[case::main(crio().file(ETC, BLOCKED), ETC)]
#[case::home(crio().file(HOME, BLOCKED), HOME)]
#[case::home_leads_elsewhere(crio().file(HOME, ELSEWHERE).file(ETC, ""), HOME)]
#[case::homes_drop_in_beside_etc(crio().file(ETC, "").file(HOME_D, BLOCKED), HOME_D)]
#[case::homes_drop_in_beside_home(crio().file(HOME, "").file(HOME_D, BLOCKED), HOME_D)]
#[case::home_of_its_user(
    crio().told("HOME", "/var/lib/crio").file("/var/lib/crio/.config/containers/registries.conf", BLOCKED),
    "/var/lib/crio/.config/containers/registries.conf"
)]
#[case::by_argument(crio().told("registries-conf", "/a.conf").file("/a.conf", BLOCKED), "/a.conf")]
#[case::by_environment(
    crio().told("CONTAINER_REGISTRIES_CONF", "/a.conf").file("/a.conf", BLOCKED).file(HOME, ""),
    "/a.conf"
)]
#[case::an_argument_does_not_hide_drop_ins(
    crio().told("registries-conf", "/a.conf").file("/a.conf", "").file(ETC_D, BLOCKED),
    ETC_D
)]
fn a_table_that_leads_elsewhere_is_refused_with_the_reload(
    #[case] node: Facts,
    #[case] file: &str,
) {
    let (kind, said, _) = node.decide(&by_address()).refused();
    assert_eq!(kind, RefusalKind::Shadowed, "{said}");
    assert!(
        said.contains(file) && said.contains("systemctl reload crio"),
        "{said}"
    );
}

/// What CRI-O does not read is no reason to refuse.
#[rstest]
#[case::an_empty_one_at_home_hides_etc(crio().file(HOME, "").file(ETC, BLOCKED).file(ETC_D, "[["))]
#[case::another_home(crio().told("HOME", "/var/lib/crio").file(HOME, BLOCKED))]
#[case::an_argument_hides_home(crio().told("registries-conf", "/a").file("/a", "").file(HOME, BLOCKED))]
#[case::another_directory(crio().told("registries-conf-dir", "/d").file(ETC_D, BLOCKED).file(HOME_D, BLOCKED))]
#[case::a_later_drop_in_overrules(
    crio().file(ETC, BLOCKED).file(ETC_D, "[[registry]]\nlocation = \"docker-registry:5000\"\n")
)]
#[case::policy_of_its_own(
    crio().without(POLICY).file("/etc/crio/policy.json", ALLOW)
        .file("/etc/crio/crio.conf.d/10-crio.conf", "[crio.image]\nsignature_policy = \"/etc/crio/policy.json\"\n")
)]
#[case::policy_at_home_goes_first(
    crio().file(POLICY, "{").file("/root/.config/containers/policy.json", ALLOW)
)]
#[case::an_empty_directory_of_its_own(crio().dir(DIR))]
#[case::dockers_directory_is_hidden(
    crio().dir("/etc/docker/certs.d/docker-registry:5000").file("/etc/docker/certs.d/docker-registry:5000/a.cert", "")
)]
#[case::a_whole_pair(crio().dir(DIR).file(&format!("{DIR}/a.cert"), "").file(&format!("{DIR}/a.key"), ""))]
fn what_crio_does_not_read_is_no_reason(#[case] node: Facts) {
    let plan = node.decide(&by_address()).plan();
    assert_eq!(paths(&plan), [&format!("{DIR}/ca.crt"), "/etc/hosts"]);
    assert!(plan.warnings().is_empty(), "{:?}", plan.warnings());
}

/// An earlier directory hides kreg's, whatever is in it.
#[rstest]
#[case::empty("/root", crio())]
#[case::of_its_user("/srv/crio", crio().told("HOME", "/srv/crio/"))]
#[case::of_roots_home_by_passwd("/home/root", crio_at("/home/root"))]
fn a_directory_at_home_goes_first(#[case] home: &str, #[case] node: Facts) {
    let dir = format!("{home}/.config/containers/certs.d/docker-registry:5000");
    let (kind, said, _) = node.dir(&dir).decide(&by_address()).refused();
    assert_eq!(kind, RefusalKind::Shadowed, "{said}");
    assert!(said.contains(&format!("mv '{dir}' '{dir}.old'")), "{said}");
}

fn crio_at(home: &str) -> Facts {
    let mut node = crio();
    node.0.home = Some(home.to_owned());
    node
}

#[rstest]
#[case::cert_without_key(crio().file(&format!("{DIR}/a.cert"), ""), "without its key", "/a.key")]
#[case::key_without_cert(crio().file(&format!("{DIR}/a.key"), ""), "without its certificate", "/a.cert")]
#[case::directory(crio().dir(&format!("{DIR}/x.crt")), "is a directory", "/x.crt")]
#[case::no_directory(crio().file(DIR, ""), "is not a directory", DIR)]
#[case::policy_missing(crio().without(POLICY), "is not there", POLICY)]
#[case::told_policy_missing(crio().told("signature-policy", "/p.json"), "is not there", "/p.json")]
#[case::policy_broken(crio().file(POLICY, "{"), "is not valid JSON", POLICY)]
#[case::policy_without_default(crio().file(POLICY, "{}"), "has no `default`", POLICY)]
#[case::drop_in(crio().file(ETC_D, "[["), "does not start again", ETC_D)]
#[case::drop_in_of_version_1(crio().file(ETC_D, V1), "form of version 1", ETC_D)]
#[case::v1_says_so_too(crio().file(ETC_D, V1), "does not start again", ETC_D)]
#[case::no_location(
    crio().file(ETC, "[[registry]]\nprefix = \"other\"\nblocked = true\n"),
    "without a location",
    ETC
)]
#[case::told_file_missing(crio().told("registries-conf", "/a.conf"), "is not there", "/a.conf")]
#[case::crio_conf(crio().file("/etc/crio/crio.conf", "[["), "does not start again", "/etc/crio/crio.conf")]
fn what_makes_every_pull_fail_is_refused_and_named(
    #[case] node: Facts,
    #[case] what: &str,
    #[case] file: &str,
) {
    let (kind, said, _) = node.decide(&by_address()).refused();
    assert_eq!(kind, RefusalKind::BrokenConfig, "{said}");
    assert!(said.contains(what) && said.contains(file), "{said}");
}

#[rstest]
#[case::default(r#"{"default":[{"type":"reject"}]}"#, "default")]
#[case::host(
    r#"{"default":[{"type":"insecureAcceptAnything"}],"transports":{"docker":{"docker-registry:5000":[{"type":"reject"}]}}}"#,
    "transports.docker.\"docker-registry:5000\""
)]
fn a_policy_that_rejects_is_refused_with_the_entry(#[case] policy: &str, #[case] entry: &str) {
    let (kind, said, _) = crio().file(POLICY, policy).decide(&by_address()).refused();
    assert_eq!(kind, RefusalKind::Shadowed, "{said}");
    let parts = [POLICY, entry, "insecureAcceptAnything"];
    assert!(parts.iter().all(|part| said.contains(part)), "{said}");
}

#[test]
fn a_policy_that_wants_signatures_is_a_warning() {
    let policy = r#"{"default":[{"type":"sigstoreSigned","keyPath":"/k"}]}"#;
    let plan = crio().file(POLICY, policy).decide(&by_address()).plan();
    assert!(
        plan.warnings()[0].contains("SignatureValidationFailed"),
        "{:?}",
        plan.warnings()
    );
}

/// Credentials of the node's own let a pull without a pull secret pass.
#[rstest]
#[case::auth_json(crio(), "/run/containers/0/auth.json", true)]
#[case::docker(crio(), "/root/.docker/config.json", true)]
#[case::global(crio().told("global-auth-file", "/a.json"), "/a.json", true)]
#[case::global_alone_counts(crio().told("global-auth-file", "/a.json"), "/root/.docker/config.json", false)]
#[case::in_crio_conf(
    crio().file("/etc/crio/crio.conf", "[crio.image]\nglobal_auth_file = \"/a.json\"\n"),
    "/a.json",
    true
)]
#[case::kubelet(crio(), "/var/lib/kubelet/config.json", true)]
fn logins_of_the_node_are_named(#[case] node: Facts, #[case] file: &str, #[case] named: bool) {
    let plan = node.login(file).decide(&by_address()).plan();
    let warned = plan.warnings().iter().any(|warning| {
        warning.contains(file) && warning.contains("a pull without a pull secret passes")
    });
    assert_eq!(warned, named, "{:?}", plan.warnings());
}

/// A root's `docker login` is nothing to the kubelet and to containerd.
#[rstest]
#[case::kubelet("/var/lib/kubelet/config.json", true)]
#[case::root("/root/.docker/config.json", false)]
fn containerd_has_the_kubelets_logins_alone(#[case] file: &str, #[case] named: bool) {
    let config = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n";
    let node = Facts::new()
        .runs(
            "containerd",
            "containerd github.com/containerd/containerd 1.7.24 x",
        )
        .file("/etc/containerd/config.toml", config)
        .login(file);
    let plan = node.decide(&by_address()).plan();
    assert_eq!(!plan.warnings().is_empty(), named, "{:?}", plan.warnings());
}

#[test]
fn a_table_that_leads_nowhere_else_is_borne() {
    let file = "/etc/containers/registries.conf";
    let text = "[[registry]]\nlocation = \"docker-registry:5000\"\ninsecure = true\n\
                [[registry]]\nprefix = \"docker-registry:5000/team\"\nlocation = \"10.0.0.1/team\"\n";
    let plan = crio().file(file, text).decide(&by_address()).plan();
    assert_eq!(plan.edits().len(), 2);
    let [insecure, elsewhere] = plan.warnings() else {
        panic!("{:?}", plan.warnings());
    };
    assert!(insecure.contains("is insecure") && elsewhere.contains("fetched from 10.0.0.1/team"));
}
