//! Programs in a container without Docker on the way: `docker exec` does the same at twenty times
//! the cost, and a suite looks at its node some hundred times.
#![allow(dead_code, unreachable_pub)] // each test file uses its part

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::process::{Command, Stdio};

use kreg_nodes::conformance::{NodeFiles, Seen, SeenKind, Tree};

/// Where programs of a container find theirs.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The namespaces of a container's first process; as a node, what is below its root.
pub struct Entered {
    process: String,
    root: String,
}

impl Entered {
    /// Those of the container of this name or id, which runs on this machine.
    pub fn of(container: &str) -> Entered {
        let ran = Command::new("docker")
            .args(["inspect", "--format={{.State.Pid}}", container])
            .output()
            .expect("docker runs");
        assert!(ran.status.success(), "{container}: {ran:?}");
        let process = String::from_utf8(ran.stdout).unwrap().trim().to_owned();
        let root = String::new();
        Entered { process, root }
    }

    /// A tree of directories in the container stands for the node.
    pub fn below(self, root: &str) -> Entered {
        let root = root.to_owned();
        Entered { root, ..self }
    }

    /// Runs a script there, as root, and gives what it printed. It must succeed. `$root` is where
    /// the node is.
    pub fn run(&self, script: &str) -> Vec<u8> {
        self.feed(script, &[])
    }

    /// The same for a script that reads.
    pub fn feed(&self, script: &str, input: &[u8]) -> Vec<u8> {
        let mut child = self
            .command(["sh", "-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("nsenter runs");
        child.stdin.take().unwrap().write_all(input).unwrap();
        let ran = child.wait_with_output().unwrap();
        assert!(ran.status.success(), "{script}: {ran:?}");
        ran.stdout
    }

    /// A program there, as root.
    pub fn command<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.process, "--mount", "--uts", "--ipc"])
            .args(["--net", "--pid", "--", "env", "-i", PATH, "HOME=/root"])
            .arg(format!("root={}", self.root))
            .args(words);
        command
    }
}

impl NodeFiles for Entered {
    fn tree(&self, top: &str) -> io::Result<Tree> {
        let told = self.run(&format!(
            "cd \"$root/\"; [ -e '.{top}' ] || exit 0\nfind '.{top}' -printf '%y %m %U %G %T@ %p\\n'\necho =\n\
             find '.{top}' -type f -exec sha256sum '{{}}' +"
        ));
        let told = String::from_utf8(told).unwrap();
        let Some((seen, sums)) = told.split_once("=\n") else {
            return Ok(Tree::new());
        };
        let sums: HashMap<&str, &str> = sums
            .lines()
            .filter_map(|line| line.split_once("  "))
            .map(|(sum, path)| (path, sum))
            .collect();
        let entry = |line: &str| {
            let fields: Vec<&str> = line.splitn(6, ' ').collect();
            let seen = Seen {
                kind: match fields[0] {
                    "f" => SeenKind::File,
                    "d" => SeenKind::Directory,
                    _ => SeenKind::Other,
                },
                mode: u32::from_str_radix(fields[1], 8).unwrap(),
                uid: fields[2].parse().unwrap(),
                gid: fields[3].parse().unwrap(),
                modified: fields[4].to_owned(),
                sha256: sums.get(fields[5]).copied().unwrap_or_default().to_owned(),
            };
            (fields[5].trim_start_matches('.').to_owned(), seen)
        };
        Ok(seen.lines().map(entry).collect())
    }

    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        let mut told = self.run(&format!(
            "[ ! -f \"$root{path}\" ] || {{ echo =; cat \"$root{path}\"; }}"
        ));
        Ok((!told.is_empty()).then(|| told.split_off(2)))
    }

    fn write(&self, path: &str, content: &[u8]) -> io::Result<()> {
        let folder = path.rsplit_once('/').map_or("/", |(folder, _)| folder);
        self.feed(
            &format!("mkdir -p \"$root{folder}/\"; cat >\"$root{path}\""),
            content,
        );
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.run(&format!("rm -rf \"$root{path}\""));
        Ok(())
    }
}
