//! What is decided on nodes of every kind: files, refusals, snippets, warnings.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may panic"
)]

#[path = "common/facts.rs"]
mod facts;

use facts::{ALLOW, CA, Facts, by_address, crio, paths};
use kreg_nodes::containerd::CONFIG_FILE;
use kreg_nodes::{NameMode, RefusalKind};
use rstest::rstest;

const V1_7: &str = "containerd github.com/containerd/containerd 1.7.24 x";
const SET: &str = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n";

fn containerd() -> Facts {
    Facts::new().runs("containerd", V1_7).file(CONFIG_FILE, SET)
}

#[rstest]
#[case::k3s("k3s-server", "k3s", "k3s version v1.34.1+k3s1 (24fc436e)")]
#[case::k3s_agent("k3s-agent", "k3s", "k3s version v1.30.5+k3s1 (9b586704)")]
#[case::rke2("rke2", "rke2", "rke2 version v1.31.1+rke2r1 (909d20d6)")]
fn recent_k3s_and_rke2_need_no_restart(
    #[case] program: &str,
    #[case] id: &str,
    #[case] version: &str,
) {
    let dir = format!("/var/lib/rancher/{id}/agent/etc/containerd");
    let config = SET.replace("/etc/containerd/certs.d", &format!("{dir}/certs.d"));
    let node = Facts::new()
        .runs(program, version)
        .runs(
            &format!("{id}-containerd"),
            "containerd github.com/k3s-io/containerd v1.7.21-k3s1 x",
        )
        // A containerd of the system's own beside it is not the kubelet's.
        .runs("containerd", V1_7)
        .file(&format!("{dir}/config.toml"), &config);
    let plan = node.decide(&by_address()).plan();
    let own = format!("{dir}/certs.d/docker-registry:5000");
    assert_eq!(
        paths(&plan),
        [format!("{own}/ca.crt"), format!("{own}/hosts.toml")]
    );
}

#[rstest]
#[case::old(
    "k3s version v1.30.4+k3s1 (98262b5d)",
    "",
    RefusalKind::UnsupportedRuntime,
    "erases directories"
)]
#[case::unknown(
    "k3s version dev",
    "",
    RefusalKind::UnsupportedRuntime,
    "could not be read"
)]
#[case::spoken_of(
    "k3s version v1.34.1+k3s1 (x)",
    "mirrors:\n  docker-registry:5000:\n    endpoint: [a]\n",
    RefusalKind::Foreign,
    "has entries for docker-registry:5000 already"
)]
fn other_k3s_gets_the_exact_step(
    #[case] version: &str,
    #[case] yaml: &str,
    #[case] kind: RefusalKind,
    #[case] reason: &str,
) {
    let node = Facts::new()
        .runs("k3s-server", version)
        .file("/etc/rancher/k3s/registries.yaml", yaml);
    let (found, text, snippet) = node.decide(&by_address()).refused();
    assert_eq!(found, kind);
    assert!(
        text.contains(reason) && text.contains("systemctl restart k3s"),
        "{text}"
    );
    let snippet = snippet.unwrap();
    assert!(
        snippet.contains(CA) && snippet.contains("endpoint: [\"https://10.96.0.50:5000\"]"),
        "{snippet}"
    );
}

#[test]
fn podman_counts_where_it_is_alone() {
    let beside = containerd().has("podman").decide(&by_address()).plan();
    assert!(paths(&beside)[0].starts_with("/etc/containerd/"));
    let alone = Facts::new().has("podman");
    let alone = alone.file("/etc/containers/policy.json", ALLOW);
    let alone = alone.decide(&by_address()).plan();
    assert!(paths(&alone)[0].starts_with("/etc/containers/"));
}

#[rstest]
#[case::old("v1.11.2", "machine:\n  registries:")]
#[case::new(
    "v1.12.0",
    "kind: RegistryTLSConfig\nname: \"10.96.0.50:5000\"\nca: |\n  -----BEGIN"
)]
fn talos_is_given_a_patch(#[case] version: &str, #[case] part: &str) {
    let node = containerd().os("talos", version);
    let (kind, text, snippet) = node.decide(&by_address().with_restart(true)).refused();
    assert_eq!(kind, RefusalKind::ManagedSystem);
    assert!(text.contains("talosctl patch machineconfig"), "{text}");
    let snippet = snippet.unwrap();
    assert!(
        snippet.contains(part) && snippet.contains("https://10.96.0.50:5000"),
        "{snippet}"
    );
    let documents: Result<Vec<serde_json::Value>, _> = serde_saphyr::from_multiple(&snippet);
    assert!(documents.is_ok(), "{documents:?}");
}

#[test]
fn bottlerocket_is_given_settings() {
    let node = containerd().os("bottlerocket", "1.54.0");
    let (kind, _, snippet) = node.decide(&by_address()).refused();
    assert_eq!(kind, RefusalKind::ManagedSystem);
    let settings: toml::Table = toml::from_str(&snippet.unwrap()).unwrap();
    let pki = &settings["settings"]["pki"]["kreg-docker-registry"];
    assert_eq!(pki["trusted"].as_bool(), Some(true));
    let mirror = &settings["settings"]["container-registry"]["mirrors"][0];
    assert_eq!(
        mirror["endpoint"][0].as_str(),
        Some("https://10.96.0.50:5000")
    );
}

#[test]
fn flatcar_is_a_node_as_others() {
    let plan = containerd()
        .os("flatcar", "4230.2.0")
        .decide(&by_address())
        .plan();
    assert_eq!(plan.edits().len(), 2);
    assert!(plan.warnings().is_empty());
}

#[test]
fn openshift_erases_dockers_directory() {
    let node = crio().os("rhcos", "4.18");
    let plan = node.decide(&by_address()).plan();
    assert!(paths(&plan)[0].starts_with("/etc/containers/certs.d/"));
    assert!(
        plan.warnings()
            .iter()
            .any(|w| w.contains("additionalTrustedCA")),
        "{:?}",
        plan.warnings()
    );
    let (kind, text, _) = node
        .decide(&by_address().with_docker_certs_d(true))
        .refused();
    assert_eq!(kind, RefusalKind::ForeignAgent);
    assert!(
        text.contains("node-ca") && text.contains("--from-file=docker-registry..5000=ca.crt"),
        "{text}"
    );
}

#[test]
fn spegel_is_named() {
    let plan = containerd()
        .dir("/etc/containerd/certs.d/_backup")
        .decide(&by_address())
        .plan();
    assert!(
        plan.warnings()[0].contains("Spegel"),
        "{:?}",
        plan.warnings()
    );
    let elsewhere = containerd()
        .dir("/etc/docker/certs.d/_backup")
        .decide(&by_address())
        .plan();
    assert!(elsewhere.warnings().is_empty());
}

#[rstest]
#[case::on("true", NameMode::HostsFile, true)]
#[case::localhost("localhost", NameMode::HostsFile, false)]
#[case::off("false", NameMode::HostsFile, false)]
#[case::no_line_there("true", NameMode::ByAddress, false)]
fn cloud_init_is_told_of_where_it_matters(
    #[case] value: &str,
    #[case] names: NameMode,
    #[case] told: bool,
) {
    let node = containerd()
        .os("ubuntu", "24.04")
        .cloud("/etc/cloud/cloud.cfg", "false")
        .cloud("/etc/cloud/cloud.cfg.d/99.cfg", value);
    let plan = node.decide(&by_address().with_names(names)).plan();
    let warned = plan.warnings().iter().any(|w| {
        w.contains("/etc/cloud/cloud.cfg.d/99.cfg")
            && w.contains("/etc/cloud/templates/hosts.debian.tmpl")
    });
    assert_eq!(warned, told, "{:?}", plan.warnings());
}

#[rstest]
#[case::classic("{}", false)]
#[case::image_store(r#"{"features":{"containerd-snapshotter":true}}"#, true)]
fn dockers_image_store_reads_as_containerd_does(#[case] json: &str, #[case] hidden: bool) {
    let node = Facts::new()
        .runs("dockerd", "Docker version 28.5.2, build x")
        .file("/etc/docker/daemon.json", json)
        .dir("/etc/docker/certs.d/docker-registry_5000_");
    match hidden {
        true => assert_eq!(
            node.decide(&by_address()).refused().0,
            RefusalKind::Shadowed
        ),
        false => assert_eq!(node.decide(&by_address()).plan().edits().len(), 2),
    }
}

#[test]
fn an_insecure_registry_is_told_of() {
    let json = r#"{"insecure-registries":["docker-registry:5000"]}"#;
    let node = Facts::new()
        .runs("dockerd", "Docker version 28.5.2, build x")
        .file("/etc/docker/daemon.json", json);
    assert!(node.decide(&by_address()).plan().warnings()[0].contains("insecure-registries"));
    let (kind, _, _) = node
        .file("/etc/docker/daemon.json", "{")
        .decide(&by_address())
        .refused();
    assert_eq!(kind, RefusalKind::BrokenConfig);
}

#[rstest]
#[case::url("http://docker-registry:5000")]
#[case::range("10.96.0.0/12")]
fn so_is_one_by_its_url_or_by_a_range(#[case] entry: &str) {
    let json = format!("\u{feff}{{\"insecure-registries\":[\"10.0.0.1:5000\",\"{entry}\"]}}");
    let node = |version| {
        Facts::new()
            .runs("dockerd", version)
            .file("/etc/docker/daemon.json", &json)
    };
    let plan = node("Docker version 28.5.2, build x")
        .decide(&by_address())
        .plan();
    let warning = &plan.warnings()[0];
    assert!(
        warning.contains(entry) && warning.contains("insecure-registries"),
        "{warning}"
    );
    // 20.10 does not start with a byte order mark there.
    let (kind, text, _) = node("Docker version 20.10.24+dfsg1, build x")
        .decide(&by_address())
        .refused();
    assert_eq!(kind, RefusalKind::BrokenConfig);
    assert!(text.contains("byte order mark"), "{text}");
}

/// A restart is only for what a restart mends.
#[rstest]
#[case::mirrors(
    "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"docker.io\"]\nendpoint = [\"https://m\"]\n",
    RefusalKind::NoConfigPath
)]
#[case::no_cri(
    "disabled_plugins = [\"cri\"]\nversion = 2\n",
    RefusalKind::BrokenConfig
)]
#[case::overruled(
    "version = 2\nimports = [\"/etc/containerd/conf.d/*.toml\"]\n",
    RefusalKind::NoConfigPath
)]
fn no_restart_where_it_would_not_help(#[case] config: &str, #[case] kind: RefusalKind) {
    let import = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"p\"\n";
    let node = Facts::new()
        .runs("containerd", V1_7)
        .file(CONFIG_FILE, config)
        .file("/etc/containerd/conf.d/a.toml", import);
    let (found, text, _) = node.decide(&by_address().with_restart(true)).refused();
    assert_eq!(found, kind, "{text}");
}

#[test]
fn without_leave_nothing_is_restarted() {
    let node = Facts::new()
        .runs("containerd", V1_7)
        .file(CONFIG_FILE, "version = 2\n");
    let (kind, text, _) = node.decide(&by_address()).refused();
    assert_eq!(kind, RefusalKind::NoConfigPath);
    assert!(
        text.contains("let kreg set it and restart containerd"),
        "{text}"
    );
    let plan = node.decide(&by_address().with_restart(true)).plan();
    assert!(!plan.is_unchanged());
    let shown = plan.to_string();
    assert!(
        shown.contains("+config_path = ") && shown.contains("systemctl restart containerd"),
        "{shown}"
    );
}

/// The service that containerd runs in is restarted, and every text names it.
#[test]
fn the_unit_is_that_of_the_process() {
    let node = || {
        Facts::new()
            .runs("containerd", V1_7)
            .started_by("containerd", "systemd", "kube-containerd")
    };
    let bare = node().file(CONFIG_FILE, "version = 2\n");
    let plan = bare.decide(&by_address().with_restart(true)).plan();
    assert_eq!(plan.restart().unwrap().unit(), "kube-containerd");
    let (_, remedy, _) = bare.decide(&by_address()).refused();
    let changed = node()
        .with("containerd", |one| one.started = Some(1000))
        .changed_at(2000, CONFIG_FILE, SET);
    let warning = changed.decide(&by_address()).plan().warnings()[0].clone();
    for text in [remedy, warning] {
        assert!(
            text.contains("`systemctl restart kube-containerd`"),
            "{text}"
        );
    }
}

/// Of several, one that runs in no service has none to restart: `containerd` may be another's.
#[test]
fn of_several_one_without_a_unit_is_not_restarted() {
    let node = Facts::new()
        .runs("containerd", V1_7)
        .runs("containerd.2", V1_7)
        .with("containerd.2", |one| {
            one.address = Some("/run/b.sock".to_owned())
        })
        .file(CONFIG_FILE, "version = 2\n");
    let (kind, text, _) = node.decide(&by_address().with_restart(true)).refused();
    assert_eq!(kind, RefusalKind::NoConfigPath);
    assert!(
        !text.contains("systemctl") && !text.contains("let kreg set it"),
        "{text}"
    );
}
