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

/// The roots in a `config_path`, as containerd splits it where CRI pulls by itself (`registryHosts` in
/// internal/cri/server/images/image_pull.go): in this order, until one of them has a directory for the
/// host.
#[must_use]
pub fn roots(config_path: &str) -> Vec<String> {
    let named = config_path.split(':').filter(|root| !root.is_empty());
    named.map(clean).collect()
}

/// The directories below which a host's own directory has to lie, so that containerd reads it whichever
/// way it pulls; kreg writes it below each of them.
///
/// CRI splits the list and reads the first root. From 2.1 on it leaves pulls to the transfer service,
/// unless it is told otherwise (`use_local_image_pull`) or by an option that the service does not know
/// (`CheckLocalImagePullConfigs` in internal/cri/config/config.go), and hands the list over unsplit
/// (`WithHostDir` in image_pull.go): the service takes all of it for the name of one directory.
#[must_use]
pub fn places(config_path: &str) -> Vec<String> {
    let mut places: Vec<String> = roots(config_path).into_iter().take(1).collect();
    if config_path.contains(':') {
        places.push(clean(config_path));
    }
    places
}

/// Whether every root is an absolute path without `.` and `..`. Of any other it depends on where
/// containerd was started, or on how it is joined, what is read.
pub(crate) fn is_plain(config_path: &str) -> bool {
    config_path.split(':').all(|root| {
        root.starts_with('/') && root.split('/').all(|part| !matches!(part, "." | ".."))
    })
}

/// As Go's `filepath.Clean` does with an absolute path without `.` and `..`.
fn clean(path: &str) -> String {
    let parts = path.split('/').filter(|part| !part.is_empty());
    parts.fold(String::new(), |all, part| all + "/" + part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_two_places_and_a_single_root_one() {
        assert_eq!(places("/a/b/"), ["/a/b"]);
        assert_eq!(places("/a/b:/c//d/"), ["/a/b", "/a/b:/c/d"]);
        assert_eq!(places("/a/:/b"), ["/a", "/a/:/b"]);
        assert_eq!(places(""), [""; 0]);
        assert_eq!(roots("/a:/b/:/c"), ["/a", "/b", "/c"]);
    }

    #[test]
    fn only_absolute_roots_are_plain() {
        assert!(is_plain("/a") && is_plain("/a:/b/"));
        for odd in ["a", "/a:b", ":/a", "/a:", "/a/../b", "/a:/./b"] {
            assert!(!is_plain(odd), "{odd}");
        }
    }

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
