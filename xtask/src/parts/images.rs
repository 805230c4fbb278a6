//! The images of a control plane: what kubeadm calls them, what goes into them.

use std::path::{Path, PathBuf};

use crate::failure::{Failure, Result};
use crate::process::Run;

/// One image that kubeadm expects, and the one program that it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    /// `registry.k8s.io/etcd:3.6.5-0`, as this kubeadm writes it into its manifests.
    pub(crate) reference: String,
    /// The program, to stand under its own name on the image's PATH (`pause`: in `/`).
    pub(crate) program: PathBuf,
    /// What must be around it.
    pub(crate) base: Base,
}

/// What a program needs around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    /// Nothing: it is static.
    Static,
    /// Debian's C library.
    Libc,
    /// iptables, conntrack and what they need: kube-proxy.
    Iptables,
}

/// Where the programs are that are not Kubernetes' own.
#[derive(Debug)]
pub(super) struct Guests {
    pub(super) etcd: PathBuf,
    pub(super) etcd_base: Base,
    pub(super) coredns: PathBuf,
}

/// Asks kubeadm itself, which is the only one to know: names and tags change between versions.
pub(super) fn of(bin: &Path, version: &str, guests: &Guests) -> Result<Vec<Image>> {
    let list = Run::new(bin.join("kubeadm"))
        .args(["config", "images", "list", "--kubernetes-version", version])
        .read()?;
    list.lines()
        .map(|reference| image(reference, bin, guests))
        .collect()
}

fn image(reference: &str, bin: &Path, guests: &Guests) -> Result<Image> {
    let (program, base) = match name(reference) {
        own @ ("kube-apiserver" | "kube-controller-manager" | "kube-scheduler" | "pause") => {
            (bin.join(own), Base::Static)
        }
        own @ "kube-proxy" => (bin.join(own), Base::Iptables),
        "etcd" => (guests.etcd.clone(), guests.etcd_base),
        "coredns" => (guests.coredns.clone(), Base::Static),
        other => {
            return Err(Failure::new(
                format!("make the image {reference}"),
                format!("no program is known for {other}"),
            )
            .next("teach xtask's parts what this kubeadm wants"));
        }
    };
    Ok(Image {
        reference: reference.to_owned(),
        program,
        base,
    })
}

/// `registry.k8s.io/coredns/coredns:v1.14.6` → `coredns`.
fn name(reference: &str) -> &str {
    let last = reference.rsplit('/').next().unwrap_or(reference);
    last.split(':').next().unwrap_or(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guests() -> Guests {
        Guests {
            etcd: "/parts/etcd-3.4/etcd".into(),
            etcd_base: Base::Libc,
            coredns: "/parts/dns/coredns".into(),
        }
    }

    #[test]
    fn every_image_of_both_generations_finds_its_program() {
        let list = "registry.k8s.io/kube-apiserver:v1.37.2 registry.k8s.io/kube-controller-manager:v1.37.2 \
                    k8s.gcr.io/kube-scheduler:v1.20.2 k8s.gcr.io/kube-proxy:v1.20.2 \
                    registry.k8s.io/coredns/coredns:v1.14.6 k8s.gcr.io/coredns:1.7.0 \
                    registry.k8s.io/pause:3.10.2 k8s.gcr.io/etcd:3.4.13-0";
        let found: Vec<_> = list
            .split_whitespace()
            .map(|reference| image(reference, Path::new("/bin"), &guests()).unwrap())
            .map(|image| (image.program.display().to_string(), image.base))
            .collect();
        let expected = [
            ("/bin/kube-apiserver", Base::Static),
            ("/bin/kube-controller-manager", Base::Static),
            ("/bin/kube-scheduler", Base::Static),
            ("/bin/kube-proxy", Base::Iptables),
            ("/parts/dns/coredns", Base::Static),
            ("/parts/dns/coredns", Base::Static),
            ("/bin/pause", Base::Static),
            ("/parts/etcd-3.4/etcd", Base::Libc),
        ];
        assert_eq!(
            found,
            expected.map(|(program, base)| (program.to_owned(), base))
        );
    }

    #[test]
    fn an_image_nobody_knows_is_named() {
        let failure = image("k8s.gcr.io/novelty:v1", Path::new("/bin"), &guests())
            .unwrap_err()
            .to_string();
        assert!(failure.contains("k8s.gcr.io/novelty:v1"), "{failure}");
    }
}
