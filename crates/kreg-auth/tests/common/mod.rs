//! The real registry in a container, over plain HTTP, with an htpasswd file that can change.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kreg_auth::Htpasswd;
use tempfile::TempDir;
use testcontainers::core::{IntoContainerPort, Mount, WaitFor};
use testcontainers::runners::SyncRunner;
use testcontainers::{Container, GenericImage, ImageExt};

/// distribution 2.8.2, made from Debian's `docker-registry` package by the test harness.
const IMAGE: (&str, &str) = ("kreg.test/registry", "2.8.2");

pub(crate) struct Registry {
    address: String,
    auth: TempDir,
    container: Container<GenericImage>,
}

pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) body: Vec<u8>,
}

impl Registry {
    pub(crate) fn start(users: &Htpasswd) -> Registry {
        let auth = tempfile::tempdir().unwrap();
        fs::set_permissions(auth.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let file = auth.path().join("htpasswd");
        fs::write(&file, users.to_bytes()).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let container = GenericImage::new(IMAGE.0, IMAGE.1)
            .with_exposed_port(5000.tcp())
            .with_wait_for(WaitFor::message_on_stderr("listening on"))
            .with_env_var("REGISTRY_AUTH", "htpasswd")
            .with_env_var("REGISTRY_AUTH_HTPASSWD_REALM", "kreg")
            .with_env_var("REGISTRY_AUTH_HTPASSWD_PATH", "/auth/htpasswd")
            .with_mount(Mount::bind_mount(
                auth.path().display().to_string(),
                "/auth",
            ))
            .start()
            .expect("the registry starts: Docker runs and has the image kreg.test/registry:2.8.2");
        let port = container.get_host_port_ipv4(5000).unwrap();
        Registry {
            address: format!("127.0.0.1:{port}"),
            auth,
            container,
        }
    }

    /// Puts another file in place, as the kubelet does when a Secret changes.
    pub(crate) fn replace_users(&self, users: &Htpasswd) {
        // Not by `Htpasswd::save`, which refuses the files that the registry must refuse here.
        let (new, file) = (
            self.auth.path().join("new"),
            self.auth.path().join("htpasswd"),
        );
        fs::write(&new, users.to_bytes()).unwrap();
        fs::rename(new, file).unwrap();
    }

    /// What a login is answered: 200, 401, or 400 for a file that cannot be read.
    pub(crate) fn login(&self, username: &str, password: &str) -> u16 {
        self.request("GET", "/v2/", &basic(username, password), b"")
            .status
    }

    /// What the registry has used of processors so far; other work on the machine does not count.
    pub(crate) fn processor_time(&self) -> Duration {
        let told = Command::new("docker")
            .args(["inspect", "--format={{.State.Pid}}", self.container.id()])
            .output()
            .unwrap();
        let pid = String::from_utf8(told.stdout).unwrap();
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap();
        // proc(5): utime and stime are fields 14 and 15, and what follows the name begins with 3.
        let fields = stat.rsplit_once(") ").unwrap().1.split(' ');
        let ticks: u64 = fields
            .skip(11)
            .take(2)
            .map(|f| f.parse::<u64>().unwrap())
            .sum();
        // Linux tells programs of hundredths of a second, whatever its own clock ticks in.
        Duration::from_millis(ticks * 10)
    }

    pub(crate) fn request(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Response {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n",
            self.address
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        let head = std::str::from_utf8(&answer[..end]).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let location = head
            .lines()
            .find_map(|line| line.strip_prefix("Location: "));
        let base = format!("http://{}", self.address);
        Response {
            status,
            location: location.map(|url| url.strip_prefix(&base).unwrap_or(url).to_owned()),
            body: answer[end + 4..].to_vec(),
        }
    }
}

/// The header of RFC 7617, also for names that `Credentials` would refuse.
pub(crate) fn basic(username: &str, password: &str) -> String {
    let token = STANDARD.encode(format!("{username}:{password}"));
    format!("Authorization: Basic {token}\r\n")
}
