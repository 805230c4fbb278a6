//! The suite of the OCI distribution specification, run on a node against the registry that kreg put up:
//! by the Service's address, with the CA that kreg put there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cluster;
use crate::e2e::call::Call;
use crate::e2e::image;
use crate::e2e::world::{self, HOST, PASSWORD, World};
use crate::failure::{Failure, Result, Tried as _};
use crate::images::{self, REGISTRY, REGISTRY_3};
use crate::parts;
use crate::progress::say;

/// The suite waits for nothing, but asks hundreds of questions, each with a password.
const LIMIT: Duration = Duration::from_secs(1200);
/// Where it lies on a node while it runs; not in /run, which `docker cp` does not see.
const HOME: &str = "/root/kreg-conformance";

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// On the cluster of this name, made if it is not there
    #[arg(long, value_name = "NAME", default_value = "kreg")]
    cluster: String,

    /// With this program, instead of one built from this folder
    #[arg(long, value_name = "FILE")]
    kreg: Option<PathBuf>,

    /// From what the suite printed earlier on of 2.8 and of 3, instead of a run
    #[arg(long, value_name = "FILE", num_args = 2, conflicts_with_all = ["cluster", "kreg"])]
    from: Option<Vec<PathBuf>>,
}

/// A generation of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Generation {
    V2,
    V3,
}

impl Generation {
    const ALL: [Self; 2] = [Self::V2, Self::V3];

    /// Its image, as nodes know it.
    pub(super) fn image(self) -> &'static str {
        match self {
            Self::V2 => REGISTRY,
            Self::V3 => REGISTRY_3,
        }
    }

    fn version(self) -> &'static str {
        self.image().rsplit(':').next().unwrap_or_default()
    }

    /// What it fails, by name and reason.
    fn known(self) -> &'static str {
        match self {
            Self::V2 => include_str!("../../assets/conformance/distribution-2.8.txt"),
            Self::V3 => include_str!("../../assets/conformance/distribution-3.txt"),
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::V2 => "xtask/assets/conformance/distribution-2.8.txt",
            Self::V3 => "xtask/assets/conformance/distribution-3.txt",
        }
    }

    /// Each reason with the names below it.
    fn reasons(self) -> Vec<(&'static str, Vec<&'static str>)> {
        let mut all: Vec<(&str, Vec<&str>)> = Vec::new();
        for line in self.known().lines() {
            match (line.strip_prefix("## "), all.last_mut()) {
                (Some(why), _) => all.push((why, Vec::new())),
                (None, Some((_, names))) if !line.is_empty() => names.push(line),
                _ => {}
            }
        }
        all
    }
}

/// What became of every test, by name. Of tests that share a name the worst counts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Results(BTreeMap<String, Outcome>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Disabled,
    Skipped,
    Passed,
    Failed,
}

/// `cargo xtask conformance`: runs it and writes the page of its results.
pub(crate) fn write_page(options: &Options) -> Result<()> {
    let all = match &options.from {
        Some(files) => files.iter().map(|file| read(file)).collect(),
        None => ran(options),
    }?;
    let mut text = head();
    for (generation, results) in Generation::ALL.into_iter().zip(&all) {
        results.as_known(generation)?;
        text.push_str(&results.section(generation));
    }
    let page = page_file();
    fs::write(&page, text).tried(|| format!("write {}", page.display()))?;
    say(format!("written: {}", page.display()));
    Ok(())
}

fn read(file: &Path) -> Result<Results> {
    let told = fs::read_to_string(file).tried(|| format!("read {}", file.display()))?;
    Results::parse(&told)
}

/// Up, the suite, and down again, with each generation.
fn ran(options: &Options) -> Result<Vec<Results>> {
    let cluster = cluster::up(&cluster::Options {
        name: options.cluster.clone(),
        ..cluster::Options::default()
    })?;
    let kreg = match &options.kreg {
        Some(kreg) => kreg.clone(),
        None => world::build_kreg()?,
    };
    for recipe in images::for_tests()? {
        if recipe.tag() == REGISTRY_3 {
            recipe.build()?;
        }
    }
    let world = World::new(cluster, kreg)?;
    let one = |generation| {
        say(format!(
            "the suite runs against {}",
            Generation::image(generation)
        ));
        let results = up(&world, generation).and_then(|()| run(&world));
        let gone = world.kreg(["down", "--delete-data", "--yes"]).good();
        gone.and(results)
    };
    Generation::ALL.into_iter().map(one).collect()
}

/// A registry of this generation.
pub(super) fn up(world: &World, generation: Generation) -> Result<()> {
    if generation == Generation::V3 {
        image::load(world, generation.image())?;
    }
    let up = ["up", "--skip-verify", "--image", generation.image()];
    world.kreg(up).good().map(drop)
}

/// Runs the suite on the control plane's node.
pub(super) fn run(world: &World) -> Result<Results> {
    let program = parts::conformance()?;
    let node = world.control_plane()?;
    let service = world.get(["service", "docker-registry", "--namespace", "kreg-system"])?;
    let address = service["spec"]["clusterIP"].as_str().unwrap_or_default();
    world.on(node, &format!("mkdir -p {HOME}")).good()?;
    let told = Call::new("docker")
        .args(["cp"])
        .args([&program])
        .args([format!("{}:{HOME}/conformance", node.container)])
        .good()
        .and_then(|_| {
            // Its exit code says only that something failed; which, and whether that is known, is
            // told from what it prints.
            let script = format!(
                "cd {HOME}\n\
                 export SSL_CERT_FILE=/etc/containerd/certs.d/{HOST}/ca.crt\n\
                 export OCI_REGISTRY={address}:5000 OCI_TLS=enabled OCI_VERSION=1.1\n\
                 export OCI_USERNAME=kreg OCI_PASSWORD={PASSWORD} OCI_RESULTS_DIR={HOME}/results\n\
                 ./conformance || true"
            );
            world.on(node, &script).limit(LIMIT).read()
        });
    world.on(node, &format!("rm -rf {HOME}")).good()?;
    Results::parse(&told?)
}

impl Results {
    /// Reads the tree that the suite prints: a test is a line whose next line is not further in.
    fn parse(told: &str) -> Result<Self> {
        let tests: Vec<(usize, &str, Outcome)> = told.lines().filter_map(test).collect();
        let mut all = BTreeMap::new();
        for (place, (depth, name, outcome)) in tests.iter().enumerate() {
            let is_group = tests.get(place + 1).is_some_and(|(next, ..)| next > depth);
            // A group may fail by itself, though nothing in it does.
            if is_group {
                continue;
            }
            let worst = all.entry((*name).to_owned()).or_insert(*outcome);
            *worst = (*worst).max(*outcome);
        }
        match all.len() {
            few @ 0..100 => Err(Failure::new(
                "read the results of the conformance suite",
                format!("it told of {few} tests only:\n{told}"),
            )),
            _ => Ok(Self(all)),
        }
    }

    /// Whether what failed is what is known to.
    pub(super) fn as_known(&self, generation: Generation) -> Result<()> {
        let reasons = generation.reasons();
        let known: BTreeSet<&str> = reasons.into_iter().flat_map(|(_, names)| names).collect();
        let failed = |name: &str| self.0.get(name) == Some(&Outcome::Failed);
        let new: Vec<_> = self
            .0
            .keys()
            .filter(|name| failed(name) && !known.contains(name.as_str()))
            .collect();
        let old: Vec<_> = known.iter().filter(|name| !failed(name)).collect();
        match (new.as_slice(), old.as_slice()) {
            ([], []) => Ok(()),
            ([], old) => Err(Failure::new(
                "see every known failure of the conformance suite fail",
                format!("these do not: {old:?}"),
            )
            .next(format!("take them off {}", generation.file()))),
            (new, _) => Err(Failure::new(
                "see only known failures of the conformance suite",
                format!("these are not known: {new:?}"),
            )
            .next("find out what the registry answers: the suite's report.html has every request")),
        }
    }

    /// What the page in docs/ says of this generation.
    fn section(&self, generation: Generation) -> String {
        let version = generation.version();
        let mut text = format!(
            "\n## distribution {version}\n\n\
             | tests | passed | failed | not supported |\n|---|--:|--:|--:|\n"
        );
        let mut groups: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
        let mut sum = [0; 3];
        for (name, outcome) in &self.0 {
            let group = name.split('/').next().unwrap_or(name);
            let column = match outcome {
                Outcome::Passed => 0,
                Outcome::Failed => 1,
                Outcome::Skipped | Outcome::Disabled => 2,
            };
            groups.entry(group).or_default()[column] += 1;
            sum[column] += 1;
        }
        for (group, [passed, failed, skipped]) in &groups {
            let _ = writeln!(text, "| {group} | {passed} | {failed} | {skipped} |");
        }
        let [passed, failed, skipped] = sum;
        let _ = writeln!(
            text,
            "| **all** | **{passed}** | **{failed}** | **{skipped}** |"
        );
        let _ = writeln!(
            text,
            "\n### What {version} fails, and why\n\nAll of it is the registry's own; kreg's configuration has no part in it."
        );
        for (why, names) in generation.reasons() {
            let _ = write!(text, "\n{why}\n\n");
            for name in names {
                let _ = writeln!(text, "- `{name}`");
            }
        }
        text
    }

    /// Whether the committed page says the same of this generation.
    pub(super) fn are_on_page(&self, generation: Generation) -> Result<()> {
        let file = page_file();
        let page = fs::read_to_string(&file).tried(|| format!("read {}", file.display()))?;
        let section = self.section(generation);
        match page.starts_with(&head()) && page.contains(&section) {
            true => Ok(()),
            false => Err(Failure::new(
                "find the results of the conformance suite in docs/oci-conformance.md",
                format!("they are now:\n{}{section}", head()),
            )
            .next("run `cargo xtask conformance`, and commit the page")),
        }
    }
}

/// How the page begins.
fn head() -> String {
    let [old, new] = Generation::ALL.map(Generation::version);
    format!(
        "# OCI conformance\n\n\
         Made by `cargo xtask conformance`; the stories `oci-conformance` and `oci-conformance-3` fail if this page is not \
         what they find.\n\n\
         | what | version |\n|---|---|\n\
         | registry | distribution {old} and {new}, each as `kreg up` configures it |\n\
         | specification | OCI distribution 1.1 |\n\
         | suite | `github.com/opencontainers/distribution-spec/conformance` {suite} |\n\n\
         It runs on a node, by the Service's address, with the CA that kreg put there and a user's password. \
         Tests of one name count once.\n",
        suite = parts::CONFORMANCE_VERSION,
    )
}

/// Depth, name and outcome of a line such as `    OCI Conformance Test/a/b: Pass`.
fn test(line: &str) -> Option<(usize, &str, Outcome)> {
    let text = line.trim_start();
    let (name, word) = text
        .strip_prefix("OCI Conformance Test/")?
        .rsplit_once(": ")?;
    let outcome = match word {
        "Pass" => Outcome::Passed,
        "FAIL" | "Error" => Outcome::Failed,
        "Skip" => Outcome::Skipped,
        "Disabled" => Outcome::Disabled,
        _ => return None,
    };
    Some((line.len() - text.len(), name, outcome))
}

fn page_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/oci-conformance.md")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_read_by_its_leaves() {
        let told = "OCI Conformance Test: FAIL\n  OCI Conformance Test/a: FAIL\n    OCI Conformance Test/a/b: FAIL\n     - words: Pass\n    OCI Conformance Test/a/c: Pass\n  OCI Conformance Test/d: Skip\nAPI conformance:\n  Tag listing...: FAIL\n";
        let leaves: Vec<_> = told.lines().filter_map(test).collect();
        assert_eq!(
            leaves,
            [
                (2, "a", Outcome::Failed),
                (4, "a/b", Outcome::Failed),
                (4, "a/c", Outcome::Passed),
                (2, "d", Outcome::Skipped)
            ]
        );
        // Too few to be the suite's.
        assert!(Results::parse(told).is_err());
    }

    #[test]
    fn failures_are_compared_by_name_both_ways() {
        for generation in Generation::ALL {
            let known = generation.reasons();
            assert!(
                known
                    .iter()
                    .all(|(why, names)| why.ends_with('.') && !names.is_empty())
            );
            let all = || known.iter().flat_map(|(_, names)| names.iter());
            let mut results = Results(
                all()
                    .map(|name| ((*name).to_owned(), Outcome::Failed))
                    .collect(),
            );
            assert_eq!(results.0.len(), all().count(), "each name once");
            results.as_known(generation).unwrap();
            let told = |results: &Results| results.as_known(generation).unwrap_err().to_string();
            results.0.insert("new".to_owned(), Outcome::Failed);
            assert!(told(&results).contains("new"));
            results.0.remove("new");
            let first = results.0.keys().next().cloned().unwrap();
            results.0.insert(first.clone(), Outcome::Passed);
            let told = told(&results);
            assert!(
                told.contains(&first) && told.contains(generation.file()),
                "{told}"
            );
        }
    }
}
