//! How much room blobs take, where the storage is a file system.

use kreg_k8s::Storage;

use super::collector::Collector;
use crate::error::Error;
use crate::registry::Registry;

/// distribution, registry/storage/paths.go, below its root directory.
const BLOBS: &str = "/var/lib/registry/docker/registry/v2/blobs";
/// Paths on one command line: about 32 KiB.
const AT_A_TIME: usize = 200;

/// The sum in bytes. `None` for S3, and where the registry's image has no `stat`.
pub(super) async fn size(
    collector: &Collector,
    registry: &Registry,
    digests: &[String],
) -> Result<Option<u64>, Error> {
    let inventory = registry.state().await?.inventory;
    let in_bucket = inventory
        .and_then(|inventory| inventory.declared)
        .is_some_and(|declared| matches!(declared.storage, Storage::S3(_)));
    if in_bucket {
        return Ok(None);
    }
    let mut sum = 0;
    for some in digests.chunks(AT_A_TIME) {
        let paths: Vec<_> = some.iter().filter_map(|digest| path(digest)).collect();
        let mut command = vec!["stat", "-c", "%s"];
        command.extend(paths.iter().map(String::as_str));
        let said = collector.run(&command).await?;
        let sizes: Option<Vec<u64>> = said.stdout.lines().map(|line| line.parse().ok()).collect();
        match sizes {
            Some(sizes) if said.good && sizes.len() == some.len() => {
                sum += sizes.iter().sum::<u64>();
            }
            _ => return Ok(None),
        }
    }
    Ok(Some(sum))
}

/// `None` for what is not a digest: it could be any path.
fn path(digest: &str) -> Option<String> {
    let (algorithm, hex) = digest.split_once(':')?;
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric());
    let first = hex.get(..2).filter(|_| plain(algorithm) && plain(hex))?;
    Some(format!("{BLOBS}/{algorithm}/{first}/{hex}/data"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_a_path_and_nothing_else_is() {
        assert_eq!(
            path("sha256:abcd").as_deref(),
            Some("/var/lib/registry/docker/registry/v2/blobs/sha256/ab/abcd/data")
        );
        for bad in [
            "",
            "sha256",
            "sha256:",
            "sha256:a",
            "sha256:../..",
            "a/b:cdef",
        ] {
            assert_eq!(path(bad), None, "{bad}");
        }
    }
}
