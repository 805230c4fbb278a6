//! A container with a real sshd, made by the test harness as `kreg.test/sshd:12`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use kreg_nodes::Node;
use kreg_nodes::ssh::{Ssh, SshConfig};
use tempfile::TempDir;
use testcontainers::core::{IntoContainerPort, WaitFor};
use testcontainers::runners::SyncRunner;
use testcontainers::{Container, ContainerRequest, GenericImage, ImageExt};

use super::entered::Entered;

const IMAGE: (&str, &str) = ("kreg.test/sshd", "12");

/// A node with sshd; the container goes when this does. `root`, `admin` (may use sudo) and
/// `guest` (may not) are let in by the key.
pub struct Sshd {
    pub container: Container<GenericImage>,
    pub port: u16,
    /// The same node, past SSH.
    pub entered: Entered,
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
            entered: Entered::of(container.id()),
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
        String::from_utf8(self.entered.run(script)).unwrap()
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
