//! Which release of containerd a node runs.

use serde::{Deserialize, Serialize};

/// A release: major, minor, patch (0 where it is not said).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version(
    /// Major.
    pub u32,
    /// Minor.
    pub u32,
    /// Patch.
    pub u32,
);

impl Version {
    /// The release in a line of `containerd --version`, or in what a cluster says of a node.
    #[must_use]
    pub fn parse(line: &str) -> Option<Version> {
        line.split_whitespace().find_map(|word| {
            let mut parts = word.trim_start_matches('v').split('.');
            let major = parts.next()?.parse().ok()?;
            let minor = parts.next()?.parse().ok()?;
            let patch = parts.next().unwrap_or_default();
            let digits = patch.split(|c: char| !c.is_ascii_digit()).next();
            let patch = digits.and_then(|digits| digits.parse().ok());
            Some(Version(major, minor, patch.unwrap_or(0)))
        })
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_releases() {
        let of = |line: &str| Version::parse(line);
        let debian = "containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3";
        assert_eq!(of(debian), Some(Version(1, 6, 20)));
        assert_eq!(
            of("containerd containerd.io 1.7.27 05044ec0"),
            Some(Version(1, 7, 27))
        );
        assert_eq!(
            of("containerd github.com/k3s-io/containerd v2.1.4-k3s1 x"),
            Some(Version(2, 1, 4))
        );
        assert_eq!(of("containerd 2.2"), Some(Version(2, 2, 0)));
        assert_eq!(of("no such thing"), None);
    }
}
