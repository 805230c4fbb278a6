//! What client programs read on a person's own machine.

use super::EditKind;
use crate::hosts_file::{Block, HOSTS};
use crate::{Trust, containers, docker};

/// Every file that clients need to reach and to trust the registry, and none of its secrets:
///
/// - Docker's CA, below `/etc/docker/certs.d`;
/// - podman's, skopeo's and buildah's, below `/etc/containers/certs.d`; Go programs that know no such
///   directory (crane) take it by `SSL_CERT_FILE`;
/// - a configuration for buildkitd in `/etc/buildkit`, under a name that it does not read by itself;
/// - a line in `/etc/hosts`, if the trust has an endpoint.
///
/// Docker resolves a registry's name, and verifies nothing that leads to 127.0.0.0/8 or `::1`
/// (moby `daemon/pkg/registry/config.go`), so the endpoint must be another address.
///
/// ```
/// use kreg_nodes::{InstanceId, Trust, client_files};
/// # let ca_pem = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n";
/// let trust = Trust::new(InstanceId::new("tunnel-r")?, "docker-registry:5000".parse()?, ca_pem)?
///     .with_endpoint("10.96.0.50".parse()?);
/// let paths: Vec<_> = client_files(&trust).iter().map(|kind| kind.path().to_owned()).collect();
/// assert_eq!(paths, [
///     "/etc/docker/certs.d/docker-registry:5000/ca.crt",
///     "/etc/containers/certs.d/docker-registry:5000/ca.crt",
///     "/etc/buildkit/docker-registry-5000.toml",
///     "/etc/hosts",
/// ]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn client_files(trust: &Trust) -> Vec<EditKind> {
    let host = trust.host();
    let ca = format!("{}/{host}/ca.crt", containers::CERTS_D);
    let docker_ca = format!("{}/{host}/ca.crt", docker::CERTS_D);
    let file = |path, content: &str| EditKind::of_trust(trust, path, content);
    let buildkit = format!("[registry.\"{host}\"]\n  ca = [\"{ca}\"]\n");
    let mut files = vec![
        file(docker_ca, trust.ca_pem()),
        file(ca, trust.ca_pem()),
        file(
            format!("/etc/buildkit/{}-{}.toml", host.name(), host.port()),
            &buildkit,
        ),
    ];
    // An address as a name needs no line.
    if let (Some(address), None) = (trust.endpoint(), host.ip()) {
        files.push(EditKind::Block {
            path: HOSTS.to_owned(),
            text: Block::new(trust.instance(), address, host.name()).text(),
        });
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Answer, InstanceId, LocalRoot, Node, NodeFacts, NodePlan, NodeProgram, NodeTransport,
        ProbeRequest, State,
    };

    const CA: &str = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n";

    fn trust() -> Trust {
        Trust::new(
            InstanceId::new("tunnel-r").unwrap(),
            "docker-registry:5000".parse().unwrap(),
            CA,
        )
        .unwrap()
        .with_endpoint("10.96.0.50".parse().unwrap())
    }

    fn run(root: &std::path::Path, program: &NodeProgram) -> crate::Output {
        let timeout = std::time::Duration::from_secs(60);
        LocalRoot::new(root)
            .run(&Node::new("here", ""), program.script(), timeout)
            .unwrap()
    }

    fn facts(root: &std::path::Path) -> NodeFacts {
        let trust = trust();
        let paths = client_files(&trust);
        let probe = ProbeRequest::new(&trust).with(paths.iter().map(|kind| kind.path().to_owned()));
        NodeFacts::decode(&run(root, &NodeProgram::probe(&probe)).stdout).unwrap()
    }

    #[test]
    fn a_machine_without_any_runtime_comes_to_trust_and_is_put_back() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("etc")).unwrap();
        std::fs::write(root.path().join("etc/hosts"), "127.0.0.1 localhost\n").unwrap();
        let plan = NodePlan::for_clients(&facts(root.path()), &trust()).unwrap();
        assert!(!plan.is_unchanged());
        let answer = Answer::read(&run(root.path(), &NodeProgram::apply(&plan))).unwrap();
        assert_eq!(answer.state, State::Changed);
        let read = |path: &str| std::fs::read_to_string(root.path().join(path)).unwrap();
        let buildkit = read("etc/buildkit/docker-registry-5000.toml");
        let parsed: toml::Table = buildkit.parse().unwrap();
        let ca = parsed["registry"]["docker-registry:5000"]["ca"][0]
            .as_str()
            .unwrap();
        assert_eq!(read(ca.trim_start_matches('/')), CA);
        assert_eq!(read("etc/docker/certs.d/docker-registry:5000/ca.crt"), CA);
        assert!(read("etc/hosts").contains("\n10.96.0.50 docker-registry\n"));
        let again = NodePlan::for_clients(&facts(root.path()), &trust()).unwrap();
        assert!(again.is_unchanged(), "{again}");

        run(root.path(), &NodeProgram::undo(trust().instance()));
        assert_eq!(read("etc/hosts"), "127.0.0.1 localhost\n");
        let left: Vec<_> = std::fs::read_dir(root.path().join("etc"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["hosts"]);
    }

    #[test]
    fn another_ca_of_somebody_else_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let folder = root
            .path()
            .join("etc/containers/certs.d/docker-registry:5000");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("ca.crt"), "mine\n").unwrap();
        let refused = NodePlan::for_clients(&facts(root.path()), &trust()).unwrap_err();
        assert!(
            refused.reason().contains("was not written by kreg"),
            "{refused:?}"
        );
    }
}
