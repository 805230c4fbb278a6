//! A container with a real sshd, made by the test harness as `kreg.test/sshd:12`.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use kreg_nodes::Node;
use kreg_nodes::conformance::{NodeFiles, Seen, SeenKind, Tree};
use kreg_nodes::ssh::{Ssh, SshConfig};
use tempfile::TempDir;
use testcontainers::core::{ExecCommand, IntoContainerPort, WaitFor};
use testcontainers::runners::SyncRunner;
use testcontainers::{Container, ContainerRequest, GenericImage, ImageExt};

const IMAGE: (&str, &str) = ("kreg.test/sshd", "12");

/// A node with sshd; the container goes when this does. `root`, `admin` (may use sudo) and
/// `guest` (may not) are let in by the key.
pub struct Sshd {
    pub container: Container<GenericImage>,
    pub port: u16,
    folder: TempDir,
}

impl Sshd {
    pub fn start() -> Sshd {
        Sshd::start_as(|request| request)
    }

    pub fn start_as(
        change: impl FnOnce(ContainerRequest<GenericImage>) -> ContainerRequest<GenericImage>,
    ) -> Sshd {
        let folder = tempfile::tempdir().unwrap();
        keygen(&folder, "id", "");
        let public = fs::read_to_string(folder.path().join("id.pub")).unwrap();
        let request = GenericImage::new(IMAGE.0, IMAGE.1)
            .with_exposed_port(22.tcp())
            .with_wait_for(WaitFor::message_on_stderr("Server listening on 0.0.0.0"))
            .with_startup_timeout(Duration::from_secs(60))
            .with_env_var("AUTHORIZED_KEY", public.trim());
        let container = change(request)
            .start()
            .expect("a node starts: Docker runs and has the image kreg.test/sshd:12");
        let port = container.get_host_port_ipv4(22).unwrap();
        let sshd = Sshd {
            container,
            port,
            folder,
        };
        let key = sshd.exec("cat /etc/ssh/ssh_host_ed25519_key.pub");
        let key: Vec<&str> = key.split_whitespace().collect();
        let line = format!("[127.0.0.1]:{port} {} {}\n", key[0], key[1]);
        fs::write(sshd.known_hosts(), line).unwrap();
        sshd
    }

    pub fn node(&self) -> Node {
        Node::new("node1", format!("127.0.0.1:{}", self.port))
    }

    /// The right user, key and host key.
    pub fn config(&self, user: &str) -> SshConfig {
        SshConfig::new(user)
            .agent(false)
            .identity(self.file("id"), None)
            .known_hosts(self.known_hosts())
    }

    pub fn ssh(&self) -> Ssh {
        Ssh::new(self.config("root"))
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn known_hosts(&self) -> PathBuf {
        self.file("known_hosts")
    }

    /// Makes a key pair `name` in the folder.
    pub fn keygen(&self, name: &str, passphrase: &str) -> PathBuf {
        keygen(&self.folder, name, passphrase);
        self.file(name)
    }

    /// Runs a script in the container, past SSH, and gives what it printed. It must succeed.
    pub fn exec(&self, script: &str) -> String {
        String::from_utf8(self.exec_bytes(script)).unwrap()
    }

    pub fn exec_bytes(&self, script: &str) -> Vec<u8> {
        let command = ExecCommand::new(["sh", "-c", script]);
        let mut ran = self.container.exec(command).unwrap();
        let out = ran.stdout_to_vec().unwrap();
        let err = ran.stderr_to_vec().unwrap();
        let status = ran.exit_code().unwrap();
        let err = String::from_utf8_lossy(&err);
        assert_eq!(status, Some(0), "{script}: {err}");
        out
    }
}

/// Looked at by `docker exec`, past SSH.
impl NodeFiles for Sshd {
    fn tree(&self, top: &str) -> io::Result<Tree> {
        let told = self.exec(&format!(
            "[ -e '{top}' ] || exit 0\nfind '{top}' -printf '%y %m %T@ %p\\n'\necho =\n\
             find '{top}' -type f -exec sha256sum '{{}}' +"
        ));
        let Some((seen, sums)) = told.split_once("=\n") else {
            return Ok(Tree::new());
        };
        let sums: HashMap<&str, &str> = sums
            .lines()
            .filter_map(|line| line.split_once("  "))
            .map(|(sum, path)| (path, sum))
            .collect();
        let entry = |line: &str| {
            let fields: Vec<&str> = line.splitn(4, ' ').collect();
            let seen = Seen {
                kind: match fields[0] {
                    "f" => SeenKind::File,
                    "d" => SeenKind::Directory,
                    _ => SeenKind::Other,
                },
                mode: u32::from_str_radix(fields[1], 8).unwrap(),
                modified: fields[2].to_owned(),
                sha256: sums.get(fields[3]).copied().unwrap_or_default().to_owned(),
            };
            (fields[3].to_owned(), seen)
        };
        Ok(seen.lines().map(entry).collect())
    }

    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        let mut told =
            self.exec_bytes(&format!("[ ! -f '{path}' ] || {{ echo =; cat '{path}'; }}"));
        Ok((!told.is_empty()).then(|| told.split_off(2)))
    }

    fn write(&self, path: &str, content: &[u8]) -> io::Result<()> {
        let octal: String = content.iter().map(|b| format!("\\{b:03o}")).collect();
        let folder = path.rsplit_once('/').map_or("/", |(folder, _)| folder);
        self.exec(&format!("mkdir -p '{folder}/'\nprintf '{octal}' >'{path}'"));
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.exec(&format!("rm -rf '{path}'"));
        Ok(())
    }
}

fn keygen(folder: &TempDir, name: &str, passphrase: &str) {
    let ran = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", passphrase, "-f"])
        .arg(folder.path().join(name))
        .output()
        .expect("ssh-keygen");
    assert!(ran.status.success(), "{ran:?}");
}
