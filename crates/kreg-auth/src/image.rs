//! Which part of an image reference is the registry.
//!
//! The rule of `distribution/reference`, `normalize.go`, `splitDockerDomain`, which Docker,
//! containerd, CRI-O and the kubelet share.

/// Docker Hub's name in normalised references.
const DOCKER_HUB: &str = "docker.io";

/// Whether clients take this first part of a reference for a registry.
pub(crate) fn is_domain(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost" || first.chars().any(|c| c.is_uppercase())
}

/// The registry, if the reference names one, and the rest.
pub(crate) fn split_domain(reference: &str) -> (Option<&str>, &str) {
    match reference.split_once('/') {
        Some((first, rest)) if is_domain(first) => (Some(first), rest),
        _ => (None, reference),
    }
}

/// The repository with its registry spelled out and without tag and digest, as the kubelet
/// looks it up: `nginx:1` becomes `docker.io/library/nginx`.
pub(crate) fn repository(reference: &str) -> String {
    let (domain, rest) = split_domain(reference);
    let rest = rest.split('@').next().unwrap_or_default();
    let path = match rest.rfind(':') {
        Some(colon) if !rest[colon..].contains('/') => &rest[..colon],
        _ => rest,
    };
    match domain {
        None | Some(DOCKER_HUB | "index.docker.io") if !path.contains('/') => {
            format!("{DOCKER_HUB}/library/{path}")
        }
        None | Some("index.docker.io") => format!("{DOCKER_HUB}/{path}"),
        Some(domain) => format!("{domain}/{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_spelled_out() {
        for (reference, expected) in [
            ("nginx", "docker.io/library/nginx"),
            ("nginx:1.27", "docker.io/library/nginx"),
            ("docker.io/nginx@sha256:ab", "docker.io/library/nginx"),
            ("index.docker.io/team/app", "docker.io/team/app"),
            ("docker-registry/app:v1", "docker.io/docker-registry/app"),
            ("docker-registry:5000/app:v1", "docker-registry:5000/app"),
            ("r.example/a/b:v1@sha256:ab", "r.example/a/b"),
            ("localhost/app", "localhost/app"),
        ] {
            assert_eq!(repository(reference), expected, "{reference}");
        }
    }
}
