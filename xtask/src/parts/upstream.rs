//! Which programs are built from published modules, each at one version.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::pause;
use super::program::{Program, Source};
use crate::failure::{Result, Tried as _};

/// What kubeadm users install today.
const KUBERNETES: Program = Program {
    name: "kubernetes",
    module: "k8s.io/kubernetes",
    version: "v1.37.2",
    sum: "h1:A2VDEiObzkYqFTKhSsn0ZEb0RlLEXpHWj93gi2HqEwE=",
    siblings: Some("v0.37.2"),
    at_least: &[],
    // kubeadm and kubelet first: what is wrong with the rest of the way shows soonest there.
    source: Source::Packages(&[
        ("kubeadm", "cmd/kubeadm"),
        ("kubelet", "cmd/kubelet"),
        ("kubectl", "cmd/kubectl"),
        ("kube-apiserver", "cmd/kube-apiserver"),
        ("kube-controller-manager", "cmd/kube-controller-manager"),
        ("kube-scheduler", "cmd/kube-scheduler"),
        ("kube-proxy", "cmd/kube-proxy"),
    ]),
    // The names of hack/lib/version.sh. A module carries no commit, so none is claimed.
    variables: &[
        "k8s.io/component-base/version.gitVersion=v1.37.2",
        "k8s.io/component-base/version.gitMajor=1",
        "k8s.io/component-base/version.gitMinor=37",
        "k8s.io/component-base/version.gitTreeState=clean",
        "k8s.io/component-base/version.gitCommit=",
        "k8s.io/client-go/pkg/version.gitVersion=v1.37.2",
        "k8s.io/client-go/pkg/version.gitMajor=1",
        "k8s.io/client-go/pkg/version.gitMinor=37",
        "k8s.io/client-go/pkg/version.gitTreeState=clean",
        "k8s.io/client-go/pkg/version.gitCommit=",
    ],
};

/// kubeadm 1.37's `DefaultEtcdVersion` is 3.7.0-0.
const ETCD: Program = Program {
    name: "etcd",
    module: "go.etcd.io/etcd/server/v3",
    version: "v3.7.0",
    sum: "h1:ScdUdN8ljuimp0lZaNq0otLMrHcFSFT+dQyT1j7JSFo=",
    siblings: Some("v3.7.0"),
    at_least: &[],
    source: Source::Packages(&[("etcd", "")]),
    variables: &[],
};

/// kubeadm 1.37's `CoreDNSVersion`.
const COREDNS: Program = Program {
    name: "coredns",
    module: "github.com/coredns/coredns",
    version: "v1.14.6",
    sum: "h1:V2g2JdCWJVqYGdX8tlBiK0iQo23Pnt8xs8gHqKyFYs8=",
    siblings: None,
    at_least: &[],
    source: Source::Main("coredns", include_str!("../../assets/parts/coredns.go")),
    variables: &[],
};

/// kubeadm 1.20's `CoreDNSVersion`. A newer one watches discovery/v1 EndpointSlices, which 1.20
/// does not serve and kubeadm's role of that time does not allow.
const COREDNS_OF_1_20: Program = Program {
    version: "v1.7.0",
    sum: "h1:Tm2ZSdhTk+4okgjUp4K6KYzvBI2u34cdD4fKQRC4Eeo=",
    // 1.0.1 dies in map iteration when built with Go 1.18 or later.
    at_least: &[("github.com/modern-go/reflect2", "v1.0.2")],
    ..COREDNS
};

/// The release that kind's own 0.33 carries as its default storage.
const LOCAL_PATH: Program = Program {
    name: "local-path-provisioner",
    module: "github.com/rancher/local-path-provisioner",
    version: "v0.0.30",
    sum: "h1:OkiuofkCSscddl7tma/B9Ox1wu+JEVSrP7IcZI65Ggo=",
    siblings: None,
    at_least: &[],
    source: Source::Packages(&[("local-path-provisioner", "")]),
    variables: &["main.VERSION=v0.0.30"],
};

const KIND: Program = Program {
    name: "kind",
    module: "sigs.k8s.io/kind",
    version: "v0.33.0",
    sum: "h1:AjvDv3vOygb/VKLVQW87lfktIBzkxR8Ump9DjxC8+Lk=",
    siblings: None,
    at_least: &[],
    source: Source::Packages(&[("kind", "")]),
    variables: &[],
};

/// The registry's newest; Debian has 2.8 only.
const REGISTRY: Program = Program {
    name: "registry",
    module: "github.com/distribution/distribution/v3",
    version: "v3.1.2",
    sum: "h1:/Bv2YIqqSR00HiO49FT93hovy6r9IlrzwUDsJjCN5qg=",
    siblings: None,
    at_least: &[],
    source: Source::Main("registry", include_str!("../../assets/parts/registry.go")),
    variables: &["github.com/distribution/distribution/v3/version.version=v3.1.2"],
};

/// The suite of the OCI distribution specification; its module has no tags, so a day's state is pinned.
const CONFORMANCE: Program = Program {
    name: "oci-conformance",
    module: "github.com/opencontainers/distribution-spec/conformance",
    version: "v0.0.0-20260831232431-97274622c111",
    sum: "h1:ppZPU0CrEPzyJhVggYwUIZrqh0w2lIT0esw+9ABNPA4=",
    siblings: None,
    at_least: &[],
    source: Source::Packages(&[("conformance", "")]),
    variables: &[],
};

/// A real S3 server for tests.
const VERSITYGW: Program = Program {
    name: "versitygw",
    module: "github.com/versity/versitygw",
    version: "v1.8.0",
    sum: "h1:au+wI+aybno/STsQiSm35Uu6Q6iK5MWReQxgO6SEMFc=",
    siblings: None,
    at_least: &[],
    source: Source::Packages(&[("versitygw", "cmd/versitygw")]),
    variables: &[],
};

/// A client that Debian 12 does not have.
const CRANE: Program = Program {
    name: "crane",
    module: "github.com/google/go-containerregistry",
    version: "v0.20.6",
    sum: "h1:cvWX87UxxLgaH76b4hIvya6Dzz9qHB31qAwjAohdSTU=",
    siblings: None,
    at_least: &[],
    source: Source::Packages(&[("crane", "cmd/crane")]),
    variables: &[],
};

/// Debian 12 has neither it nor Docker's buildx.
const BUILDKIT: Program = Program {
    name: "buildkit",
    module: "github.com/moby/buildkit",
    version: "v0.25.1",
    sum: "h1:j7IlVkeNbEo+ZLoxdudYCHpmTsbwKvhgc/6UJ/mY/o8=",
    siblings: None,
    at_least: &[],
    source: Source::Packages(&[("buildctl", "cmd/buildctl"), ("buildkitd", "cmd/buildkitd")]),
    variables: &[],
};

/// Asks a runtime for images as the kubelet does.
const CRICTL: Program = Program {
    name: "crictl",
    module: "sigs.k8s.io/cri-tools",
    version: "v1.37.0",
    sum: "h1:BmTImEoTX3KPXCLwmIU9mfCC8umUqF4R8WibY9eVU9Y=",
    siblings: None,
    at_least: &[],
    source: Source::Packages(&[("crictl", "cmd/crictl")]),
    variables: &["sigs.k8s.io/cri-tools/pkg/version.Version=v1.37.0"],
};

/// Version of [`kind`].
pub(crate) const KIND_VERSION: &str = KIND.version;

/// The node image that this kind takes by default (pkg/apis/config/defaults/image.go of its module).
pub(crate) const KIND_NODE_IMAGE: &str =
    "kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5";

/// Version of [`kubernetes`].
pub(super) const KUBERNETES_VERSION: &str = KUBERNETES.version;

/// Directory with the seven programs of Kubernetes 1.37, and `pause`.
pub(super) fn kubernetes() -> Result<PathBuf> {
    KUBERNETES.build(|module, entry| pause::build(module, "3.10.2", entry))
}

/// etcd for Kubernetes 1.37, static.
pub(super) fn etcd() -> Result<PathBuf> {
    Ok(ETCD.build(|_, _| Ok(()))?.join("etcd"))
}

/// CoreDNS for Kubernetes 1.37, static.
pub(super) fn coredns() -> Result<PathBuf> {
    Ok(COREDNS.build(|_, _| Ok(()))?.join("coredns"))
}

/// CoreDNS for Kubernetes 1.20, static.
pub(super) fn coredns_of_1_20() -> Result<PathBuf> {
    Ok(COREDNS_OF_1_20.build(|_, _| Ok(()))?.join("coredns"))
}

/// kind, and the files that its node images start from.
#[derive(Debug, Clone)]
pub(crate) struct Kind {
    /// The program.
    pub(crate) program: PathBuf,
    /// The tree that its images/base/Dockerfile copies to `/`: entrypoint, units, containerd's
    /// configuration, with the modes that the Dockerfile gives.
    pub(crate) base_files: PathBuf,
}

/// Builds kind, or finds it built.
pub(crate) fn kind() -> Result<Kind> {
    let entry = KIND.build(|module, entry| {
        copy_tree(&module.join("images/base/files"), &entry.join("base"))?;
        for programs in ["usr/local/bin", "kind/bin"] {
            make_executable(&entry.join("base").join(programs))?;
        }
        Ok(())
    })?;
    Ok(Kind {
        program: entry.join("kind"),
        base_files: entry.join("base"),
    })
}

/// Rancher's local-path-provisioner, static.
pub(crate) fn local_path() -> Result<PathBuf> {
    Ok(LOCAL_PATH
        .build(|_, _| Ok(()))?
        .join("local-path-provisioner"))
}

/// distribution's registry 3, static.
pub(crate) fn registry() -> Result<PathBuf> {
    Ok(REGISTRY.build(|_, _| Ok(()))?.join("registry"))
}

/// Version of [`conformance`].
pub(crate) const CONFORMANCE_VERSION: &str = CONFORMANCE.version;

/// The OCI conformance suite, static.
pub(crate) fn conformance() -> Result<PathBuf> {
    Ok(CONFORMANCE.build(|_, _| Ok(()))?.join("conformance"))
}

/// The S3 server, static.
pub(crate) fn s3_server() -> Result<PathBuf> {
    Ok(VERSITYGW.build(|_, _| Ok(()))?.join("versitygw"))
}

/// crane, static.
pub(crate) fn crane() -> Result<PathBuf> {
    Ok(CRANE.build(|_, _| Ok(()))?.join("crane"))
}

/// Directory with buildctl and buildkitd, static.
pub(crate) fn buildkit() -> Result<PathBuf> {
    BUILDKIT.build(|_, _| Ok(()))
}

/// crictl, static.
pub(crate) fn crictl() -> Result<PathBuf> {
    Ok(CRICTL.build(|_, _| Ok(()))?.join("crictl"))
}

/// Copies a file or a tree; the module cache is read-only, the copy is not.
fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    let tried = || format!("copy {} to {}", from.display(), to.display());
    if !from.is_dir() {
        fs::copy(from, to).tried(tried)?;
        return set_mode(to, 0o644);
    }
    fs::create_dir_all(to).tried(tried)?;
    for child in fs::read_dir(from).tried(tried)? {
        let child = child.tried(tried)?;
        copy_tree(&child.path(), &to.join(child.file_name()))?;
    }
    Ok(())
}

fn make_executable(directory: &Path) -> Result<()> {
    for file in fs::read_dir(directory).tried(|| format!("list {}", directory.display()))? {
        set_mode(
            &file
                .tried(|| format!("list {}", directory.display()))?
                .path(),
            0o755,
        )?;
    }
    Ok(())
}

fn set_mode(file: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(file, fs::Permissions::from_mode(mode))
        .tried(|| format!("set the mode of {}", file.display()))
}
