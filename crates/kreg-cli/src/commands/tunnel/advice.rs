//! `--trust print`: what each client needs, as commands that a person may run instead.

use std::fmt;
use std::net::IpAddr;

use kreg::Standing;
use kreg_nodes::{EditKind, client_files, quote};
use serde::Serialize;

use super::registry::Registry;
use super::trust;
use crate::error::Error;
use crate::session::Session;

/// Everything, for programs; as text, a script with comments.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Advice {
    registry: String,
    address: IpAddr,
    user: String,
    files: Vec<File>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct File {
    path: String,
    content: String,
    /// Only these lines of the file are meant.
    block: bool,
}

impl Advice {
    pub(super) fn new(session: &Session, registry: &Registry) -> Result<Self, Error> {
        let (trust, address) = trust::trust(session.registry.place().instance(), registry, None)?;
        let file = |kind: EditKind| match kind {
            EditKind::Block { path, text } => File {
                path,
                content: text,
                block: true,
            },
            EditKind::File { path, content, .. } => File {
                path,
                content,
                block: false,
            },
            other => File {
                path: other.path().to_owned(),
                content: String::new(),
                block: false,
            },
        };
        Ok(Self {
            registry: registry.host.to_string(),
            address,
            user: Standing::of(session.registry.place(), registry.state.clone())
                .map(|standing| standing.credentials)
                .map_or_else(|_| "USER".to_owned(), |held| held.username().to_owned()),
            files: client_files(&trust).into_iter().map(file).collect(),
        })
    }

    fn path_with(&self, part: &str) -> &str {
        let found = self.files.iter().find(|file| file.path.contains(part));
        found.map_or("", |file| file.path.as_str())
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            registry, address, ..
        } = self;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let user = quote(&self.user);
        let ca = quote(self.path_with("/containers/"));
        let buildkit = quote(self.path_with("/buildkit/"));
        write!(
            f,
            "\
# What clients on this machine need for {registry}. As root, `kreg tunnel --trust install` does all of it
# for as long as the tunnel is open; by hand it is this, as root, and the tunnel with --address.

# The name. Docker verifies no registry whose name leads to 127.0.0.0/8, so the tunnel listens on the
# registry's own address, on the loopback device.
ip address add {address}/{bits} dev lo
"
        )?;
        for file in &self.files {
            let (path, into) = (quote(&file.path), if file.block { ">>" } else { ">" });
            let folder = file.path.rsplit_once('/').map_or("/", |(folder, _)| folder);
            if !file.block {
                writeln!(f, "mkdir -p {}", quote(folder))?;
            }
            writeln!(
                f,
                "cat {into} {path} <<'EOF'\n{}\nEOF",
                file.content.trim_end()
            )?;
        }
        write!(
            f,
            "
# Docker, podman, skopeo and buildah read the CA where it is now. Others are told:
#   crane       SSL_CERT_FILE={ca} crane ...
#   buildkitd   buildkitd --config {buildkit}
#   buildx      docker buildx create --driver-opt network=host --buildkitd-config {buildkit}

# The tunnel.
#   kreg tunnel --address {address}

# Logging in, with the password on standard input:
#   docker login --username {user} --password-stdin {registry}
#   podman login --username {user} --password-stdin {registry}
#   skopeo login --username {user} --password-stdin {registry}
#   SSL_CERT_FILE={ca} crane auth login --username {user} --password-stdin {registry}
# or, for one command, with the user that the cluster holds:
#   kreg tunnel --trust install --login -- docker push {registry}/NAME:TAG
"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_a_script_that_a_shell_reads_and_names_every_file() {
        let file = |path: &str, content: &str, block| File {
            path: path.to_owned(),
            content: content.to_owned(),
            block,
        };
        let advice = Advice {
            registry: "docker-registry:5000".to_owned(),
            address: "10.96.0.50".parse().unwrap(),
            user: "o'hara".to_owned(),
            files: vec![
                file(
                    "/etc/containers/certs.d/docker-registry:5000/ca.crt",
                    "PEM\n",
                    false,
                ),
                file(
                    "/etc/hosts",
                    "# BEGIN\n10.96.0.50 docker-registry\n# END\n",
                    true,
                ),
            ],
        };
        let text = advice.to_string();
        for part in [
            "ip address add 10.96.0.50/32 dev lo\n",
            "<<'EOF'\nPEM\nEOF\n",
            "cat >> '/etc/hosts'",
            "--username 'o'\\''hara'",
            "SSL_CERT_FILE='/etc/containers/certs.d/docker-registry:5000/ca.crt'",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        use std::io::Write as _;
        let mut shell = std::process::Command::new("sh")
            .arg("-n")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        shell
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        assert!(shell.wait().unwrap().success());
    }
}
