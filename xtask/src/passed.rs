//! What has passed is not run again while nothing that it depends on has changed, as `go test` has it.
//!
//! A record's name says what passed and holds a digest of the files that it depends on, the compiler,
//! the kernel, this machine's packages and the variables that tests listen to. It is good for some days:
//! what no digest sees changes, too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::cache;
use crate::failure::{Result, Tried as _};
use crate::process::Run;
use crate::process::cargo_program;

/// How long a record counts.
const GOOD_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Beginnings of the names of variables that change what tests do.
const LISTENED_TO: [&str; 2] = ["KREG_", "PROPTEST_"];

/// Something that passes or fails as one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subject<'a> {
    /// The tests with real parts in one program of this crate.
    Tests { package: &'a str, target: &'a str },
    /// A story, told with the whole product.
    Story(&'a str),
}

impl Subject<'_> {
    fn name(&self) -> String {
        match self {
            Subject::Tests { package, target } => format!("{package}-{target}"),
            Subject::Story(name) => format!("story-{name}"),
        }
    }
}

/// The records, and what they are compared with.
#[derive(Debug)]
pub(crate) struct Passed {
    shelf: PathBuf,
    workspace: PathBuf,
    crates: Crates,
    files: Files,
    machine: String,
    again: bool,
}

/// Every file of the workspace by its path, with a digest of its content.
type Files = BTreeMap<String, String>;

impl Passed {
    /// What passed in this workspace as it is now. With `again` nothing counts as passed before.
    pub(crate) fn of(workspace: PathBuf, again: bool) -> Result<Self> {
        Ok(Self {
            shelf: cache::directory("passed")?,
            crates: Crates::of(&workspace)?,
            files: files(&workspace)?,
            machine: machine()?,
            workspace,
            again,
        })
    }

    /// Whether this passed with the same of everything, and that still counts.
    pub(crate) fn before(&self, subject: Subject<'_>) -> bool {
        let record = fs::metadata(self.record(subject, &self.files));
        // A clock that was set back makes no record younger than none.
        let age = record
            .and_then(|record| record.modified())
            .map(|noted| SystemTime::now().duration_since(noted));
        !self.again && matches!(age, Ok(Ok(age)) if age < GOOD_FOR)
    }

    /// Keeps that this passed. What was edited since the files were read may not be what passed.
    pub(crate) fn note(&self, subject: Subject<'_>) -> Result<()> {
        let record = self.record(subject, &self.files);
        if record != self.record(subject, &files(&self.workspace)?) {
            return Ok(());
        }
        fs::write(&record, "").tried(|| format!("write {}", record.display()))
    }

    fn record(&self, subject: Subject<'_>, files: &Files) -> PathBuf {
        let wanted = files
            .iter()
            .filter(|(path, _)| self.crates.depends(subject, path))
            .flat_map(|(path, content)| [path, content]);
        let digest = cache::digest(std::iter::once(&self.machine).chain(wanted));
        self.shelf.join(format!("{}-{digest}", subject.name()))
    }
}

/// Folders of the crates, each with all crates of the workspace that it depends on.
#[derive(Debug, Default)]
struct Crates(BTreeMap<String, BTreeSet<String>>);

impl Crates {
    fn of(workspace: &Path) -> Result<Self> {
        let told = Run::new(cargo_program())
            .args(["metadata", "--no-deps", "--format-version=1", "--locked"])
            .cwd(workspace)
            .read()?;
        let told: Value = serde_json::from_str(&told)
            .tried(|| "read what cargo says of the workspace".to_owned())?;
        Ok(Self::told(&told))
    }

    /// Out of what `cargo metadata` says. Dependencies of tests and of builds count as all others do.
    fn told(metadata: &Value) -> Self {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let named = |value: &Value| value["name"].as_str().map(str::to_owned);
        let direct: BTreeMap<String, BTreeSet<String>> = list(&metadata["packages"])
            .iter()
            .filter_map(|package| {
                let needs = list(&package["dependencies"]);
                let ours = needs.iter().filter(|need| need["path"].is_string());
                Some((named(package)?, ours.filter_map(named).collect()))
            })
            .collect();
        let all = direct.keys().map(|name| {
            let mut needs = BTreeSet::new();
            let mut next = vec![name];
            while let Some(name) = next.pop() {
                let more = direct.get(name).into_iter().flatten();
                next.extend(more.filter(|name| needs.insert((*name).clone())));
            }
            (name.clone(), needs)
        });
        Self(all.collect())
    }

    /// Whether a change of the file at `path` may change how the subject ends.
    fn depends(&self, subject: Subject<'_>, path: &str) -> bool {
        let (folder, inside) = match path.strip_prefix("crates/") {
            Some(inside) => inside.split_once('/').unwrap_or((inside, "")),
            None => return Self::outside(subject, path),
        };
        // What tests of one crate have in common, those of others may include by its path.
        let of_its_tests = inside.starts_with("tests/") && !inside.starts_with("tests/common/");
        match subject {
            Subject::Story(_) => !of_its_tests,
            Subject::Tests { package, .. } if folder == package => true,
            Subject::Tests { package, .. } => match self.0.get(package) {
                Some(needs) => !of_its_tests && needs.contains(folder),
                // Of a crate that cargo does not name nothing is known: it depends on all.
                None => true,
            },
        }
    }

    /// The same for a file of no crate below `crates/`.
    fn outside(subject: Subject<'_>, path: &str) -> bool {
        let telling = ["xtask/src/e2e/", "xtask/src/bench/"];
        let of_xtask = match subject {
            Subject::Tests { package, .. } if package != "xtask" => {
                !telling.iter().any(|folder| path.starts_with(folder))
            }
            _ => true,
        };
        let for_people = ["README.md", "CONTRIBUTING.md", "LICENSE-"];
        of_xtask && !path.starts_with("fuzz/") && !for_people.iter().any(|p| path.starts_with(p))
    }
}

/// What git keeps or would keep here, as it is in the folder now.
fn files(workspace: &Path) -> Result<Files> {
    let told = Run::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .cwd(workspace)
        .read()?;
    let paths = told.split('\0').filter(|path| !path.is_empty());
    let with_content = paths.map(|path| {
        // One that is kept by git and gone from the folder is not there for the tests either.
        let content = fs::read(workspace.join(path)).unwrap_or_default();
        (path.to_owned(), cache::digest([content]))
    });
    Ok(with_content.collect())
}

/// What else decides: compiler, kernel, packages, and variables.
fn machine() -> Result<String> {
    let compiler = Run::new("rustc").arg("-vV").read()?;
    let packages = Run::new("dpkg-query")
        .args(["--show", "--showformat=${Package} ${Version}\n"])
        .read()?;
    let kernel = Run::new("uname").arg("-a").read()?;
    let variables = std::env::vars_os()
        .map(|(name, value)| format!("{}={}", name.display(), value.display()))
        .filter(|line| LISTENED_TO.iter().any(|start| line.starts_with(start)))
        .collect::<BTreeSet<_>>();
    let parts = [compiler, packages, kernel].into_iter().chain(variables);
    Ok(cache::digest(parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KILL: Subject<'_> = Subject::Tests {
        package: "kreg-nodes",
        target: "kill",
    };
    const OF_XTASK: Subject<'_> = Subject::Tests {
        package: "xtask",
        target: "xtask",
    };
    const STORY: Subject<'_> = Subject::Story("default");

    fn crates() -> Crates {
        Crates::told(&serde_json::json!({ "packages": [
            { "name": "kreg-pki", "dependencies": [{ "name": "rcgen" }] },
            { "name": "kreg-auth", "dependencies": [{ "name": "kreg-pki", "path": "/w/pki" }] },
            { "name": "kreg-nodes", "dependencies": [
                { "name": "kreg-auth", "path": "/w/auth", "kind": "dev" },
                { "name": "kreg-nodes", "path": "/w/nodes", "kind": "dev" },
            ] },
            { "name": "kreg-k8s", "dependencies": [] },
            { "name": "xtask", "dependencies": [] },
        ] }))
    }

    #[test]
    fn tests_depend_on_their_crate_on_what_it_needs_and_on_what_makes_their_parts() {
        let crates = crates();
        let on = |path| crates.depends(KILL, path);
        for path in [
            "Cargo.lock",
            ".cargo/config.toml",
            "crates/kreg-nodes/tests/kill.rs",
            "crates/kreg-nodes/src/lib.rs",
            "crates/kreg-auth/src/lib.rs",
            "crates/kreg-pki/Cargo.toml",
            "crates/kreg-pki/tests/common/mod.rs",
            "xtask/src/images.rs",
            "xtask/assets/node/Dockerfile",
        ] {
            assert!(on(path), "{path}");
        }
        for path in [
            "README.md",
            "crates/kreg-pki/tests/issue.rs",
            "crates/kreg-k8s/src/lib.rs",
            "fuzz/Cargo.toml",
            "xtask/src/e2e/stories/cert.rs",
        ] {
            assert!(!on(path), "{path}");
        }
        assert!(crates.depends(OF_XTASK, "xtask/src/e2e/stories/cert.rs"));
    }

    #[test]
    fn a_story_depends_on_all_that_the_program_is_made_of_and_on_what_tells_it() {
        let crates = crates();
        let on = |path| crates.depends(STORY, path);
        assert!(on("crates/kreg-k8s/src/lib.rs") && on("crates/kreg-pki/Cargo.toml"));
        assert!(on("xtask/src/e2e/call.rs") && on("docs/oci-conformance.md") && on("Cargo.lock"));
        assert!(!on("crates/kreg-k8s/tests/drift.rs") && !on("README.md"));
    }

    #[test]
    fn a_crate_that_is_not_known_depends_on_all() {
        assert!(Crates::default().depends(KILL, "crates/kreg-k8s/tests/drift.rs"));
    }

    /// A workspace with a record shelf of its own.
    fn passed(folder: &tempfile::TempDir, again: bool) -> Passed {
        let workspace = folder.path().join("w");
        let shelf = folder.path().join("passed");
        fs::create_dir_all(&shelf).unwrap();
        if !workspace.exists() {
            fs::create_dir_all(workspace.join("crates/kreg-nodes")).unwrap();
            Run::new("git")
                .args(["init", "--quiet"])
                .cwd(&workspace)
                .run()
                .unwrap();
            fs::write(workspace.join("crates/kreg-nodes/a"), "1").unwrap();
        }
        Passed {
            shelf,
            crates: crates(),
            files: files(&workspace).unwrap(),
            machine: "this".into(),
            workspace,
            again,
        }
    }

    #[test]
    fn what_passed_counts_until_a_file_or_the_machine_changes() {
        let folder = tempfile::tempdir().unwrap();
        let first = passed(&folder, false);
        assert!(!first.before(KILL));
        first.note(KILL).unwrap();
        assert!(passed(&folder, false).before(KILL));
        assert!(!passed(&folder, false).before(STORY));
        assert!(!passed(&folder, true).before(KILL), "again");
        let mut elsewhere = passed(&folder, false);
        elsewhere.machine = "other".into();
        assert!(!elsewhere.before(KILL));
        fs::write(first.workspace.join("README.md"), "new").unwrap();
        assert!(passed(&folder, false).before(KILL));
        fs::write(first.workspace.join("crates/kreg-nodes/a"), "2").unwrap();
        assert!(!passed(&folder, false).before(KILL));
    }

    #[test]
    fn what_was_edited_on_the_way_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let begun = passed(&folder, false);
        fs::write(begun.workspace.join("crates/kreg-nodes/a"), "2").unwrap();
        begun.note(KILL).unwrap();
        assert!(!begun.before(KILL));
        assert!(!passed(&folder, false).before(KILL));
    }

    #[test]
    fn a_record_grows_old() {
        let folder = tempfile::tempdir().unwrap();
        let passed = passed(&folder, false);
        passed.note(KILL).unwrap();
        let record = fs::File::open(passed.record(KILL, &passed.files)).unwrap();
        record
            .set_modified(SystemTime::now() - GOOD_FOR + Duration::from_secs(60))
            .unwrap();
        assert!(passed.before(KILL));
        record
            .set_modified(SystemTime::now() - GOOD_FOR - Duration::from_secs(60))
            .unwrap();
        assert!(!passed.before(KILL));
    }
}
