//! Which directory containerd reads for a host.

use kreg_auth::RegistryHost;

/// The directories below a root of `config_path` that containerd tries for `host`, in its
/// order: the first that exists is read and the others are not (containerd
/// `core/remotes/docker/config/config_unix.go`).
#[must_use]
pub fn candidates(host: &RegistryHost) -> Vec<String> {
    let written = host.to_string();
    let mut names = Vec::with_capacity(3);
    if let (Some((name, port)), Some(_)) = (written.rsplit_once(':'), host.written_port()) {
        names.push(format!("{name}_{port}_"));
    }
    names.push(written);
    names.push("_default".to_owned());
    names
}

/// The directory below `root` that kreg writes for `host`.
#[must_use]
pub fn own_dir(root: &str, host: &RegistryHost) -> String {
    format!("{}/{host}", root.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spells_hosts_as_containerd_does() {
        let of = |host: &str| candidates(&host.parse().unwrap());
        assert_eq!(
            of("docker-registry:5000"),
            ["docker-registry_5000_", "docker-registry:5000", "_default"]
        );
        assert_eq!(of("r.example.com"), ["r.example.com", "_default"]);
        assert_eq!(
            of("[fd00::10]:5000"),
            ["[fd00::10]_5000_", "[fd00::10]:5000", "_default"]
        );
    }
}
