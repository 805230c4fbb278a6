use rstest::rstest;

use super::*;

/// A CRI-O that was given `options`, on a node with these files.
fn node(options: &[(&str, &str)], files: &[(&str, &str)]) -> NodeFacts {
    let mut facts = NodeFacts {
        home: Some("/root".to_owned()),
        ..NodeFacts::default()
    };
    let crio = facts.programs.entry("crio".to_owned()).or_default();
    for (key, value) in options {
        crio.options.insert((*key).to_owned(), (*value).to_owned());
    }
    for (path, text) in files {
        facts.put(path, text);
    }
    facts
}

const HOME: &str = "/root/.config/containers/registries.conf";
const HOME_D: &str = "/root/.config/containers/registries.conf.d";

#[rstest]
#[case::plain(&[], &[], REGISTRIES_CONF, &[DROP_INS, HOME_D])]
#[case::an_empty_one_at_home_hides_etc(&[], &[(HOME, ""), (REGISTRIES_CONF, "")], HOME, &[HOME_D])]
#[case::home_by_environment(
    &[("HOME", "/var/lib/crio")],
    &[("/var/lib/crio/.config/containers/registries.conf", ""), (HOME, "")],
    "/var/lib/crio/.config/containers/registries.conf",
    &["/var/lib/crio/.config/containers/registries.conf.d"]
)]
#[case::an_empty_home_is_none(&[("HOME", "")], &[(HOME, "")], HOME, &[HOME_D])]
#[case::by_argument(
    &[("registries-conf", "/a"), ("CONTAINER_REGISTRIES_CONF", "/b")],
    &[(HOME, "")],
    "/a",
    &[DROP_INS, HOME_D]
)]
#[case::by_environment(&[("CONTAINER_REGISTRIES_CONF", "/b")], &[(HOME, "")], "/b", &[DROP_INS, HOME_D])]
#[case::one_directory(&[("registries-conf-dir", "/d")], &[], REGISTRIES_CONF, &["/d"])]
#[case::one_directory_beside_home(
    &[("CONTAINER_REGISTRIES_CONF_DIR", "/d")],
    &[(HOME, "")],
    HOME,
    &["/d"]
)]
fn registries_are_read_where_crio_reads_them(
    #[case] options: &[(&str, &str)],
    #[case] files: &[(&str, &str)],
    #[case] main: &str,
    #[case] dirs: &[&str],
) {
    let facts = node(options, files);
    let found = Places::of(&facts).unwrap().registries(&facts);
    let dirs = dirs.iter().map(|dir| (*dir).to_owned()).collect();
    assert_eq!(found, (main.to_owned(), dirs));
}

const HOME_POLICY: &str = "/root/.config/containers/policy.json";
const OWN: &str = "[crio.image]\nsignature_policy = \"/etc/crio/policy.json\"\n";
const DROP_IN: &str = "/etc/crio/crio.conf.d/10-crio.conf";

#[rstest]
#[case::none(&[], &[], None)]
#[case::etc(&[], &[(POLICY, "")], Some(POLICY))]
#[case::home(&[], &[(POLICY, ""), (HOME_POLICY, "")], Some(HOME_POLICY))]
#[case::crios_own(&[], &[(DROP_IN, OWN), (HOME_POLICY, "")], Some("/etc/crio/policy.json"))]
#[case::a_later_drop_in(
    &[],
    &[(DROP_IN, OWN), ("/etc/crio/crio.conf.d/20", "[crio.image]\nsignature_policy = \"\"\n"), (POLICY, "")],
    Some(POLICY)
)]
#[case::another_crio_conf(
    &[("c", "/c.conf"), ("CONTAINER_CONFIG_DIR", "/c.d")],
    &[("/c.conf", OWN), (DROP_IN, "[crio.image]\nsignature_policy = \"/not/this\"\n")],
    Some("/etc/crio/policy.json")
)]
#[case::by_argument(&[("signature-policy", "/p")], &[(DROP_IN, OWN)], Some("/p"))]
#[case::by_environment(&[("CONTAINER_SIGNATURE_POLICY", "/p")], &[(POLICY, "")], Some("/p"))]
fn one_policy_is_read(
    #[case] options: &[(&str, &str)],
    #[case] files: &[(&str, &str)],
    #[case] policy: Option<&str>,
) {
    let facts = node(options, files);
    let found = Places::of(&facts).unwrap().policy(&facts);
    assert_eq!(found.as_deref(), policy);
}

#[rstest]
#[case::usual(
    &[],
    &["/run/containers/0/auth.json", "/root/.config/containers/auth.json", "/root/.docker/config.json", "/root/.dockercfg"]
)]
#[case::directories(
    &[("XDG_RUNTIME_DIR", "/r"), ("XDG_CONFIG_HOME", "/x"), ("DOCKER_CONFIG", "/d"), ("HOME", "/h")],
    &["/r/containers/auth.json", "/x/containers/auth.json", "/d/config.json", "/h/.dockercfg"]
)]
#[case::told(&[("CONTAINER_GLOBAL_AUTH_FILE", "/a.json")], &["/a.json"])]
fn logins_are_looked_for_where_crio_does(#[case] options: &[(&str, &str)], #[case] own: &[&str]) {
    let facts = node(options, &[]);
    let found = Places::of(&facts).unwrap().logins();
    assert_eq!(found[..OF_KUBELET.len()], OF_KUBELET);
    assert_eq!(found[OF_KUBELET.len()..], *own);
}

#[test]
fn what_a_crio_names_is_asked_for_once() {
    let options = [
        ("HOME", "/h"),
        ("registries-conf", "/r.conf"),
        ("config", "/c.conf"),
    ];
    let mut facts = node(&options, &[("/c.conf", OWN)]);
    let unseen = Places::unseen(&facts);
    for path in [
        "/r.conf",
        "/c.conf",
        "/etc/crio/crio.conf.d/*",
        "/etc/crio/policy.json",
        "/h/.config/containers/registries.conf",
        "/h/.config/containers/registries.conf.d/*.conf",
        "/h/.config/containers/certs.d",
        "/h/.config/containers/policy.json",
    ] {
        assert!(unseen.contains(path), "{path}: {unseen:?}");
    }
    facts.asked.extend(unseen);
    assert!(Places::unseen(&facts).is_empty());
    // Credentials are never asked for as files.
    let logins = Places::unseen_logins(&facts);
    assert!(logins.contains("/h/.docker/config.json"), "{logins:?}");
    assert!(!facts.asked.iter().any(|path| path.contains("auth.json")));
}

#[test]
fn a_broken_crio_conf_is_named() {
    let error = Places::of(&node(&[], &[(DROP_IN, "[[")])).unwrap_err();
    assert!(error.to_string().contains(DROP_IN), "{error}");
}
