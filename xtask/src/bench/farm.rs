//! Many containers with sshd, which go however this process ends.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Failure, Result, Tried as _};
use crate::images::{SSHD, catalogue};
use crate::process::Run;
use crate::progress::say;

/// How many containers are started at once, and how long all of them may take.
const STARTING: usize = 8;
const PATIENCE: Duration = Duration::from_secs(600);

/// A node like the image's, with one host key: the others take long to make, and no client of
/// these asks for them. Tells its address and key when it is ready.
const NODE: &str = r#"set -eu
mkdir -p /root/.ssh /run/sshd
cp /shared/id.pub /root/.ssh/authorized_keys
ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
read -r kind key rest </etc/ssh/ssh_host_ed25519_key.pub
address=$(hostname -i)
printf '%s %s %s\n' "$address" "$kind" "$key" >"/shared/$(hostname).new"
mv "/shared/$(hostname).new" "/shared/$(hostname).node"
exec /usr/sbin/sshd -D
"#;

/// Removes what bears the label once its standard input ends, and so even if this process is
/// killed.
const GUARDIAN: &str = r#"trap '' INT TERM HUP
cat >/dev/null
# Again and again: one may be about to start, or on its way out.
tries=0
while [ $tries -lt 60 ]; do
  docker ps --all --quiet --filter "label=$1" | xargs -r docker rm --force --volumes
  docker network rm "$2"
  [ -n "$(docker network ls --quiet --filter "name=^$2\$")" ] || break
  tries=$((tries + 1))
  sleep 1
done >/dev/null 2>&1
rm -rf -- "$3"
"#;

/// The containers, and the key that all of them let in.
pub(super) struct Farm {
    guardian: Child,
    folder: PathBuf,
    addresses: Vec<String>,
}

impl Farm {
    /// Starts this many; none is left when the value is dropped.
    pub(super) fn start(nodes: usize) -> Result<Self> {
        let sshd = catalogue().into_iter().find(|recipe| recipe.tag() == SSHD);
        if let Some(recipe) = sshd {
            recipe.build()?;
        }
        let name = format!("kreg-bench-{}", std::process::id());
        let folder = tempfile::Builder::new()
            .prefix("kreg-bench-")
            .tempdir()
            .tried(|| "make a directory for keys".to_owned())?
            .keep();
        // From here on whatever happens is cleaned up.
        let mut farm = Self {
            guardian: guardian(&name, &folder)?,
            folder,
            addresses: Vec::new(),
        };
        Run::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(farm.identity())
            .run()?;
        Run::new("docker")
            .args(["network", "create", "--label", &name, &name])
            .run()?;
        say(format!("starting {nodes} nodes"));
        start_all(&name, &farm.folder, nodes)?;
        farm.addresses = all_ready(&farm.folder, nodes)?;
        Ok(farm)
    }

    /// Where the nodes are.
    pub(super) fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// The private key.
    pub(super) fn identity(&self) -> PathBuf {
        self.file("id")
    }

    /// Every node's host key, as ssh wants it.
    pub(super) fn known_hosts(&self) -> PathBuf {
        self.file("known_hosts")
    }

    /// A file that goes with the farm.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

impl Drop for Farm {
    fn drop(&mut self) {
        say("taking the nodes away");
        drop(self.guardian.stdin.take());
        let _ = self.guardian.wait();
    }
}

fn guardian(name: &str, folder: &Path) -> Result<Child> {
    // A session of its own: Ctrl-C on the terminal is not for it.
    Command::new("setsid")
        .args(["sh", "-c", GUARDIAN, "kreg-bench", name, name])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .tried(|| "start the process that cleans up".to_owned())
}

fn start_all(name: &str, folder: &Path, nodes: usize) -> Result<()> {
    let next = AtomicUsize::new(0);
    let start = || -> Result<()> {
        while next.fetch_add(1, Ordering::Relaxed) < nodes {
            Run::new("docker")
                .args(["run", "--detach", "--label", name, "--network", name])
                .arg("--volume")
                .arg(format!("{}:/shared", folder.display()))
                .args(["--entrypoint", "sh", SSHD, "-c", NODE])
                .run()?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let starters: Vec<_> = (0..STARTING).map(|_| scope.spawn(start)).collect();
        starters.into_iter().try_for_each(|starter| {
            let lost = || Err(Failure::new("start nodes", "one of the threads panicked"));
            starter.join().unwrap_or_else(|_| lost())
        })
    })
}

/// Waits until each listens; writes known_hosts.
fn all_ready(folder: &Path, nodes: usize) -> Result<Vec<String>> {
    let begun = Instant::now();
    loop {
        let told = told(folder)?;
        let listens = |address: &str| {
            let address: Option<SocketAddr> = format!("{address}:22").parse().ok();
            address
                .is_some_and(|at| TcpStream::connect_timeout(&at, Duration::from_secs(2)).is_ok())
        };
        if told.len() == nodes && told.iter().all(|(address, _)| listens(address)) {
            let known: String = told
                .iter()
                .map(|(address, key)| format!("{address} {key}\n"))
                .collect();
            let file = folder.join("known_hosts");
            fs::write(&file, known).tried(|| format!("write {}", file.display()))?;
            return Ok(told.into_iter().map(|(address, _)| address).collect());
        }
        if begun.elapsed() > PATIENCE {
            let why = format!("{} of {nodes} are ready", told.len());
            return Err(Failure::new("start all nodes", why).next("docker logs says why"));
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// Address and host key of each node that has told them.
fn told(folder: &Path) -> Result<Vec<(String, String)>> {
    let read = || format!("read {}", folder.display());
    let mut told = Vec::new();
    for entry in fs::read_dir(folder).tried(read)? {
        let path = entry.tried(read)?.path();
        if path.extension().is_some_and(|end| end == "node") {
            let text = fs::read_to_string(&path).tried(read)?;
            if let Some((address, key)) = text.trim().split_once(' ') {
                told.push((address.to_owned(), key.to_owned()));
            }
        }
    }
    told.sort();
    Ok(told)
}
