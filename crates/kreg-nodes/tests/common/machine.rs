//! A machine with real runtimes, and the real registry that they are to pull from. The images
//! `kreg.test/runtimes` are made by the test harness from Debian's packages; those named like a release of
//! containerd have that one.
#![allow(dead_code, unreachable_pub)] // each test file uses its part

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use kreg_auth::{Cost, Credentials, Htpasswd};
use kreg_nodes::{
    InstanceId, Node, NodeTransport, Output, TransportError, TransportErrorKind, Trust,
};
use kreg_pki::{Authority, AuthorityRequest, Issuer, LeafRequest};
use secrecy::ExposeSecret;
use testcontainers::core::{CgroupnsMode, IntoContainerPort, Mount, WaitFor};
use testcontainers::runners::SyncRunner;
use testcontainers::{Container, GenericImage, ImageExt};

use super::entered::Entered;

pub const IMAGE: &str = "docker-registry:5000/app:v1";
pub const MISSING: &str = "docker-registry:5000/app:none";
/// By crictl, which asks over the CRI as the kubelet does.
pub const CRI_PULL: &str =
    "crictl -t 60s -i unix:///run/containerd/containerd.sock pull --creds myuser:mypasswd";
pub const CRI_REMOVE: &str = "crictl -t 60s -i unix:///run/containerd/containerd.sock rmi";
const ADDRESS: &str = "10.96.0.50";
const USER: &str = "myuser";
const PASSWORD: &str = "mypasswd";

/// How long a runtime may take to start or to answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// A registry with TLS and a password; the container goes when this does.
pub struct Registry {
    container: Container<GenericImage>,
    authority: Authority,
}

impl Registry {
    pub fn start() -> Registry {
        let authority = Authority::generate(&AuthorityRequest::new("kreg-nodes-test")).unwrap();
        let names = ["docker-registry", ADDRESS].map(|name| name.parse().unwrap());
        let leaf = authority
            .issue(&LeafRequest::new("docker-registry").sans(names))
            .unwrap();
        let mut users = Htpasswd::parse("");
        let user = Credentials::new(USER, PASSWORD).unwrap();
        users.add(&user, Cost::MIN).unwrap();
        let key = leaf.key_pem().expose_secret().as_bytes().to_vec();
        let container = GenericImage::new("kreg.test/registry", "2.8.2")
            .with_exposed_port(5000.tcp())
            .with_wait_for(WaitFor::message_on_stderr("listening on "))
            .with_startup_timeout(PATIENCE)
            .with_copy_to("/certs/tls.crt", leaf.chain_pem().into_bytes())
            .with_copy_to("/certs/tls.key", key)
            .with_copy_to("/auth/htpasswd", users.to_bytes())
            .with_env_var("REGISTRY_HTTP_TLS_CERTIFICATE", "/certs/tls.crt")
            .with_env_var("REGISTRY_HTTP_TLS_KEY", "/certs/tls.key")
            .with_env_var("REGISTRY_AUTH", "htpasswd")
            .with_env_var("REGISTRY_AUTH_HTPASSWD_REALM", "Registry Realm")
            .with_env_var("REGISTRY_AUTH_HTPASSWD_PATH", "/auth/htpasswd")
            .start()
            .expect("Docker with image kreg.test/registry:2.8.2");
        Registry {
            container,
            authority,
        }
    }

    /// The container's own address.
    fn address(&self) -> String {
        let template = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        let ran = Command::new("docker")
            .args(["inspect", "--format", template, self.container.id()])
            .output()
            .unwrap();
        assert!(ran.status.success(), "{ran:?}");
        String::from_utf8(ran.stdout).unwrap().trim().to_owned()
    }

    /// What `kreg up` hands to its nodes.
    pub fn trust(&self) -> Trust {
        let instance = InstanceId::new("docker-registry").unwrap();
        let host = "docker-registry:5000".parse().unwrap();
        Trust::new(instance, host, &self.authority.certificate_pem())
            .unwrap()
            .with_endpoint(ADDRESS.parse().unwrap())
    }
}

/// A machine; the container goes when this does.
pub struct Machine {
    container: Container<GenericImage>,
    entered: Entered,
}

impl Machine {
    /// One of that release of Debian, on which nothing runs yet.
    pub fn start(release: &str) -> Machine {
        Machine::run(release, ["sleep", "infinity"].as_slice())
    }

    /// One with systemd, which runs containerd. Docker would write its own files below `/etc`
    /// whenever it gets to it.
    pub fn with_systemd() -> Machine {
        let boot = "systemctl mask docker.service docker.socket && exec /sbin/init";
        let machine = Machine::run("12", &["/bin/sh", "-c", boot]);
        machine.until("systemctl is-active containerd && crictl -r unix:///run/containerd/containerd.sock version");
        machine
    }

    fn run(release: &str, command: &[&str]) -> Machine {
        let mut request = GenericImage::new("kreg.test/runtimes", release)
            .with_cmd(command.iter().copied())
            .with_privileged(true)
            .with_cgroupns_mode(CgroupnsMode::Private)
            .with_env_var("container", "docker")
            .with_startup_timeout(PATIENCE);
        // Layers on layers: none of these may lie on the container's own overlay.
        for dir in [
            "/var/lib/containerd",
            "/var/lib/docker",
            "/var/lib/containers",
            "/run",
            "/tmp",
        ] {
            request = request.with_mount(Mount::tmpfs_mount(dir));
        }
        let container = request
            .start()
            .unwrap_or_else(|e| panic!("Docker with image kreg.test/runtimes:{release}: {e}"));
        let entered = Entered::of(container.id());
        let machine = Machine { container, entered };
        // Nobody answers there, at once; the names of others are of no use here.
        machine.exec("echo nameserver 127.0.0.1 >/etc/resolv.conf");
        machine
    }

    /// The registry is reached at its ClusterIP, as kube-proxy would have it, and by no name.
    pub fn reaches(&self, registry: &Registry) {
        let ip = registry.address();
        self.exec(&format!(
            "iptables -t nat -A OUTPUT -d {ADDRESS}/32 -p tcp --dport 5000 -j DNAT --to-destination {ip}:5000"
        ));
        self.exec(PUSH);
    }

    pub fn node(&self) -> Node {
        Node::new(self.container.id(), "")
    }

    /// Runs a script that must succeed, and gives what it printed.
    pub fn exec(&self, script: &str) -> String {
        let (good, told) = self.try_exec(script);
        assert!(good, "{script}: {told}");
        told
    }

    /// Runs a script: whether it succeeded, and all that it printed.
    pub fn try_exec(&self, script: &str) -> (bool, String) {
        let mut command = self.entered.command(["sh", "-c", script]);
        let ran = command.stdin(Stdio::null()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (ran.status.success(), text(&ran.stdout) + &text(&ran.stderr))
    }

    /// Repeats a question until it is answered well.
    pub fn until(&self, script: &str) {
        self.sees(script, "well", &|good, _| good);
    }

    /// Repeats a question until the answer is as wanted: Go's resolver looks at the hosts file
    /// every five seconds only.
    pub fn sees(&self, script: &str, what: &str, wanted: &dyn Fn(bool, &str) -> bool) {
        let begun = Instant::now();
        loop {
            let (good, told) = self.try_exec(script);
            if wanted(good, &told) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{what}: {script}: {told}");
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Starts a program that goes on, by `docker exec`: in the container's cgroup, too.
    pub fn spawn(&self, command: &str) {
        let script = format!("setsid {command} >/tmp/log 2>&1 </dev/null &");
        let ran = Command::new("docker")
            .args(["exec", self.container.id(), "sh", "-c", &script])
            .output()
            .unwrap();
        assert!(ran.status.success(), "{command}: {ran:?}");
    }

    pub fn read(&self, path: &str) -> String {
        self.exec(&format!("cat '{path}'"))
    }

    /// What is in the places that kreg writes to: kind, mode, owner, and content.
    pub fn tree(&self) -> BTreeMap<String, String> {
        let told = self.exec(
            "find /etc /var/lib/kreg /var/lib/rancher -printf '%p\\t%y %m %u %g %l\\n' 2>/dev/null; \
             find /etc /var/lib/kreg -type f -exec sha256sum '{}' + 2>/dev/null | sed 's/^\\([0-9a-f]*\\)  \\(.*\\)/\\2 content\\t\\1/'; true",
        );
        told.lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(path, what)| (path.to_owned(), what.to_owned()))
            .collect()
    }
}

/// As root.
impl NodeTransport for Machine {
    fn run(&self, node: &Node, script: &str, _: Duration) -> Result<Output, TransportError> {
        let start = |detail: String| {
            let program = "nsenter".to_owned();
            TransportError::new(node, TransportErrorKind::Start { program, detail })
        };
        let mut child = self
            .entered
            .command(["sh", "-s"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| start(e.to_string()))?;
        let mut input = child.stdin.take().expect("piped");
        let script = script.to_owned();
        // Both ways at once, lest each waits for the other.
        let writing = thread::spawn(move || input.write_all(script.as_bytes()));
        let ran = child.wait_with_output().map_err(|e| start(e.to_string()))?;
        let _ = writing.join();
        Ok(Output {
            stdout: ran.stdout,
            stderr: ran.stderr,
            status: ran.status.code(),
        })
    }
}

/// An image of one small file, put into the registry by hand: no runtime has seen it.
const PUSH: &str = r#"set -eu
cd /tmp
ask() { curl -sSfk -u myuser:mypasswd "$@"; }
sum() { sha256sum <"$1" | cut -d' ' -f1; }
base=https://10.96.0.50:5000/v2/app
date +%s%N >file
tar -cf layer.tar file
diff=$(sum layer.tar)
gzip -nf layer.tar
printf '{"architecture":"%s","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
  "$(dpkg --print-architecture)" "$diff" >config.json
for file in layer.tar.gz config.json; do
  to=$(ask -X POST -D - -o /dev/null "$base/blobs/uploads/" | sed -n 's/^[Ll]ocation: //p' | tr -d '\r')
  ask -X PUT -H 'Content-Type: application/octet-stream' --data-binary "@$file" "$to&digest=sha256:$(sum $file)"
done
kind=application/vnd.docker.distribution.manifest.v2+json
printf '{"schemaVersion":2,"mediaType":"%s","config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":%s,"digest":"sha256:%s"},"layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":%s,"digest":"sha256:%s"}]}' \
  "$kind" "$(wc -c <config.json)" "$(sum config.json)" "$(wc -c <layer.tar.gz)" "$(sum layer.tar.gz)" >manifest.json
ask -X PUT -H "Content-Type: $kind" --data-binary @manifest.json "$base/manifests/v1"
"#;
