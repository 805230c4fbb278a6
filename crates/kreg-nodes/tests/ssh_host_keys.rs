//! Host keys over SSH, with a real sshd: unknown, new, changed, revoked.
#![cfg(all(unix, feature = "ssh"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may panic"
)]

mod common;

use std::fs;
use std::process::Command;
use std::time::Duration;

use common::sshd::Sshd;
use kreg_nodes::ssh::{Ssh, SshConfig};
use kreg_nodes::{Node, NodeTransport, TransportError, TransportErrorKind as Kind};

fn run(config: SshConfig, node: &Node) -> Result<String, TransportError> {
    let output = Ssh::new(config).run(node, "id -un\n", Duration::from_secs(30))?;
    Ok(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

/// The fingerprint of the container's key, by ssh-keygen.
fn fingerprint(sshd: &Sshd) -> String {
    let told = sshd.exec("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub");
    told.split_whitespace().nth(1).unwrap().to_owned()
}

#[test]
#[ignore = "needs Docker with image kreg.test/sshd:12: run by cargo xtask test"]
fn host_keys() {
    let sshd = Sshd::start();
    let node = sshd.node();
    assert_eq!(run(sshd.config("root"), &node).unwrap(), "root");
    let right = fs::read_to_string(sshd.known_hosts()).unwrap();

    // Unknown: refused, with the fingerprint and a command that really adds the key.
    fs::remove_file(sshd.known_hosts()).unwrap();
    let error = run(sshd.config("root"), &node).unwrap_err();
    assert!(error.to_string().contains(&fingerprint(&sshd)), "{error}");
    let Kind::HostKeyUnknown { add, .. } = &*error.kind else {
        panic!("{error:?}");
    };
    assert!(error.is_unreachable() && error.step() == "host key");
    assert!(error.remedy().contains(add), "{}", error.remedy());
    assert!(
        !sshd.known_hosts().exists(),
        "nothing is written unless asked"
    );
    let added = Command::new("sh").args(["-c", add]).output().unwrap();
    assert!(added.status.success(), "{add}: {added:?}");
    assert_eq!(run(sshd.config("root"), &node).unwrap(), "root", "{add}");

    // accept-new: written once, and then known to ssh too.
    fs::write(sshd.known_hosts(), "# mine, without an end").unwrap();
    let accepting = sshd.config("root").accept_new(true);
    assert_eq!(run(accepting.clone(), &node).unwrap(), "root");
    let text = fs::read_to_string(sshd.known_hosts()).unwrap();
    let (mine, line) = text.split_once('\n').unwrap();
    assert_eq!(mine, "# mine, without an end");
    // Whatever type was chosen, the type that is known is asked for from then on.
    assert_eq!(line.lines().count(), 1);
    assert!(
        line.starts_with(&format!("[127.0.0.1]:{} ", sshd.port)),
        "{line}"
    );
    assert_eq!(run(sshd.config("root"), &node).unwrap(), "root");
    assert_eq!(run(accepting.clone(), &node).unwrap(), "root");
    assert_eq!(fs::read_to_string(sshd.known_hosts()).unwrap(), text);

    // Changed: refused even so, and the line named; the remedy removes it.
    let other = sshd.keygen("other", "").with_extension("pub");
    let other = fs::read_to_string(other).unwrap();
    let key: Vec<&str> = other.split_whitespace().collect();
    let wrong = format!(
        "# a comment\n[127.0.0.1]:{} {} {}\n",
        sshd.port, key[0], key[1]
    );
    fs::write(sshd.known_hosts(), &wrong).unwrap();
    let error = run(accepting, &node).unwrap_err();
    let at = format!("{}:2", sshd.known_hosts().display());
    let Kind::HostKeyChanged {
        known_at, remove, ..
    } = &*error.kind
    else {
        panic!("{error:?}");
    };
    assert_eq!(*known_at, at);
    let said = error.to_string();
    assert!(
        said.contains(&at) && said.contains(&fingerprint(&sshd)),
        "{said}"
    );
    assert_eq!(fs::read_to_string(sshd.known_hosts()).unwrap(), wrong);
    let removed = Command::new("sh").args(["-c", remove]).output().unwrap();
    assert!(removed.status.success(), "{remove}: {removed:?}");
    let error = run(sshd.config("root"), &node).unwrap_err();
    assert!(
        matches!(*error.kind, Kind::HostKeyUnknown { .. }),
        "{error:?}"
    );

    // Revoked: refused though it is known as well.
    fs::write(
        sshd.known_hosts(),
        format!("{right}@revoked {}", right.replace('[', "*[")),
    )
    .unwrap();
    let error = run(sshd.config("root"), &node).unwrap_err();
    assert!(
        matches!(*error.kind, Kind::HostKeyRevoked { .. }),
        "{error:?}"
    );

    // A file that cannot be read is no empty one.
    fs::remove_file(sshd.known_hosts()).unwrap();
    fs::create_dir(sshd.known_hosts()).unwrap();
    let error = run(sshd.config("root"), &node).unwrap_err();
    assert!(
        matches!(*error.kind, Kind::KnownHosts { tried: "read", .. }),
        "{error:?}"
    );
}
