//! Distributions that bring a containerd of their own, or keep its configuration in their own way.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may panic"
)]

#[path = "common/facts.rs"]
mod facts;

use facts::{Facts, by_address, crio, paths};
use kreg_nodes::RefusalKind;
use kreg_nodes::containerd::CONFIG_FILE;
use rstest::rstest;

const V1_7: &str = "containerd github.com/containerd/containerd v1.7.28 x";
const V2_1: &str = "containerd github.com/containerd/containerd/v2 v2.1.4 x";
const OF_K3S: &str = "containerd github.com/k3s-io/containerd v2.1.4-k3s1 x";
const K3S: &str = "k3s version v1.34.1+k3s1 (24fc436e)";
const RKE2: &str = "rke2 version v1.34.1+rke2r1 (24fc436e)";
const SYSTEM: &str = "unix:///run/containerd/containerd.sock";

fn v2(certs_d: &str) -> String {
    format!(
        "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"{certs_d}\"\n"
    )
}

fn v3(certs_d: &str) -> String {
    format!(
        "version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\n  config_path = \"{certs_d}\"\n"
    )
}

/// The two files below this root.
fn below(root: &str) -> [String; 2] {
    ["ca.crt", "hosts.toml"].map(|file| format!("{root}/docker-registry:5000/{file}"))
}

fn writes_below(node: &Facts, root: &str) {
    assert_eq!(paths(&node.decide(&by_address()).plan()), below(root));
}

/// k3s and RKE2 with a data directory of their own. Facts of earlier releases show their containerd
/// under its plain name.
#[rstest]
#[case::k3s("k3s-server", K3S, "k3s", "k3s-containerd")]
#[case::k3s_of_old_facts("k3s-server", K3S, "k3s", "containerd")]
#[case::rke2("rke2", RKE2, "rke2", "rke2-containerd")]
#[case::rke2_of_old_facts("rke2", RKE2, "rke2", "containerd")]
fn another_data_directory_is_followed(
    #[case] program: &str,
    #[case] version: &str,
    #[case] id: &str,
    #[case] containerd: &str,
) {
    let dir = format!("/data/{id}/agent/etc/containerd");
    let (file, root) = (format!("{dir}/config.toml"), format!("{dir}/certs.d"));
    let node = Facts::new()
        .runs(program, version)
        .runs(containerd, OF_K3S)
        .started_with(containerd, &file);
    writes_below(&Facts(node.0.clone()).file(&file, &v3(&root)), &root);

    // What it starts from must be there; the default directory is not a substitute.
    let (kind, text, _) = node.decide(&by_address()).refused();
    assert_eq!(kind, RefusalKind::BrokenConfig);
    assert!(text.contains(&file), "{text}");

    // The file for registries is asked as well, and old releases erase there too.
    let yaml = format!("/etc/rancher/{id}/registries.yaml");
    let named = Facts(node.0.clone())
        .file(&file, &v3(&root))
        .file(&yaml, "configs: {'docker-registry:5000': {}}\n");
    assert_eq!(
        named.decide(&by_address()).refused().0,
        RefusalKind::Foreign
    );
    let old = node
        .file(&file, &v3(&root))
        .runs(program, "x version v1.28.1+x");
    let (kind, text, _) = old.decide(&by_address()).refused();
    assert_eq!(kind, RefusalKind::UnsupportedRuntime);
    assert!(text.contains(&root), "{text}");
}

#[test]
fn a_k3s_that_runs_and_whose_configuration_is_not_found_is_refused() {
    let node = Facts::new().runs("k3s-server", K3S);
    let (kind, text, _) = node.decide(&by_address()).refused();
    assert_eq!(kind, RefusalKind::BrokenConfig);
    assert!(
        text.contains("/var/lib/rancher/k3s/agent/etc/containerd/config.toml"),
        "{text}"
    );
    // Where an image is built nothing runs yet.
    writes_below(
        &Facts::new()
            .has("k3s")
            .with("k3s", |k3s| k3s.version = Some(K3S.to_owned())),
        "/var/lib/rancher/k3s/agent/etc/containerd/certs.d",
    );
}

fn k3s_beside_a_system_containerd() -> Facts {
    Facts::new()
        .runs("k3s-agent", K3S)
        .runs("containerd", V1_7)
        .file(CONFIG_FILE, &v2("/etc/containerd/certs.d"))
}

#[test]
fn k3s_with_the_endpoint_of_another_runtime_uses_that() {
    let node = k3s_beside_a_system_containerd();
    writes_below(&node, "/etc/containerd/certs.d");
    let node = node.endpoint(SYSTEM);
    writes_below(&node, "/etc/containerd/certs.d");
    // Not even a file that is left of its own changes that.
    let left = "/var/lib/rancher/k3s/agent/etc/containerd/config.toml";
    writes_below(&node.file(left, &v3("/left")), "/etc/containerd/certs.d");
    let crio = crio()
        .runs("k3s-agent", K3S)
        .endpoint("unix:///var/run/crio/crio.sock");
    let plan = crio.decide(&by_address()).plan();
    assert!(paths(&plan)[0].starts_with("/etc/containers/"), "{plan}");
}

#[test]
fn k3s_that_names_no_endpoint_and_may_be_starting_is_refused() {
    let left = "/var/lib/rancher/k3s/agent/etc/containerd/config.toml";
    let node = k3s_beside_a_system_containerd().file(left, &v3("/left"));
    let (kind, text, _) = node.decide(&by_address()).refused();
    assert_eq!(kind, RefusalKind::UnsupportedRuntime);
    assert!(
        text.contains(left) && text.contains("container-runtime-endpoint"),
        "{text}"
    );
}

#[test]
fn k3s_uses_its_own_beside_that_of_the_system() {
    let dir = "/data/agent/etc/containerd";
    let file = format!("{dir}/config.toml");
    let address = "[grpc]\naddress = \"/run/k3s/containerd/containerd.sock\"\n";
    let node = k3s_beside_a_system_containerd()
        .runs("k3s-containerd", OF_K3S)
        .started_with("k3s-containerd", &file)
        .file(&file, &(v3(&format!("{dir}/certs.d")) + address));
    writes_below(&node, &format!("{dir}/certs.d"));
    let node = node.endpoint("unix:///run/k3s/containerd/containerd.sock");
    writes_below(&node, &format!("{dir}/certs.d"));
    writes_below(&node.endpoint(SYSTEM), "/etc/containerd/certs.d");
}

#[test]
fn of_cri_o_and_containerd_the_endpoint_decides() {
    let both = || {
        let node = crio().runs("containerd", V1_7);
        node.file(CONFIG_FILE, &v2("/etc/containerd/certs.d"))
    };
    writes_below(&both().endpoint(SYSTEM), "/etc/containerd/certs.d");
    // A kubelet that is told nothing looks where containerd is by default.
    writes_below(&both().runs("kubelet", ""), "/etc/containerd/certs.d");
    let by_crio = both().endpoint("unix:///var/run/crio/crio.sock");
    let plan = by_crio.decide(&by_address()).plan();
    assert!(paths(&plan)[0].starts_with("/etc/containers/"), "{plan}");
    let by_neither = both().endpoint("unix:///run/other.sock");
    let (kind, text, _) = by_neither.decide(&by_address()).refused();
    assert_eq!(kind, RefusalKind::UnsupportedRuntime);
    assert!(text.contains("/run/other.sock"), "{text}");
}

#[test]
fn a_containerd_whose_file_is_gone_is_refused() {
    let node = Facts::new()
        .runs("containerd", V2_1)
        .started_with("containerd", "/srv/containerd.toml");
    let (kind, text, _) = node.decide(&by_address()).refused();
    assert_eq!(kind, RefusalKind::BrokenConfig);
    assert!(text.contains("/srv/containerd.toml"), "{text}");
}

fn k0s(version: &str, root: &str, import: &str) -> Facts {
    Facts::new()
        .runs("containerd", version)
        .started_with("containerd", "/etc/k0s/containerd.toml")
        .endpoint("unix:///run/k0s/containerd.sock")
        .file(
            "/etc/k0s/containerd.toml",
            &format!(
                "# k0s_managed=true\nimports = [\n\t\"/run/k0s/containerd-cri.toml\",\n]\n{root}"
            ),
        )
        .file("/run/k0s/containerd-cri.toml", import)
}

/// No remedy edits a file that others make, and no plan does: not even where a restart is allowed.
#[rstest]
#[case::k0s_of_old_facts(
    k0s(V1_7, "version = 2\n", &v2("")),
    "systemctl restart k0sworker",
    "/etc/k0s/containerd.d/kreg.toml"
)]
// An empty string that an import sets counts: 2.x merges tables, 1.7 replaces them.
#[case::k0s_whose_import_empties_the_root_in_2_1(
    k0s(V2_1, &v2("/etc/containerd/certs.d"), &v2("")),
    "/run/k0s/containerd-cri.toml sets config_path to nothing",
    "\nversion = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\n  config_path"
)]
#[case::k0s_whose_import_empties_the_root_in_1_7(
    k0s(V1_7, &v2("/etc/containerd/certs.d"), &v2("")),
    "overrides what /etc/k0s/containerd.toml sets",
    "/etc/k0s/containerd.d/kreg.toml"
)]
#[case::k0s_worker(
    k0s(V1_7, "version = 2\n", &v2("")).started_by("containerd", "k0s", "k0sworker"),
    "`systemctl restart k0sworker` (running",
    "\nversion = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\n  config_path"
)]
#[case::k0s_controller(
    k0s(V1_7, "version = 2\n", &v2("")).started_by("containerd", "k0s", "k0scontroller"),
    "`systemctl restart k0scontroller` (running",
    "/etc/k0s/containerd.d/kreg.toml"
)]
#[case::k0s_whose_parent_ended(
    k0s(V1_7, "version = 2\n", &v2("")).started_by("containerd", "systemd", "k0scontroller"),
    "`systemctl restart k0scontroller` (running",
    "/etc/k0s/containerd.d/kreg.toml"
)]
#[case::microk8s(
    Facts::new().runs("containerd", V1_7)
        .started_with("containerd", "/var/snap/microk8s/8511/args/containerd.toml")
        .started_by("containerd", "systemd", "snap.microk8s.daemon-containerd")
        .file("/var/snap/microk8s/8511/args/containerd.toml", "version = 2\n"),
    "snap restart microk8s.daemon-containerd",
    "/var/snap/microk8s/current/args/containerd-template.toml"
)]
#[case::flatcar(
    Facts::new().os("flatcar", "4230.2.0").runs("containerd", V1_7)
        .started_with("containerd", "/usr/share/containerd/config.toml")
        .file("/usr/share/containerd/config.toml", "version = 2\n[grpc]\nuid = 0\n"),
    "Environment=CONTAINERD_CONFIG=/etc/containerd/config.toml",
    "cp /usr/share/containerd/config.toml /etc/containerd/config.toml"
)]
#[case::nixos(
    Facts::new().os("nixos", "25.05").runs("containerd", V2_1)
        .started_with("containerd", "/nix/store/abc-containerd/config.toml")
        .file("/nix/store/abc-containerd/config.toml", "version = 2\n"),
    "nixos-rebuild switch",
    "virtualisation.containerd.settings.plugins.\"io.containerd.grpc.v1.cri\".registry.config_path = \
     \"/etc/containerd/certs.d\";"
)]
fn the_remedy_is_one_that_holds_there(
    #[case] node: Facts,
    #[case] unit: &str,
    #[case] place: &str,
    #[values(false, true)] restart: bool,
) {
    let (kind, text, _) = node.decide(&by_address().with_restart(restart)).refused();
    assert_eq!(kind, RefusalKind::NoConfigPath);
    assert!(text.contains(unit) && text.contains(place), "{text}");
    assert!(!text.contains("let kreg set it"), "{text}");
}

#[test]
fn a_file_on_a_read_only_mount_is_not_edited() {
    let file = "/system/containerd.toml";
    let node = |options: &str| {
        let answer = format!(
            "kreg-probe 1\nuid 0\nrunning containerd\nconfig containerd {file}\nversion containerd {V1_7}\n\
             file 12 644 0 0 1 {file}\ndata\nversion = 2\n\nmounts\n22 1 8:1 / / rw - ext4 /dev/a rw\n\
             30 22 8:2 / /system {options} - ext4 /dev/b {options}\nkreg-probe end\n"
        );
        Facts(kreg_nodes::NodeFacts::decode(answer.as_bytes()).unwrap())
    };
    let trust = by_address().with_restart(true);
    let (kind, text, _) = node("ro").decide(&trust).refused();
    assert_eq!(kind, RefusalKind::NoConfigPath);
    assert!(
        text.contains("read-only") && text.contains("`--config`"),
        "{text}"
    );
    let restart = node("rw").decide(&trust).plan();
    assert_eq!(restart.restart().unwrap().edit().path(), file);
}

/// What a probe answers of two containerds, and of a kubelet.
fn two(kubelet: &str) -> Facts {
    let b = v2("/b/certs.d");
    let answer = format!(
        "kreg-probe 1\nuid 0\nrunning containerd\nversion containerd {V1_7}\nrunning containerd.2\n\
         version containerd.2 {V2_1}\nconfig containerd.2 /b.toml\naddress containerd.2 /run/b.sock\n\
         {kubelet}file {} 644 0 0 1 /b.toml\ndata\n{b}\nmounts\nkreg-probe end\n",
        b.len()
    );
    Facts(kreg_nodes::NodeFacts::decode(answer.as_bytes()).unwrap())
        .file(CONFIG_FILE, &v2("/etc/containerd/certs.d"))
}

#[test]
fn of_two_containerds_the_endpoint_decides() {
    writes_below(&two("endpoint unix:///run/b.sock\n"), "/b/certs.d");
    writes_below(
        &two("endpoint unix:///run/b.sock\nendpoint unix:///x\n"),
        "/b/certs.d",
    );
    let system = "endpoint unix:///var/run/containerd/containerd.sock\n";
    writes_below(&two(system), "/etc/containerd/certs.d");
    // A kubelet that is told nothing looks where containerd is by default.
    writes_below(&two("running kubelet\n"), "/etc/containerd/certs.d");
    // Not even where one of them is Docker's.
    let docker = two("running dockerd\nendpoint unix:///run/c.sock\n")
        .file(CONFIG_FILE, "disabled_plugins = [\"cri\"]\n");
    let (kind, ..) = docker.decide(&by_address()).refused();
    assert_eq!(kind, RefusalKind::UnsupportedRuntime);
    let (kind, text, _) = two("endpoint unix:///run/c.sock\n")
        .decide(&by_address())
        .refused();
    assert_eq!(kind, RefusalKind::UnsupportedRuntime);
    for part in [
        "/run/b.sock (/b.toml)",
        "/run/containerd/containerd.sock",
        "/run/c.sock",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
