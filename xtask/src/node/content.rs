//! What a node image holds: a root file system, Kubernetes, and the images a cluster starts with.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cluster::CONTROL_PLANE_PATCHES;
use crate::engine::RUNC_WRAPPER;
use crate::failure::{Failure, Result, Tried as _};
use crate::images::{self, BUSYBOX, NGINX, REGISTRY, Recipe, Source};
use crate::parts::{self, Base, Containerd, Generation, KubernetesParts};

/// Name of the local-path provisioner's image.
const PROVISIONER: &str = "kreg.test/local-path-provisioner:0.0.30";

/// How Go's programs run here: each on one processor, and collecting garbage at a quarter of the usual
/// rate. Their heaps are small, and there are several clusters on few processors.
const GO_PROGRAMS: &str = "GOMAXPROCS=1 GOGC=400";

/// kind's node without the preloaded images.
pub(super) fn node(generation: Generation, kubernetes: &KubernetesParts) -> Result<Recipe> {
    let root = Recipe::new(
        "kreg.test/node-root:12",
        include_str!("../../assets/node/root.Dockerfile"),
    );
    let pause = kubernetes
        .images
        .iter()
        .find(|image| image.program.ends_with("pause"))
        .ok_or_else(|| Failure::new("set up containerd", "no pause image among the parts"))?;
    let mut node = Recipe::new(
        format!("kreg.test/node-bare:{}", kubernetes.version),
        include_str!("../../assets/node/Dockerfile"),
    )
    .parent(root)
    .text(
        "ours/usr/local/sbin/kreg-containerd-config",
        containerd_config(&pause.reference, generation),
    )
    .text("ours/usr/local/sbin/runc", RUNC_WRAPPER)
    .text(
        "ours/etc/systemd/system.conf.d/kreg-garbage.conf",
        format!("[Manager]\nDefaultEnvironment={GO_PROGRAMS}\n"),
    )
    .text(
        "ours/etc/systemd/system/kreg-ssh-keys.service",
        include_str!("../../assets/node/kreg-ssh-keys.service"),
    )
    .text("ours/kind/manifests/default-storage.yaml", storage())
    .text("ours/kind/version", kubernetes.version);
    for component in ["kube-apiserver", "kube-scheduler", "etcd"] {
        node = node.text(
            format!("ours{CONTROL_PLANE_PATCHES}/{component}+strategic.yaml"),
            seldom_asked(component),
        );
    }
    if generation == Generation::V1_37 {
        let release = Containerd::NODES.build()?;
        for program in Containerd::PROGRAMS {
            // Debian's, below /usr/bin, go: there is one containerd on a node.
            node = node.file(
                format!("bin/{program}"),
                Source::File(release.join(program)),
            );
        }
    }
    for program in ["kubeadm", "kubelet", "kubectl"] {
        node = node.file(
            format!("bin/{program}"),
            Source::File(kubernetes.bin.join(program)),
        );
    }
    let base = parts::kind()?.base_files;
    for file in files_below(&base)? {
        let name = file
            .strip_prefix(&base)
            .tried(|| format!("place {}", file.display()))?
            .to_string_lossy()
            .into_owned();
        node = if name == "usr/local/bin/entrypoint" {
            let text = fs::read_to_string(&file).tried(|| format!("read {}", file.display()))?;
            node.text(format!("root/{name}"), entrypoint(&text, generation)?)
        } else {
            node.file(format!("root/{name}"), Source::File(file))
        };
    }
    Ok(node)
}

/// The images that the node's containerd knows from the start.
pub(super) fn loaded(kubernetes: &KubernetesParts) -> Result<Vec<Recipe>> {
    let mut loaded = Vec::new();
    for image in &kubernetes.images {
        let program = file_name(&image.program)?;
        loaded.push(
            Recipe::new(&image.reference, dockerfile(program, image.base))
                .file(program, Source::File(image.program.clone())),
        );
    }
    let provisioner = parts::local_path()?;
    let program = file_name(&provisioner)?;
    loaded.push(
        Recipe::new(PROVISIONER, dockerfile(program, Base::Static))
            .file(program, Source::File(provisioner.clone())),
    );
    loaded.extend(
        images::catalogue()
            .into_iter()
            .filter(|image| [REGISTRY, NGINX, BUSYBOX].contains(&image.tag())),
    );
    Ok(loaded)
}

/// A program on what it needs. CoreDNS and pause are started by their image's entrypoint, pause from
/// the root directory; the others by name.
fn dockerfile(program: &str, base: Base) -> String {
    let start = match base {
        Base::Static => "FROM scratch\nENV PATH=/usr/local/bin:/usr/bin:/bin\n",
        Base::Libc => "FROM kreg.test/base:12\n",
        Base::Iptables => include_str!("../../assets/node/iptables.Dockerfile"),
    };
    let start = format!("{start}ENV {GO_PROGRAMS}\n");
    match program {
        "coredns" | "pause" => {
            format!("{start}COPY {program} /{program}\nENTRYPOINT [\"/{program}\"]\n")
        }
        _ => format!("{start}COPY {program} /usr/local/bin/{program}\n"),
    }
}

/// kubeadm has each asked every second whether it is ready; with TLS that is a good part of what an idle
/// control plane costs.
fn seldom_asked(component: &str) -> String {
    format!(
        "spec:\n  containers:\n  - name: {component}\n    readinessProbe: {{ periodSeconds: 10 }}\n"
    )
}

fn file_name(program: &Path) -> Result<&str> {
    program
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(|| {
            Failure::new(
                format!("name {}", program.display()),
                "it is no plain file name",
            )
        })
}

/// Prints the configuration of whichever containerd is installed. kind gives kubelets before 1.24 the
/// cgroupfs driver; containerd has to do the same.
fn containerd_config(pause: &str, generation: Generation) -> String {
    include_str!("../../assets/node/containerd-config.sh")
        .replace(
            "@ROOT@",
            match generation {
                // 1.6 looks in no directory by default.
                Generation::V1_20 => "/etc/containerd/certs.d",
                Generation::V1_37 => "",
            },
        )
        .replace("@PAUSE@", pause)
        .replace(
            "@SYSTEMD@",
            match generation {
                Generation::V1_20 => "false",
                Generation::V1_37 => "true",
            },
        )
}

fn storage() -> String {
    include_str!("../../assets/node/default-storage.yaml")
        .replace("@PROVISIONER@", PROVISIONER)
        .replace("@HELPER@", BUSYBOX)
}

/// kind's entrypoint. For 1.20 it must not bind a cgroup root of its own for the kubelet: that
/// kubelet takes the mount for the controller's root and dies of "root container \[kubepods\] doesn't
/// exist".
fn entrypoint(text: &str, generation: Generation) -> Result<String> {
    const FUNCTION: &str = "mount_kubelet_cgroup_root() {\n";
    if generation != Generation::V1_20 {
        return Ok(text.to_owned());
    }
    if !text.contains(FUNCTION) {
        return Err(Failure::new(
            "adapt kind's entrypoint to 1.20",
            "it has no function mount_kubelet_cgroup_root",
        )
        .next("use the release of kind that xtask names"));
    }
    Ok(text.replace(FUNCTION, &format!("{FUNCTION}  return 0\n")))
}

fn files_below(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut open = vec![directory.to_path_buf()];
    while let Some(directory) = open.pop() {
        let list = || format!("list {}", directory.display());
        for entry in fs::read_dir(&directory).tried(list)? {
            let path = entry.tried(list)?.path();
            if path.is_dir() {
                open.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containerd_gets_the_pause_image_and_the_driver_of_its_kubelet() {
        let new = containerd_config("registry.example/pause:1", Generation::V1_37);
        assert!(new.contains("'registry.example/pause:1'"), "{new}");
        assert!(new.contains("SystemdCgroup = ).*|\\1true|"), "{new}");
        let old = containerd_config("p", Generation::V1_20);
        assert!(old.contains("SystemdCgroup = ).*|\\1false|"), "{old}");
        assert!(!new.contains("@S") && !new.contains("@P"), "{new}");
    }

    #[test]
    fn the_storage_manifest_names_our_images() {
        assert!(!storage().contains('@'));
        assert!(storage().contains(PROVISIONER) && storage().contains(BUSYBOX));
    }

    #[test]
    fn the_entrypoint_of_1_20_leaves_cgroup_mounts_alone() {
        let kinds = "a\nmount_kubelet_cgroup_root() {\n  b\n}\n";
        assert_eq!(entrypoint(kinds, Generation::V1_37).unwrap(), kinds);
        assert_eq!(
            entrypoint(kinds, Generation::V1_20).unwrap(),
            "a\nmount_kubelet_cgroup_root() {\n  return 0\n  b\n}\n"
        );
        assert!(entrypoint("something else", Generation::V1_20).is_err());
    }
}
