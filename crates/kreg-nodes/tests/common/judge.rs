//! Configurations of containerd, each judged by a CRI pull of the real program: where kreg says that a
//! node trusts the registry, the pull works; where kreg refuses, the pull fails even with kreg's files
//! in place, and works once the printed remedy was followed.
#![allow(dead_code, unreachable_pub)] // each test file uses its part

use std::fs::{self, File};
use std::path::PathBuf;

use kreg_nodes::containerd::{BUILT_IN_CONFIG_PATH, CONFIG_FILE, hosts_toml, with_config_path};
use kreg_nodes::{Fleet, Receipt, State};

use super::machine::{CRI_PULL, CRI_REMOVE, IMAGE, Machine, Registry};

const V1: &str = "cri";
const V2: &str = "io.containerd.grpc.v1.cri";
const V3: &str = "io.containerd.cri.v1.images";
const ROOT: &str = "/etc/containerd/certs.d";
const DROP_IN: &str = "/etc/containerd/conf.d/10-more.toml";
const IMPORTS: &str = "imports = ['/etc/containerd/conf.d/*.toml']\n";
const HOST: &str = "docker-registry:5000";
const ENDPOINT: &str = "unix:///run/containerd/containerd.sock";

/// What is below /etc/containerd, and a directory that stands there before kreg comes.
struct Case {
    name: &'static str,
    main: Option<String>,
    drop_in: Option<String>,
    directory: Option<String>,
}

fn case(name: &'static str, main: impl Into<String>) -> Case {
    Case {
        name,
        main: Some(main.into()),
        drop_in: None,
        directory: None,
    }
}

impl Case {
    fn drop_in(mut self, text: impl Into<String>) -> Case {
        self.drop_in = Some(text.into());
        self
    }

    fn directory(mut self, path: impl Into<String>) -> Case {
        self.directory = Some(path.into());
        self
    }
}

/// A file of this version with these lines in the table of registries of a plugin.
fn file(version: &str, plugin: &str, lines: &str) -> String {
    format!("{version}[plugins.'{plugin}'.registry]\n{lines}")
}

/// All of them; `default` is what this release prints for a start.
fn cases(version: &str, default: &str) -> Vec<Case> {
    let (head, table) = match version {
        old if old.starts_with("1.") => ("version = 2\n", V2),
        "2.0.14" | "2.1.9" | "2.2.1" | "2.2.9" => ("version = 3\n", V3),
        _ => ("version = 4\n", V3),
    };
    let path = |root: &str| format!("config_path = '{root}'\n");
    let own = |lines: &str| file(head, table, lines);
    let list = path("/etc/containerd/certs.d:/etc/docker/certs.d");
    // Where the option stands that makes CRI pull by itself.
    let with = |option: &str| match table {
        V2 => format!(
            "{head}[plugins.'{V2}'.containerd]\n{option}\n[plugins.'{V2}'.registry]\n{list}"
        ),
        _ => format!("{head}[plugins.'{V3}']\n{option}\n[plugins.'{V3}'.registry]\n{list}"),
    };
    let beside = format!("{ROOT}/docker-registry_5000_");
    vec![
        case("`containerd config default`", default),
        Case {
            main: None,
            ..case("no file", "")
        },
        case("an empty file", ""),
        case("a single root", own(&path(ROOT))),
        case("a list", own(&list)),
        case(
            "a list, discard_unpacked_layers",
            with("discard_unpacked_layers = true"),
        ),
        case(
            "a list, use_local_image_pull",
            with("use_local_image_pull = true"),
        ),
        case(
            "the form of k3s",
            own(&path("/var/lib/rancher/k3s/agent/etc/containerd/certs.d")),
        ),
        case(
            "version 1, short name",
            file("version = 1\n", V1, &path(ROOT)),
        ),
        case("version 2", file("version = 2\n", V2, &path(ROOT))),
        case(
            "version 2, table of version 3",
            file("version = 2\n", V3, &path(ROOT)),
        ),
        case(
            "version 2, drop-in of version 3",
            file(&format!("version = 2\n{IMPORTS}"), V2, &path(ROOT)),
        )
        .drop_in("version = 3\n[debug]\nlevel = 'info'\n"),
        case(
            "version 3, drop-in without a version",
            format!("version = 3\n{IMPORTS}"),
        )
        .drop_in(file("", V3, &path(ROOT))),
        case(
            "version 2, drop-in with an empty string",
            file(&format!("version = 2\n{IMPORTS}"), V2, &path(ROOT)),
        )
        .drop_in(file("version = 2\n", V2, &path(""))),
        case("version 9", file("version = 9\n", V3, &path(ROOT))),
        case("a relative root", own(&path("certs.d"))),
        case(
            "mirrors beside a root",
            own(&format!(
                "{}[plugins.'{table}'.registry.mirrors.'m.example']\nendpoint = ['https://m.example']\n",
                path(ROOT)
            )),
        ),
        case(
            "an import that is not there",
            format!("imports = ['gone.toml']\n{}", own(&path(ROOT))),
        ),
        case("docker-registry_5000_ beside kreg's", own(&path(ROOT))).directory(beside),
        case("docker-registry_5000_ below the list", own(&list))
            .directory(format!("{BUILT_IN_CONFIG_PATH}/docker-registry_5000_")),
        case("_default beside kreg's", own(&path(ROOT))).directory(format!("{ROOT}/_default")),
    ]
}

/// Judges every configuration with the containerd of this image, which says that it is this version; and
/// holds the page of results against what was seen.
pub fn judge(image: &str, version: &str) {
    let (registry, machine) = (Registry::start(), Machine::start(image));
    assert!(machine.exec("containerd --version").contains(version));
    machine.reaches(&registry);
    let default = machine.exec("containerd config default");
    let seen: Vec<(&str, String)> = cases(version, &default)
        .iter()
        .map(|case| (case.name, one(&machine, &registry, case)))
        .collect();
    Page::open().holds(version, &seen);
}

/// One configuration: what kreg answered, and what a pull did.
fn one(machine: &Machine, registry: &Registry, case: &Case) -> String {
    let name = case.name;
    machine.exec("rm -rf /etc/containerd /etc/containerd:* /etc/docker /var/lib/rancher; mkdir -p /etc/containerd/conf.d");
    for (path, text) in [(CONFIG_FILE, &case.main), (DROP_IN, &case.drop_in)] {
        if let Some(text) = text {
            write(machine, path, text);
        }
    }
    if let Some(directory) = &case.directory {
        machine.exec(&format!("mkdir -p '{directory}'"));
    }
    start(machine);
    let before = machine.tree();
    let (trust, nodes) = (registry.trust(), [machine.node()]);
    let fleet = Fleet::new(machine);
    let receipt = fleet.trust(&nodes, &trust, &|_| {}).remove(0);
    let word = match receipt.state {
        State::Changed => {
            assert!(pulls(machine), "{name}: {receipt}");
            let again = fleet.trust(&nodes, &trust, &|_| {}).remove(0);
            assert_eq!(again.state, State::Unchanged, "{name}: {again}");
            "trusted, pulls"
        }
        State::Refused => {
            assert_eq!(machine.tree(), before, "{name}: {receipt}");
            by_hand(machine, registry);
            assert!(
                !pulls(machine),
                "{name}: refused, and the pull works: {receipt}"
            );
            machine.exec(&format!(
                "rm -rf '{ROOT}/{HOST}' '{BUILT_IN_CONFIG_PATH}/{HOST}'"
            ));
            follow(machine, case, &receipt);
            start(machine);
            let fixed = fleet.trust(&nodes, &trust, &|_| {}).remove(0);
            assert_eq!(
                fixed.state,
                State::Changed,
                "{name}: {receipt}\nthen {fixed}"
            );
            assert!(pulls(machine), "{name}: {receipt}\nthen {fixed}");
            "refused, fails"
        }
        _ => panic!("{name}: {receipt}"),
    };
    let receipt = &fleet.untrust(&nodes, trust.instance(), &|_| {})[0];
    assert!(receipt.is_ok(), "{name}: {receipt}");
    if word.starts_with("trusted") {
        assert_eq!(machine.tree(), before, "{name}");
    }
    word.to_owned()
}

/// kreg's files, where kreg would have put them had it not refused.
fn by_hand(machine: &Machine, registry: &Registry) {
    let trust = registry.trust();
    for root in [ROOT, BUILT_IN_CONFIG_PATH] {
        write(machine, &format!("{root}/{HOST}/ca.crt"), trust.ca_pem());
        write(
            machine,
            &format!("{root}/{HOST}/hosts.toml"),
            &hosts_toml(&trust),
        );
    }
}

/// What the refusal says: lines to set in a file, a directory to move away, or else the file that it names
/// is put right by hand.
fn follow(machine: &Machine, case: &Case, receipt: &Receipt) {
    let remedy = receipt.remedy.as_deref().unwrap_or_default();
    if let Some((_, command)) = remedy.split_once("mv '") {
        machine.exec(&format!("mv '{command}"));
    } else if let (Some((_, file)), Some((_, lines))) = (
        remedy.split_once("set it in "),
        remedy.split_once("try again:\n"),
    ) {
        let file = file.split(',').next().unwrap();
        let table = lines.split('"').nth(1).unwrap();
        let root = lines.split('"').nth(3).unwrap();
        let now = machine.exec(&format!("cat '{file}' 2>/dev/null || true"));
        let now = match lines.split_once("\n[") {
            Some((head, _)) if now.is_empty() => format!("{head}\n"),
            _ => now,
        };
        write(machine, file, &with_config_path(&now, table, root).unwrap());
    } else {
        let said = receipt.to_string();
        assert!(
            said.contains("/etc/containerd/"),
            "{}: {receipt}",
            case.name
        );
        machine.exec("rm -rf /etc/containerd");
        write(
            machine,
            CONFIG_FILE,
            &file("version = 2\n", V2, &format!("config_path = '{ROOT}'\n")),
        );
    }
}

fn write(machine: &Machine, path: &str, text: &str) {
    let directory = path.rsplit_once('/').unwrap().0;
    machine.exec(&format!(
        "mkdir -p '{directory}'; cat >'{path}' <<'KREG_END'\n{}\nKREG_END\n",
        text.strip_suffix('\n').unwrap_or(text)
    ));
}

/// Starts containerd again; whether it comes up is part of what is judged.
fn start(machine: &Machine) {
    machine.exec("kill $(pidof containerd) 2>/dev/null; while pidof containerd >/dev/null; do sleep 0.05; done; rm -f /run/containerd/containerd.sock /tmp/log");
    machine.spawn("containerd");
    machine.exec(&format!(
        "for i in $(seq 100); do crictl -t 2s -r {ENDPOINT} version >/dev/null 2>&1 && break; \
         grep -q 'successfully booted' /tmp/log && [ $i -gt 20 ] && break; \
         [ $i -lt 10 ] || pidof containerd >/dev/null || break; sleep 0.05; done; true"
    ));
}

/// A CRI pull, as the kubelet's. The image goes again, so that the next one asks the registry.
fn pulls(machine: &Machine) -> bool {
    let (good, told) = machine.try_exec(&format!("timeout 20 {CRI_PULL} {IMAGE}"));
    if good {
        machine.exec(&format!("{CRI_REMOVE} {IMAGE}"));
    } else {
        let known = [
            "no such host",
            "lookup docker-registry",
            "connection refused",
            "no such file",
            "Unimplemented",
        ];
        assert!(known.iter().any(|word| told.contains(word)), "{told}");
    }
    good
}

/// docs/containerd.md, in which every version has a column.
struct Page {
    lock: File,
    path: PathBuf,
}

const VERSIONS: [&str; 8] = [
    "1.6.20", "1.7.24", "2.0.14", "2.1.9", "2.2.1", "2.2.9", "2.3.7", "2.4.2",
];
const HEAD: &str = "# What containerd reads, and what kreg answers\n\n\
    Written by the tests `containerd` and `containerd_versions` of kreg-nodes (`KREG_WRITE_DOCS=1`), which fail if the page\n\
    and the real programs differ. Each cell is what `kreg` answered on a node with that containerd and that\n\
    configuration, and what a pull through the CRI did:\n\n\
    - **trusted, pulls**: kreg wrote its files, and the pull worked; after undo, /etc was the same to the byte.\n\
    - **refused, fails**: kreg wrote nothing. With kreg's files put in place by hand the pull failed; after the printed\n  \
      remedy was followed, kreg trusted the node and the pull worked.\n\n";

impl Page {
    fn open() -> Page {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/containerd.md");
        let lock = File::open(env!("CARGO_MANIFEST_DIR")).unwrap();
        lock.lock().unwrap();
        Page { lock, path }
    }

    /// This version's column says what was seen; with `KREG_WRITE_DOCS` it does afterwards.
    fn holds(self, version: &str, seen: &[(&str, String)]) {
        let text = fs::read_to_string(&self.path).unwrap_or_default();
        let mut rows: Vec<Vec<String>> = text
            .lines()
            .filter(|line| line.starts_with("| ") && !line.starts_with("| configuration"))
            .map(|line| {
                line.trim_matches(['|', ' '])
                    .split(" | ")
                    .map(str::to_owned)
                    .collect()
            })
            .collect();
        let column = 1 + VERSIONS.iter().position(|known| *known == version).unwrap();
        let written: Vec<(&str, String)> = rows
            .iter()
            .map(|row| {
                (
                    row[0].as_str(),
                    row.get(column).cloned().unwrap_or_default(),
                )
            })
            .collect();
        if std::env::var_os("KREG_WRITE_DOCS").is_none() {
            assert_eq!(written, seen, "docs/containerd.md, containerd {version}");
            return;
        }
        let old = std::mem::take(&mut rows);
        let mut page = format!("{HEAD}| configuration | {} |\n", VERSIONS.join(" | "));
        page += &format!("|---{}|\n", "|---".repeat(VERSIONS.len()));
        for (name, word) in seen {
            let mut row = old
                .iter()
                .find(|row| row[0] == *name)
                .cloned()
                .unwrap_or_else(|| vec![(*name).to_owned()]);
            row.resize(1 + VERSIONS.len(), "?".to_owned());
            row[column] = word.clone();
            page += &format!("| {} |\n", row.join(" | "));
        }
        fs::write(&self.path, page).unwrap();
        drop(self.lock);
    }
}
