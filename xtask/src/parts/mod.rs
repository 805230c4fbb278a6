//! What a node image is made of, built from packages alone and kept in the cache.
//!
//! - `program`, `gomod`, `toolchain`: a program of a published Go module;
//! - `upstream`: which modules, at which versions; `pause`: the one part in C;
//! - `containerd`: its releases;
//! - `debian`, `kubernetes_1_20`: what comes from Debian;
//! - `images`: what kubeadm calls the images, and what goes into each.
//!
//! One build runs at a time: a single `go build` keeps every core busy, and the next one finds
//! what it shares in Go's own build cache.

mod containerd;
mod debian;
mod gomod;
mod images;
mod kubernetes_1_20;
mod pause;
mod program;
mod toolchain;
mod upstream;

use std::path::PathBuf;

use clap::ValueEnum;

pub(crate) use self::containerd::Containerd;
pub(crate) use self::images::{Base, Image};
pub(crate) use self::toolchain::number;
pub(crate) use self::upstream::{
    CONFORMANCE_VERSION, KIND_NODE_IMAGE, KIND_VERSION, buildkit, conformance, crane, crictl, kind,
    local_path, registry, s3_server,
};
use crate::failure::Result;

/// A minor version of Kubernetes that can be built here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Generation {
    /// From Go modules: current.
    #[default]
    #[value(name = "1.37")]
    V1_37,
    /// From Debian 12's source package: as old as the tutorial.
    #[value(name = "1.20")]
    V1_20,
}

impl Generation {
    /// The version that is built here, with the `v`.
    pub(crate) fn version(self) -> &'static str {
        match self {
            Self::V1_37 => upstream::KUBERNETES_VERSION,
            Self::V1_20 => kubernetes_1_20::VERSION,
        }
    }

    /// As names of clusters and of tests have it.
    pub(crate) fn in_names(self, dot: &str) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().replace('.', dot))
    }
}

/// A whole Kubernetes.
#[derive(Debug, Clone)]
pub(crate) struct KubernetesParts {
    /// With the `v`, as every one of the programs says.
    pub(crate) version: &'static str,
    /// Directory with kubeadm, kubelet, kubectl, kube-apiserver, kube-controller-manager,
    /// kube-scheduler, kube-proxy (all static) and pause.
    pub(crate) bin: PathBuf,
    /// The images that this kubeadm expects.
    pub(crate) images: Vec<Image>,
}

/// Builds a Kubernetes with etcd and CoreDNS, or finds it built.
pub(crate) fn kubernetes(generation: Generation) -> Result<KubernetesParts> {
    let version = generation.version();
    let (bin, guests) = match generation {
        Generation::V1_37 => (
            upstream::kubernetes()?,
            images::Guests {
                etcd: upstream::etcd()?,
                etcd_base: Base::Static,
                coredns: upstream::coredns()?,
            },
        ),
        Generation::V1_20 => (
            kubernetes_1_20::build()?,
            images::Guests {
                etcd: kubernetes_1_20::etcd()?,
                etcd_base: Base::Libc,
                coredns: upstream::coredns_of_1_20()?,
            },
        ),
    };
    let images = images::of(&bin, version, &guests)?;
    Ok(KubernetesParts {
        version,
        bin,
        images,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::process::Run;

    #[test]
    #[ignore = "needs Go and builds for minutes: run by cargo xtask test"]
    fn the_registry_and_the_s3_server_answer() {
        assert!(says(&registry().unwrap(), &["--version"]).contains("v3.1.2"));
        assert!(says(&s3_server().unwrap(), &["--help"]).contains("posix"));
    }

    /// What a program says of itself.
    fn says(program: &Path, question: &[&str]) -> String {
        Run::new(program).args(question).read().unwrap()
    }

    fn name(image: &Image) -> &str {
        image.program.file_name().unwrap().to_str().unwrap()
    }

    fn answers(parts: &KubernetesParts, etcd: &str, coredns: &str, pause: &str) {
        for (program, question) in [
            ("kubeadm", ["version", "--output=short"].as_slice()),
            ("kubelet", &["--version"]),
            ("kubectl", &["version", "--client"]),
            ("kube-apiserver", &["--version"]),
            ("kube-controller-manager", &["--version"]),
            ("kube-scheduler", &["--version"]),
            ("kube-proxy", &["--version"]),
        ] {
            let said = says(&parts.bin.join(program), question);
            assert!(said.contains(parts.version), "{program}: {said}");
        }
        for image in &parts.images {
            let (question, version) = match name(image) {
                "etcd" => ("--version", etcd),
                "coredns" => ("-version", coredns),
                "pause" => ("-v", pause),
                _ => ("--version", parts.version),
            };
            let said = says(&image.program, &[question]);
            assert!(said.contains(version), "{}: {said}", image.reference);
        }
        assert_eq!(parts.images.len(), 7, "{:?}", parts.images);
    }

    #[test]
    #[ignore = "needs Go and builds for minutes: run by cargo xtask test"]
    fn every_program_of_1_37_says_its_version() {
        let parts = kubernetes(Generation::V1_37).unwrap();
        answers(&parts, "3.7.0", "1.14.6", "3.10.2");
        let dns = parts
            .images
            .iter()
            .find(|image| name(image) == "coredns")
            .unwrap();
        let plugins = says(&dns.program, &["-plugins"]);
        for plugin in [
            "kubernetes",
            "forward",
            "loop",
            "reload",
            "loadbalance",
            "prometheus",
        ] {
            assert!(
                plugins.lines().any(|line| line == plugin),
                "{plugin}: {plugins}"
            );
        }
    }

    #[test]
    #[ignore = "needs Debian 12's packages and builds for minutes: run by cargo xtask test"]
    fn every_program_of_1_20_says_its_version() {
        let parts = kubernetes(Generation::V1_20).unwrap();
        answers(&parts, "3.4.", "1.7.0", "3.2");
    }

    #[test]
    #[ignore = "needs Go and builds for minutes: run by cargo xtask test"]
    fn crictl_answers() {
        assert!(says(&crictl().unwrap(), &["--version"]).contains("v1.37.0"));
    }

    #[test]
    #[ignore = "needs Go and builds for minutes: run by cargo xtask test"]
    fn kind_and_the_provisioner_answer() {
        let kind = kind().unwrap();
        assert!(says(&kind.program, &["version"]).contains(KIND_VERSION));
        let bytes = std::fs::read(&kind.program).unwrap();
        let image = KIND_NODE_IMAGE.as_bytes();
        assert!(bytes.windows(image.len()).any(|part| part == image));
        let entrypoint = kind.base_files.join("usr/local/bin/entrypoint");
        Run::new("bash").arg("-n").arg(&entrypoint).run().unwrap();
        assert!(says(&local_path().unwrap(), &["--version"]).contains("v0.0.30"));
    }
}
