//! The demo on a node image that a registry on this machine serves, as Docker Hub serves kind's.

use std::fs;

use super::*;
use crate::images::{REGISTRY, Recipe, Source};
use crate::node;
use crate::parts::{self, Generation};
use crate::process::Run;
use crate::test::built_kreg;

const CLUSTER: &str = "kreg-demo";
const SERVER: &str = "kreg-demo-registry";

/// Makes our own node image like kind's: no sshd, kind's configuration of containerd, and kreg's default
/// image of the registry, which kind's nodes would pull. The pause image and the lower scores of the
/// out-of-memory killer are this machine's.
const LIKE_KINDS: &str = r#"FROM @NODE@
COPY config.toml /etc/containerd/config.toml
RUN apt-get purge --yes openssh-server \
    && rm -rf /etc/ssh /etc/systemd/system/kreg-ssh-keys.service /etc/systemd/system/*.wants/kreg-ssh-keys.service \
    && sed -i 's|\(restrict_oom_score_adj =\).*|\1 true|' /etc/containerd/config.toml \
    && { containerd >/dev/null 2>&1 & } \
    && until ctr version >/dev/null 2>&1; do sleep 0.2; done \
    && ctr -n k8s.io images tag @REGISTRY@ docker.io/library/registry:2.8.3 \
    && pause=$(ctr -n k8s.io images list -q | grep /pause:) \
    && sed -i "s|registry.k8s.io/pause:[0-9.]*|$pause|" /etc/containerd/config.toml \
    && kill $(pidof containerd) && while pidof containerd; do sleep 0.1; done
"#;

/// A registry with the image; with it goes all that the test makes.
struct Served {
    image: String,
}

impl Served {
    fn new() -> Self {
        let node = node::image(Generation::V1_37).unwrap();
        docker([
            "run",
            "--detach",
            "--name",
            SERVER,
            "--publish",
            "127.0.0.1::5000",
            REGISTRY,
        ]);
        let served = Self {
            image: format!("{}/kindest/node:v1.37.0", docker(["port", SERVER, "5000"])),
        };
        let config = parts::kind()
            .unwrap()
            .base_files
            .join("etc/containerd/config.toml");
        let text = LIKE_KINDS
            .replace("@NODE@", &node)
            .replace("@REGISTRY@", REGISTRY);
        let recipe = Recipe::new(&served.image, text).file("config.toml", Source::File(config));
        recipe.build().unwrap();
        docker(["push", &served.image]);
        docker(["image", "rm", &served.image]);
        served
    }

    /// Returns the cluster, and what its `kreg.toml` says.
    fn show(&self, kreg: &Path) -> (ClusterHandle, String) {
        let wanted = cluster::Options {
            name: CLUSTER.to_owned(),
            nodes: 2,
            node_image: NodeImage::Published(self.image.clone()),
            ..cluster::Options::default()
        };
        let mut stages = Stages::new();
        let cluster = show(&mut stages, kreg, &wanted, &Options::default()).unwrap();
        let config = fs::read_to_string(cluster.state.join("kreg.toml")).unwrap();
        (cluster, config)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = cluster::down(CLUSTER, false);
        for words in [
            ["rm", "--force", "--volumes", SERVER],
            ["image", "rm", "--force", &self.image],
        ] {
            let _ = Run::new("docker").args(words).succeeds();
        }
    }
}

fn docker<const N: usize>(words: [&str; N]) -> String {
    Run::new("docker").args(words).read().unwrap()
}

/// Does on the first node what the demo says under "Push one from a node".
fn push(cluster: &ClusterHandle) {
    let text = look_around(cluster, "kreg", false);
    let commands: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("    ctr "))
        .collect();
    assert_eq!(commands.len(), 2, "{text}");
    let script = format!(
        "set -eu\nauth=$(kubectl --kubeconfig=/etc/kubernetes/admin.conf get secret docker-registry-pull \
         -n kreg-system -o jsonpath='{{.data.\\.dockerconfigjson}}' | base64 -d \
         | jq -r '[.auths[].auth][0]' | base64 -d)\n{}",
        commands.join("\n").replace("USER:PASSWORD", "\"$auth\"")
    );
    cluster.nodes[0].feed(&script, ["bash", "-s"]).unwrap();
}

#[test]
#[ignore = "needs Docker, makes a cluster: run by cargo xtask test"]
fn a_node_image_that_is_pulled_gets_sshd_or_agents() {
    let kreg = built_kreg().unwrap();
    let served = Served::new();
    let (cluster, config) = served.show(&kreg);
    assert!(config.contains("backend = \"ssh\""), "{config}");
    assert!(!config.contains("kreg.test"), "{config}");
    let worker = &cluster.nodes[1].container;
    assert_eq!(
        docker(["inspect", "--format={{.Config.Image}}", worker]),
        served.image
    );
    push(&cluster);

    Run::new(&kreg)
        .args(["down", "--delete-data", "--yes", "--config"])
        .arg(cluster.state.join("kreg.toml"))
        .run()
        .unwrap();
    for node in &cluster.nodes {
        let no_sshd = "apt-get purge --yes openssh-server && rm -rf /etc/apt /var/lib/apt/lists";
        node.exec(["sh", "-c", no_sshd]).unwrap();
    }
    let (_, config) = served.show(&kreg);
    assert!(config.contains("backend = \"daemonset\""), "{config}");
}
