//! What the `imports` of a configuration mean (containerd `cmd/containerd/server/config/config.go`).

/// The path or pattern that a file names: a relative one is seen from the file's own directory.
pub(super) fn absolute(parent: &str, import: &str) -> String {
    if import.starts_with('/') {
        return import.to_owned();
    }
    let folder = parent.rsplit_once('/').map_or("", |(folder, _)| folder);
    format!("{folder}/{}", import.trim_start_matches("./"))
}

/// Whether `path` fits a pattern in which `*` stands for anything but `/`, as in Go's
/// `filepath.Glob`.
pub(super) fn glob(pattern: &str, path: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| path.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    for (number, part) in parts.iter().enumerate() {
        let at = match number + 1 == parts.len() {
            true if rest.len() >= part.len() && rest.ends_with(part) => rest.len() - part.len(),
            true => return false,
            false => match rest.find(part) {
                Some(at) => at,
                None => return false,
            },
        };
        if rest[..at].contains('/') {
            return false;
        }
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_as_go_does() {
        assert!(glob("/etc/c/*.toml", "/etc/c/a.toml"));
        assert!(glob("/etc/c/*.toml", "/etc/c/.toml"));
        assert!(!glob("/etc/c/*.toml", "/etc/c/d/a.toml"));
        assert!(!glob("/etc/c/*.toml", "/etc/c/a.toml.bak"));
        assert!(glob("/etc/*/a*.toml", "/etc/c/ab.toml"));
        assert!(!glob("/etc/c/a.toml", "/etc/c/a.toml2"));
    }

    #[test]
    fn a_relative_import_lies_beside_its_file() {
        let of = |import| absolute("/etc/containerd/config.toml", import);
        assert_eq!(of("/run/a.toml"), "/run/a.toml");
        assert_eq!(of("conf.d/*.toml"), "/etc/containerd/conf.d/*.toml");
        assert_eq!(of("./a.toml"), "/etc/containerd/a.toml");
    }
}
