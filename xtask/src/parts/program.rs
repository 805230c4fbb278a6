//! A Go program of a published module, from its description to a cache entry.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::gomod::{Upstream, Wanted};
use super::toolchain;
use crate::cache;
use crate::failure::{Failure, Result, Tried as _};
use crate::process::Run;
use crate::progress::say;

/// Everything that decides the bytes of the programs that one module gives.
///
/// What is trusted: `sum` pins the module, the go.sum inside it pins what it was released with,
/// and the checksum database answers for the rest (the client checks it unless told not to).
#[derive(Debug, Clone, Copy)]
pub(super) struct Program {
    /// Name of the entry.
    pub(super) name: &'static str,
    /// Module path.
    pub(super) module: &'static str,
    /// Version of the module, with the `v`.
    pub(super) version: &'static str,
    /// Hash of the module as go.sum writes it (`h1:…`).
    pub(super) sum: &'static str,
    /// Version of the modules that its repository holds beside it, if it has such.
    pub(super) siblings: Option<&'static str>,
    /// Modules that must be newer than upstream's choice.
    pub(super) at_least: &'static [(&'static str, &'static str)],
    /// What is built.
    pub(super) source: Source,
    /// Variables that the linker sets, `import/path.name=value`.
    pub(super) variables: &'static [&'static str],
}

/// Where the `main` packages are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    /// Packages of the module: name of the program, path below the module (empty: its root). Of
    /// several programs each is called as its package is.
    Packages(&'static [(&'static str, &'static str)]),
    /// A main.go of our own that imports from the module: name of the program, text.
    Main(&'static str, &'static str),
}

/// What `go mod download -json` says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Download {
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    dir: PathBuf,
    #[serde(default)]
    go_mod: PathBuf,
    #[serde(default)]
    sum: String,
}

impl Program {
    /// The cache entry with the programs. `extra` may put more into it from the module's own
    /// files, given (module directory, entry).
    pub(super) fn build(&self, extra: impl FnOnce(&Path, &Path) -> Result<()>) -> Result<PathBuf> {
        cache::entry("parts", &self.key(), |entry| {
            let log = cache::log(&format!("parts-{}-{}", self.name, self.version))?;
            say(format!(
                "{} {}: fetching the module",
                self.name, self.version
            ));
            let module = self.download()?;
            let work = tempfile::tempdir_in(entry)
                .tried(|| format!("make a directory in {}", entry.display()))?;
            self.lay_out(&module, work.path())?;
            self.compile(work.path(), entry, &log)?;
            extra(&module.dir, entry)
        })
    }

    /// Entries differ in anything that decides the bytes, but for the Go that builds them: a
    /// newer Go gives the same program, and would cost every reader a build.
    fn key(&self) -> String {
        let recipe = cache::digest([format!("{self:?}")]);
        format!(
            "{}-{}-{}-{recipe}",
            self.name,
            self.version,
            std::env::consts::ARCH
        )
    }

    fn download(&self) -> Result<Download> {
        let wanted = format!("{}@{}", self.module, self.version);
        // Outside of any module, so that no go.mod of the caller has a say.
        let nowhere = std::env::temp_dir();
        // The first Go that reads the go.mod files of today; what a part wants is asked later.
        toolchain::at_least("1.21", &nowhere)?;
        let told = go()
            .args(["mod", "download", "-json", &wanted])
            .cwd(&nowhere)
            .read()
            .map_err(|failure| {
                failure.next("check that the Go module proxy answers (go env GOPROXY)")
            })?;
        let module: Download =
            serde_json::from_str(&told).tried(|| format!("read what Go says of {wanted}"))?;
        if let Some(why) = module.error {
            return Err(Failure::new(format!("download {wanted}"), why)
                .next("check that the Go module proxy answers (go env GOPROXY)"));
        }
        if module.sum != self.sum {
            return Err(Failure::new(
                format!("trust {wanted}"),
                format!("its hash is {}, not {}", module.sum, self.sum),
            )
            .next("find out who changed it: a published version never changes"));
        }
        Ok(module)
    }

    fn lay_out(&self, module: &Download, work: &Path) -> Result<()> {
        let told = go()
            .args(["mod", "edit", "-json"])
            .arg(&module.go_mod)
            .read()?;
        let upstream: Upstream =
            serde_json::from_str(&told).tried(|| format!("read {}", module.go_mod.display()))?;
        let wanted = Wanted {
            module: self.module,
            version: self.version,
            siblings: self.siblings,
            at_least: self.at_least,
        };
        let text = upstream.standalone(&format!("kreg.dev/parts/{}", self.name), wanted);
        write(&work.join("go.mod"), text)?;
        toolchain::at_least(upstream.go(), work)?;
        let sums = fs::read(module.dir.join("go.sum")).unwrap_or_default();
        write(&work.join("go.sum"), sums)?;
        if let Source::Main(_, text) = self.source {
            write(&work.join("main.go"), text)?;
        }
        Ok(())
    }

    fn compile(&self, work: &Path, entry: &Path, log: &Path) -> Result<()> {
        let flags = self
            .variables
            .iter()
            .fold("-s -w".to_owned(), |flags, variable| {
                format!("{flags} -X {variable}")
            });
        let (programs, packages): (Vec<&str>, Vec<String>) = match self.source {
            Source::Main(program, _) => (vec![program], vec![".".to_owned()]),
            Source::Packages(packages) => packages
                .iter()
                .map(|(program, path)| match *path {
                    "" => (*program, self.module.to_owned()),
                    path => (*program, format!("{}/{path}", self.module)),
                })
                .unzip(),
        };
        say(format!(
            "{} {}: building {}",
            self.name,
            self.version,
            programs.join(", ")
        ));
        // Of several packages Go wants a directory, and calls each program as its package.
        let out = match programs.as_slice() {
            [program] => entry.join(program),
            _ => entry.to_owned(),
        };
        // One call for all: while one program is linked, which takes one core, another compiles.
        go().args(["build", "-mod=mod", "-trimpath", "-ldflags", &flags])
            // The linker leaves it out (-s -w), and a fifth of compiling went into it. Tests that
            // build with Go say the same, so that they find what they share compiled.
            .args(["-gcflags", "all=-dwarf=false", "-o"])
            .arg(out)
            .args(packages)
            .cwd(work)
            .log(log)
            .dies_with_us()
            .run()
    }
}

/// `go` without what the caller's environment may say about flags, workspaces and C.
fn go() -> Run {
    Run::new("go")
        .env("GOFLAGS", "")
        .env("GOWORK", "off")
        .env("GO111MODULE", "on")
        .env("CGO_ENABLED", "0")
}

pub(super) fn write(file: &Path, text: impl AsRef<[u8]>) -> Result<()> {
    fs::write(file, text).tried(|| format!("write {}", file.display()))
}
