//! The versions that the READMEs name are the ones that are tested.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::images::{REGISTRY, REGISTRY_3};
use crate::parts::{Containerd, Generation, KIND_NODE_IMAGE, KIND_VERSION, number};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = workspace().join(path);
    fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// Versions in rising order.
#[derive(Debug, Default)]
struct Versions(BTreeMap<[u32; 3], String>);

impl<'a> FromIterator<&'a str> for Versions {
    fn from_iter<I: IntoIterator<Item = &'a str>>(versions: I) -> Self {
        let plain = |version: &str| version.trim_start_matches('v').to_owned();
        let all = versions
            .into_iter()
            .map(|version| (number(version), plain(version)));
        Self(all.collect())
    }
}

impl Versions {
    fn list(&self) -> String {
        self.0.values().cloned().collect::<Vec<_>>().join(", ")
    }

    fn minors(&self) -> BTreeSet<[u32; 2]> {
        self.0
            .keys()
            .map(|[major, minor, _]| [*major, *minor])
            .collect()
    }

    /// Whether one of these is `version`, or begins with it.
    fn has(&self, version: &str) -> bool {
        let mut all = self.0.values();
        all.any(|known| known == version || known.starts_with(&format!("{version}.")))
    }
}

/// What the programs of a release of Debian say of themselves, as the corpus of kreg-nodes keeps it.
fn debians(program: &str) -> Vec<String> {
    let corpus = "crates/kreg-nodes/tests/corpus";
    let entries = fs::read_dir(workspace().join(corpus)).unwrap();
    let releases = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir());
    releases
        .map(|release| {
            let said = read(release.join(format!("{program}-version")));
            let mut words = said.split_whitespace();
            let version = words.find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
            let version = version.unwrap().split(['~', '+', ',']).next();
            version.unwrap().to_owned()
        })
        .collect()
}

fn tag(image: &str) -> &str {
    image.rsplit_once(':').unwrap().1
}

/// What is tested, by the name that READMEs use for it.
fn tested() -> BTreeMap<&'static str, Versions> {
    let of = |versions: &[String]| versions.iter().map(String::as_str).collect::<Versions>();
    let mut containerd = debians("containerd");
    containerd.extend(Containerd::ALL.map(|release| release.version().to_owned()));
    BTreeMap::from([
        (
            "Kubernetes",
            [Generation::V1_20, Generation::V1_37]
                .map(Generation::version)
                .into_iter()
                .collect(),
        ),
        ("containerd", of(&containerd)),
        ("Docker", of(&debians("dockerd"))),
        ("podman", of(&debians("podman"))),
        (
            "distribution",
            [REGISTRY, REGISTRY_3].map(tag).into_iter().collect(),
        ),
        ("kind", [KIND_VERSION].into_iter().collect()),
    ])
}

#[test]
fn the_readmes_table_holds_every_version_that_is_tested() {
    let nodes_of_1_20 = read("crates/kreg-nodes/tests/corpus/bookworm/containerd-version");
    assert!(nodes_of_1_20.contains(" 1.6.20~"), "{nodes_of_1_20}");
    let tested = tested();
    let list = |name: &str| tested[name].list();
    let (new, old) = (Generation::V1_37.version(), Generation::V1_20.version());
    let table = format!(
        "| what | versions |\n\
         |---|---|\n\
         | Kubernetes, every story | {new}, its nodes with containerd {nodes} |\n\
         | Kubernetes, the main stories | {old}, its nodes with containerd 1.6.20 |\n\
         | containerd, pulls through its CRI | {containerd} |\n\
         | Docker | {docker} |\n\
         | podman | {podman} |\n\
         | the registry, distribution | {registry} |\n\
         | kind | {kind}, its node image `{image}` |\n",
        new = new.trim_start_matches('v'),
        old = old.trim_start_matches('v'),
        nodes = Containerd::NODES.version(),
        containerd = list("containerd"),
        docker = list("Docker"),
        podman = list("podman"),
        registry = list("distribution"),
        kind = list("kind"),
        image = KIND_NODE_IMAGE.split('@').next().unwrap(),
    );
    let readme = read("README.md");
    assert!(
        readme.contains(&table),
        "README.md lacks this table:\n{table}"
    );
}

/// Where a text says `Kubernetes v1.2.3` or `containerd 1.6, 1.7 and 2.1`: the name and the versions.
fn mentions<'t>(text: &'t str, name: &str) -> Vec<Vec<&'t str>> {
    let after = text
        .split(name)
        .skip(1)
        .filter_map(|rest| rest.strip_prefix(' '));
    let lists = after.map(|mut rest| {
        let mut versions = Vec::new();
        loop {
            let word = rest.strip_prefix('v').unwrap_or(rest);
            let end = word.find(|c: char| !c.is_ascii_digit() && c != '.');
            let (version, next) = word.split_at(end.unwrap_or(word.len()));
            let version = version.trim_end_matches('.');
            if !version.contains('.') {
                return versions;
            }
            versions.push(version);
            match [", ", " and "]
                .iter()
                .find_map(|between| next.strip_prefix(between))
            {
                Some(next) => rest = next,
                None => return versions,
            }
        }
    });
    lists.filter(|versions| !versions.is_empty()).collect()
}

#[test]
fn every_readme_names_only_tested_versions_and_lists_leave_no_minor_out() {
    let crates = fs::read_dir(workspace().join("crates")).unwrap();
    let crates = crates.map(|entry| entry.unwrap().path().join("README.md"));
    let mut seen = BTreeSet::new();
    for file in crates.chain([workspace().join("README.md")]) {
        // A list may go on in the next line.
        let text = read(&file).split_whitespace().collect::<Vec<_>>().join(" ");
        for (name, tested) in tested() {
            for versions in mentions(&text, name) {
                let place = format!("{}: {name} {versions:?}", file.display());
                assert!(
                    versions.iter().all(|version| tested.has(version)),
                    "{place}"
                );
                if versions.len() > 1 {
                    let named: Versions = versions.iter().copied().collect();
                    assert_eq!(named.minors(), tested.minors(), "{place}");
                }
                seen.insert(name);
            }
        }
    }
    let names: BTreeSet<_> = tested().into_keys().collect();
    assert_eq!(seen, names, "the test must read what READMEs say");
}

#[test]
fn the_kubelets_code_that_pull_secrets_are_compared_with_is_that_of_the_cluster() {
    let module = read("crates/kreg-auth/tests/kubelet/go.mod");
    let wanted = format!("k8s.io/kubernetes {}\n", Generation::V1_37.version());
    assert!(module.contains(&wanted), "go.mod lacks {wanted}");
}

#[test]
fn versions_after_a_name_are_read_with_the_list_they_begin() {
    let text = "Kubernetes v1.34.4, 3 nodes; containerd 1.6, 1.7 and 2.1 by Kubernetes. On Kubernetes 1.20.";
    assert_eq!(mentions(text, "Kubernetes"), [vec!["1.34.4"], vec!["1.20"]]);
    assert_eq!(mentions(text, "containerd"), [["1.6", "1.7", "2.1"]]);
}
