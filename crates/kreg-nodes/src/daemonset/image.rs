//! Which image agents run: the one that the registry's own Pod runs.

/// An image, and whether a node may fetch it.
///
/// It is known by its digest where a runtime knows that: then every node runs the very bytes that the registry runs,
/// whatever becomes of the tag. An image that was loaded into a node (`ctr images import`, `kind load`) has no digest in
/// a registry; agents run it by its tag, and no node may fetch another one of that name instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentImage {
    reference: String,
    loaded: bool,
}

impl AgentImage {
    /// As a person or the registry's record names it, where no Pod of the registry runs yet, or any more.
    #[must_use]
    pub fn named(image: &str) -> AgentImage {
        AgentImage {
            reference: image.to_owned(),
            loaded: false,
        }
    }

    /// As a Pod runs it: `image` is that of its container, `image_id` the kubelet's
    /// `status.containerStatuses[].imageID`.
    ///
    /// The kubelet takes the imageID from the runtime's `ImageRef`: `REPOSITORY@sha256:...` where the image was pulled,
    /// the image's own id (`sha256:...`, with CRI-O without the prefix) where it has no such digest. Docker's shim puts
    /// `docker-pullable://` or `docker://` before it. A digest under another repository is no digest of this image: by
    /// `ctr images import --digests` every node makes up a name of its own.
    #[must_use]
    pub fn running(image: &str, image_id: &str) -> AgentImage {
        let id = image_id.rsplit_once("://").map_or(image_id, |(_, id)| id);
        let pulled = match id.split_once('@') {
            Some((repository, digest)) => {
                is_digest(digest) && full_name(repository) == full_name(repository_of(image))
            }
            None => false,
        };
        match (pulled, image.contains('@')) {
            // A digest that was named is the one that runs.
            (_, true) => AgentImage::named(image),
            (true, false) => AgentImage::named(id),
            (false, false) => AgentImage {
                reference: image.to_owned(),
                loaded: true,
            },
        }
    }

    /// What to write as the container's `image`.
    #[must_use]
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// What to write as its `imagePullPolicy`.
    #[must_use]
    pub fn pull_policy(&self) -> &'static str {
        match self.loaded {
            true => "Never",
            false => "IfNotPresent",
        }
    }
}

fn is_digest(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:");
    hex.is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// An image's name without tag and digest.
fn repository_of(image: &str) -> &str {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    match name[last..].find(':') {
        Some(colon) => &name[..last + colon],
        None => name,
    }
}

/// As the runtimes complete a short name (`ParseDockerRef` of github.com/distribution/reference).
fn full_name(repository: &str) -> String {
    let short = |first: &str| !first.contains(['.', ':']) && first != "localhost";
    match repository.split_once('/') {
        None => format!("docker.io/library/{repository}"),
        Some(("index.docker.io", rest)) => full_name(&format!("docker.io/{rest}")),
        Some(("docker.io", rest)) if !rest.contains('/') => format!("docker.io/library/{rest}"),
        Some((first, _)) if short(first) => format!("docker.io/{repository}"),
        Some(_) => repository.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "6e5aa1211b1b08d8116074d86f90c64fdb94ddbfb7abe2ed938135f2b1c0bef2";

    #[test]
    fn a_pulled_image_is_run_by_its_digest() {
        let cases = [
            ("registry:2.8.3", "docker.io/library/registry"),
            (
                "docker.io/library/registry:2.8.3",
                "docker.io/library/registry",
            ),
            ("docker.io/registry:2", "docker.io/library/registry"),
            ("registry", "registry"),
            ("team/registry:2", "docker.io/team/registry"),
            ("localhost:5000/registry:2", "localhost:5000/registry"),
            ("r.example/a/b/registry:2", "r.example/a/b/registry"),
        ];
        for (image, repository) in cases {
            for before in ["", "docker-pullable://"] {
                let id = format!("{repository}@sha256:{HEX}");
                let found = AgentImage::running(image, &format!("{before}{id}"));
                assert_eq!(
                    (found.reference(), found.pull_policy()),
                    (id.as_str(), "IfNotPresent"),
                    "{image}"
                );
            }
        }
    }

    #[test]
    fn a_loaded_image_is_run_by_its_tag_and_never_fetched() {
        let ids = [
            // containerd, CRI-O, Docker's shim, an import with a name made up, nothing known.
            format!("sha256:{HEX}"),
            HEX.to_owned(),
            format!("docker://sha256:{HEX}"),
            format!("docker.io/library/import-2026-11-30@sha256:{HEX}"),
            "docker.io/library/registry@sha256:short".to_owned(),
            String::new(),
        ];
        for id in ids {
            let found = AgentImage::running("registry:2.8.3", &id);
            assert_eq!(
                (found.reference(), found.pull_policy()),
                ("registry:2.8.3", "Never"),
                "{id}"
            );
        }
    }

    #[test]
    fn a_digest_that_was_named_stays() {
        let image = format!("r.example/registry:2@sha256:{HEX}");
        for id in [
            format!("r.example/registry@sha256:{HEX}"),
            format!("sha256:{HEX}"),
        ] {
            let found = AgentImage::running(&image, &id);
            assert_eq!(
                (found.reference(), found.pull_policy()),
                (image.as_str(), "IfNotPresent")
            );
        }
    }
}
