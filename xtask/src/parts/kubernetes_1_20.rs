//! Kubernetes 1.20, the generation of the tutorial, from Debian 12's source package.
//!
//! It needs the Go of its Debian: newer ones refuse its vendored modules, and so it is built in
//! GOPATH mode, as Debian does (debian/rules of the package).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{debian, pause};
use crate::cache;
use crate::failure::{Result, Tried as _};
use crate::process::Run;
use crate::progress::say;

/// What the programs call themselves, with the `v`.
pub(super) const VERSION: &str = "v1.20.2";

const PROGRAMS: [&str; 7] = [
    "kubeadm",
    "kubelet",
    "kubectl",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
];

/// Changes when the same version is to be built anew.
const REVISION: &str = "1";

/// Directory with the seven programs, and `pause`.
pub(super) fn build() -> Result<PathBuf> {
    let key = format!("kubernetes-{VERSION}-{}-{REVISION}", std::env::consts::ARCH);
    cache::entry("parts", &key, |entry| {
        let work = tempfile::tempdir_in(entry)
            .tried(|| format!("make a directory in {}", entry.display()))?;
        let workshop = Workshop::new(work.path(), &key)?;
        workshop.replace_reflect2()?;
        workshop.generate_openapi()?;
        let flags = linker_flags();
        for (place, program) in PROGRAMS.iter().enumerate() {
            say(format!(
                "kubernetes {VERSION}: building {program} ({} of {})",
                place + 1,
                PROGRAMS.len()
            ));
            workshop
                .go()
                .args(["build", "-trimpath", "-ldflags", &flags, "-o"])
                .arg(entry.join(program))
                .arg(format!("./cmd/{program}"))
                .run()?;
        }
        pause::build(&workshop.tree, "3.2", entry)
    })
}

/// Debian's etcd 3.4; it needs the C library.
pub(super) fn etcd() -> Result<PathBuf> {
    let key = format!("etcd-debian-{}", std::env::consts::ARCH);
    let entry = cache::entry("parts", &key, |entry| {
        say("etcd 3.4: fetching Debian's");
        debian::unpack(&["etcd-server"], entry)
    })?;
    Ok(entry.join("usr/bin/etcd"))
}

/// The unpacked source in a GOPATH, and Debian's Go 1.19 beside it.
struct Workshop {
    go_root: PathBuf,
    go_path: PathBuf,
    tree: PathBuf,
    packages: PathBuf,
    log: PathBuf,
}

impl Workshop {
    fn new(work: &Path, name: &str) -> Result<Self> {
        say(format!(
            "kubernetes {VERSION}: fetching Debian's source and Go 1.19"
        ));
        let packages = work.join("packages");
        fs::create_dir_all(&packages).tried(|| format!("make {}", packages.display()))?;
        debian::unpack(
            &[
                "golang-1.19-go",
                "golang-1.19-src",
                "golang-github-modern-go-reflect2-dev",
            ],
            &packages,
        )?;
        let source = debian::source("kubernetes", work)?;
        let go_path = work.join("gopath");
        let tree = go_path.join("src/k8s.io/kubernetes");
        fs::create_dir_all(go_path.join("src/k8s.io"))
            .and_then(|()| fs::rename(&source, &tree))
            .tried(|| format!("move {} to {}", source.display(), tree.display()))?;
        Ok(Self {
            go_root: packages.join("usr/lib/go-1.19"),
            go_path,
            tree,
            packages,
            log: cache::log(&format!("parts-{name}"))?,
        })
    }

    fn go(&self) -> Run {
        Run::new(self.go_root.join("bin/go"))
            .env("GOROOT", &self.go_root)
            .env("GOPATH", &self.go_path)
            .env("GO111MODULE", "off")
            .env("GOFLAGS", "")
            .env("CGO_ENABLED", "0")
            .cwd(&self.tree)
            .log(&self.log)
            .dies_with_us()
    }

    /// The vendored 1.0.1 reads the runtime's map iterator, whose shape changed in Go 1.18:
    /// "fatal error: fault" at the first walk through a map.
    fn replace_reflect2(&self) -> Result<()> {
        let old = self.tree.join("vendor/github.com/modern-go/reflect2");
        fs::remove_dir_all(&old).tried(|| format!("remove {}", old.display()))?;
        let new = self
            .packages
            .join("usr/share/gocode/src/github.com/modern-go/reflect2");
        fs::rename(&new, &old).tried(|| format!("move {} to {}", new.display(), old.display()))
    }

    /// The API server's OpenAPI is generated code that the source package leaves out.
    fn generate_openapi(&self) -> Result<()> {
        say(format!(
            "kubernetes {VERSION}: generating what its source leaves out"
        ));
        let generator = self.go_path.join("openapi-gen");
        self.go()
            .args(["build", "-o"])
            .arg(&generator)
            .arg("./vendor/k8s.io/kube-openapi/cmd/openapi-gen")
            .run()?;
        let tagged = Run::new("grep")
            .args([
                "-r",
                "-l",
                "--include=*.go",
                "+k8s:openapi-gen=",
                "pkg",
                "staging/src",
            ])
            .cwd(&self.tree)
            .read()?;
        let inputs: Vec<String> = openapi_inputs(&tagged).into_iter().collect();
        Run::new(generator)
            .arg("--input-dirs")
            .arg(inputs.join(","))
            .args([
                "--output-package",
                "k8s.io/kubernetes/pkg/generated/openapi",
            ])
            .args(["--output-file-base", "zz_generated.openapi"])
            .args([
                "--go-header-file",
                "hack/boilerplate/boilerplate.generatego.txt",
            ])
            .args(["--report-filename", "/dev/null"])
            .env("GOROOT", &self.go_root)
            .env("GOPATH", &self.go_path)
            .env("GO111MODULE", "off")
            .env("PATH", path_with(&self.go_root.join("bin")))
            .cwd(&self.tree)
            .log(&self.log)
            .run()
    }
}

/// The caller's PATH with this directory first.
fn path_with(first: &Path) -> std::ffi::OsString {
    let mut path = first.as_os_str().to_owned();
    if let Some(rest) = std::env::var_os("PATH") {
        path.push(":");
        path.push(rest);
    }
    path
}

/// Import paths of the packages that carry the tag, from the files that do (one a line). The
/// build's own rule (build/root/Makefile.generated_files) leaves out the same ones.
fn openapi_inputs(files: &str) -> BTreeSet<String> {
    const LEFT_OUT: [&str; 4] = [
        "code-generator",
        "sample-apiserver",
        "examples",
        "testapigroup",
    ];
    files
        .lines()
        .filter(|file| !file.ends_with("_test.go"))
        .filter(|file| !LEFT_OUT.iter().any(|name| file.contains(name)))
        .filter_map(|file| file.rsplit_once('/'))
        .map(
            |(directory, _)| match directory.strip_prefix("staging/src/") {
                Some(staged) => format!("k8s.io/kubernetes/vendor/{staged}"),
                None => format!("k8s.io/kubernetes/{directory}"),
            },
        )
        .collect()
}

/// Both spellings of the packages: which of them the linker knows depends on how it was called.
fn linker_flags() -> String {
    const VARIABLES: [&str; 4] = [
        "gitVersion=v1.20.2",
        "gitMajor=1",
        "gitMinor=20",
        "gitTreeState=clean",
    ];
    let mut flags = "-s -w".to_owned();
    for front in ["", "k8s.io/kubernetes/vendor/"] {
        for package in [
            "k8s.io/component-base/version",
            "k8s.io/client-go/pkg/version",
        ] {
            for variable in VARIABLES {
                flags.push_str(&format!(" -X {front}{package}.{variable}"));
            }
        }
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openapi_inputs_are_import_paths_once_each() {
        let files = "pkg/apis/abac/v1beta1/doc.go\n\
                     staging/src/k8s.io/api/core/v1/doc.go\n\
                     staging/src/k8s.io/api/core/v1/types.go\n\
                     staging/src/k8s.io/sample-apiserver/pkg/apis/wardle/v1/doc.go\n\
                     staging/src/k8s.io/apimachinery/pkg/apis/testapigroup/v1/doc.go\n\
                     pkg/generated/x_test.go";
        let expected = [
            "k8s.io/kubernetes/pkg/apis/abac/v1beta1",
            "k8s.io/kubernetes/vendor/k8s.io/api/core/v1",
        ];
        assert!(openapi_inputs(files).iter().eq(expected.iter()));
    }

    #[test]
    fn the_version_in_the_flags_is_the_one_that_is_claimed() {
        let flags = linker_flags();
        assert!(flags.contains(&format!(
            " -X k8s.io/kubernetes/vendor/k8s.io/component-base/version.gitVersion={VERSION}"
        )));
        assert!(flags.contains(&format!(
            " -X k8s.io/component-base/version.gitVersion={VERSION}"
        )));
    }
}
