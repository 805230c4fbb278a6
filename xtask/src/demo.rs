//! `cargo xtask demo`: a throwaway cluster, `kreg up`, the proof, and how to look around.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::cluster::{self, ClusterHandle, NodeImage};
use crate::e2e;
use crate::e2e::world::build_kreg_with;
use crate::failure::{Failure, Result, Tried as _};
use crate::needs;
use crate::stages::Stages;

#[derive(Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// The tutorial's objects and names
    #[arg(long)]
    tutorial: bool,
}

/// The demo on kind's own node image where it can be had, else on the one that is built here.
pub(crate) fn run(options: &Options) -> Result<()> {
    let wanted = cluster::Options {
        node_image: NodeImage::published(),
        ..cluster::Options::default()
    };
    let start = Instant::now();
    let mut stages = Stages::new();
    let arguments = stages.stage("packages that kreg needs to be built", needs::to_build)?;
    let kreg = stages.stage("kreg, built from this folder", || {
        build_kreg_with(arguments)
    })?;
    let cluster = show(&mut stages, &kreg, &wanted, options)?;
    e2e::print(&stages.table());
    e2e::print(&look_around(
        &cluster,
        &kreg.display().to_string(),
        options.tutorial,
    ));
    e2e::print(&format!("Done in {:.0} s.", start.elapsed().as_secs_f64()));
    Ok(())
}

/// The cluster, and on it `kreg up` with its proof.
fn show(
    stages: &mut Stages,
    kreg: &Path,
    wanted: &cluster::Options,
    options: &Options,
) -> Result<ClusterHandle> {
    let name = format!("a cluster of {} nodes", wanted.nodes);
    let cluster = stages.stage(&name, || cluster::up(wanted))?;
    let config = cluster.state.join("kreg.toml");
    let mut up = Command::new(kreg);
    up.arg("up").arg("--config").arg(&config);
    if options.tutorial {
        up.args(["--profile", "tutorial"]);
    }
    // Straight to the terminal: what it shows is what the demo is for.
    stages.stage(
        "kreg up: the registry, trust on every node, and the proof",
        || {
            let status = up.status().tried(|| format!("start {}", kreg.display()))?;
            match status.success() {
                true => Ok(()),
                false => Err(Failure::new("run kreg up", status)
                    .next("read what it says above; cargo xtask cluster down removes everything")),
            }
        },
    )?;
    Ok(cluster)
}

fn look_around(cluster: &ClusterHandle, kreg: &str, tutorial: bool) -> String {
    let (namespace, secret, profile) = match tutorial {
        true => ("default", "reg-cred-secret", " --profile tutorial"),
        false => ("kreg-system", "docker-registry-pull", ""),
    };
    let nodes = &cluster.nodes;
    let node = nodes.first().map_or("", |node| node.container.as_str());
    let kubectl = cluster.state.join("kubectl");
    let kubectl = match kubectl.exists() {
        true => kubectl.display().to_string(),
        false => format!("'docker exec -i {node} kubectl --kubeconfig=/etc/kubernetes/admin.conf'"),
    };
    format!(
        r#"How to look around:

  export KUBECONFIG={kubeconfig} KREG_CONFIG={config}
  alias kubectl={kubectl} kreg={kreg}

  kubectl get all,secrets,configmaps,pvc -n {namespace}   what is there
  kreg status{profile}                                    and what state it is in
  kreg verify{profile}                                    the proof, again

  The user and password, in the form that Pods use:
  kubectl get secret {secret} -n {namespace} -o jsonpath='{{.data.\.dockerconfigjson}}' | base64 -d

  Images are named docker-registry:5000/NAME:TAG. Push one from a node:
  docker exec -it {node} bash
    ctr -n k8s.io images tag $(ctr -n k8s.io images list -q | grep -m1 /pause:) docker-registry:5000/hello:v1
    ctr -n k8s.io images push --hosts-dir /etc/containerd/certs.d --user USER:PASSWORD docker-registry:5000/hello:v1

  Run it on any node, from the registry:
  kreg secret apply{profile} --namespaces default
  kubectl run hello --image=docker-registry:5000/hello:v1

  kreg down{profile} --delete-data     takes the registry and all trust away
  cargo xtask cluster down             takes the cluster away
"#,
        kubeconfig = cluster.kubeconfig.display(),
        config = cluster.state.join("kreg.toml").display(),
    )
}

#[cfg(test)]
mod tests;
