//! Configuration files as Debian's packages ship them: what each runtime makes of them, and what
//! kreg decides.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may panic"
)]

#[path = "common/facts.rs"]
mod facts;

use std::fs;
use std::path::Path;

use facts::{Facts, by_address, paths};
use kreg_nodes::containerd::{CONFIG_FILE, ContainerdConfig, Version};
use kreg_nodes::containers::{POLICY, REGISTRIES_CONF, RegistriesConf};
use kreg_nodes::docker::DaemonConfig;
use kreg_nodes::facts::Os;
use kreg_nodes::{Change, RefusalKind};
use rstest::rstest;

fn corpus(suite: &str, file: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    fs::read_to_string(folder.join(suite).join(file)).unwrap()
}

const V2: &str = "[plugins.\"io.containerd.grpc.v1.cri\".registry]";
const V3: &str = "[plugins.\"io.containerd.cri.v1.images\".registry]";
const ROOT: &str = "config_path = \"/etc/containerd/certs.d\"";

/// What is shipped, and what `containerd config default` prints for a start, look nowhere in all
/// three releases: nothing is written, and the remedy names the table of that file's schema. With
/// leave to restart, one line is set or added, and all else stays.
#[rstest]
#[case::bookworm("bookworm", "containerd.toml", Version(1, 6, 20), 2, V2)]
#[case::trixie("trixie", "containerd.toml", Version(1, 7, 24), 2, V2)]
#[case::forky("forky", "containerd.toml", Version(2, 1, 9), 2, V2)]
#[case::bookworm_default("bookworm", "containerd-default.toml", Version(1, 6, 20), 2, V2)]
#[case::trixie_default("trixie", "containerd-default.toml", Version(1, 7, 24), 2, V2)]
#[case::forky_default("forky", "containerd-default.toml", Version(2, 1, 9), 3, V3)]
fn containerd_looks_nowhere(
    #[case] suite: &str,
    #[case] file: &str,
    #[case] release: Version,
    #[case] schema: i64,
    #[case] table: &str,
) {
    let text = corpus(suite, file);
    let node = Facts::new()
        .runs("containerd", &corpus(suite, "containerd-version"))
        .file(CONFIG_FILE, &text);
    let config = ContainerdConfig::of(&node.0).unwrap();
    assert_eq!((config.release, config.schema), (Some(release), schema));
    assert_eq!(config.config_path, "");
    assert!(config.mirrors.is_empty() && config.tls.is_empty() && !config.cri_disabled);
    assert_eq!(config.socket, "/run/containerd/containerd.sock");

    let (kind, text_of, _) = node.decide(&by_address()).refused();
    assert_eq!(kind, RefusalKind::NoConfigPath);
    assert!(text_of.contains(&format!("{table}\n  {ROOT}")), "{text_of}");

    let plan = node.decide(&by_address().with_restart(true)).plan();
    let restart = plan.restart().unwrap();
    assert_eq!(restart.edit().change(), Change::Replace);
    let after = restart.edit().after();
    let kept =
        |line: &&str| !line.contains("config_path = \"\"") && !line.contains("config_path = ''");
    let lost: Vec<&str> = text
        .lines()
        .filter(kept)
        .filter(|line| !after.contains(*line))
        .collect();
    assert_eq!(lost, [""; 0]);
    assert_eq!(after.matches(ROOT).count(), 1);
    assert_eq!(
        paths(&plan),
        [
            "/etc/containerd/certs.d/docker-registry:5000/ca.crt",
            "/etc/containerd/certs.d/docker-registry:5000/hosts.toml"
        ]
    );
    let then = Facts::new()
        .runs("containerd", &corpus(suite, "containerd-version"))
        .file(CONFIG_FILE, after);
    let config = ContainerdConfig::of(&then.0).unwrap();
    assert_eq!(config.config_path, "/etc/containerd/certs.d");
    assert_eq!(config.misplaced, None);
    assert!(
        then.decide(&by_address().with_restart(true))
            .plan()
            .restart()
            .is_none()
    );
}

/// What is shipped redirects nothing.
#[rstest]
#[case("bookworm")]
#[case("trixie")]
#[case("forky")]
fn containers_image_needs_the_name(#[case] suite: &str, #[values("crio", "podman")] runtime: &str) {
    let node = Facts::new()
        .has(runtime)
        .file(POLICY, &corpus(suite, "policy.json"))
        .file(REGISTRIES_CONF, &corpus(suite, "registries.conf"))
        .file(
            "/etc/containers/registries.conf.d/shortnames.conf",
            &corpus(suite, "shortnames.conf"),
        );
    assert!(RegistriesConf::of(&node.0).unwrap().tables.is_empty());
    let plan = node.decide(&by_address()).plan();
    assert_eq!(
        paths(&plan),
        [
            "/etc/containers/certs.d/docker-registry:5000/ca.crt",
            "/etc/hosts"
        ]
    );
    assert_eq!(plan.warnings(), [""; 0]);
}

/// None of these keeps its images in containerd unless told to, and none can be led by address.
#[rstest]
#[case("bookworm", 20)]
#[case("trixie", 26)]
#[case("forky", 28)]
fn docker_needs_the_name(#[case] suite: &str, #[case] major: u32) {
    let version = corpus(suite, "dockerd-version");
    assert!(version.contains(&format!("version {major}.")), "{version}");
    let node = Facts::new().runs("dockerd", &version);
    assert_eq!(DaemonConfig::of(&node.0).unwrap().image_store, Some(false));
    let plan = node.decide(&by_address()).plan();
    assert_eq!(
        paths(&plan),
        [
            "/etc/docker/certs.d/docker-registry:5000/ca.crt",
            "/etc/hosts"
        ]
    );
}

#[rstest]
#[case("bookworm", "12")]
#[case("trixie", "13")]
#[case("forky", "")]
fn systems_say_who_they_are(#[case] suite: &str, #[case] version: &str) {
    let os = Os::parse(&corpus(suite, "os-release"));
    assert_eq!(
        (os.id.as_str(), os.version_id.as_str()),
        ("debian", version)
    );
}
