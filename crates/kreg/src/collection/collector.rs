//! distribution's own collector, run in the registry's Pod beside the registry.

use std::time::Duration;

use kreg_k8s::{PodState, Serving, Turn, pod_state};
use kreg_stream::{PodStreams, Program};

use super::blobs::Blobs;
use super::pods::pods;
use super::storage;
use super::switch::Switch;
use crate::error::{CollectionError, Error};
use crate::registry::Registry;

/// The registry's program, whatever it is called in its image: the container's first process.
const PROGRAM: &str = "/proc/1/exe";

/// What the collector and the registry itself may say at most.
const OUTPUT_MAX: usize = 256 << 20;

/// The longest that a program may take. A collector names every blob of the storage first, which takes hours in a large
/// bucket; the registry takes no pushes meanwhile, so that there has to be an end.
const LIMIT: Duration = Duration::from_secs(6 * 60 * 60);

/// One of the registry's Pods; each sees the same storage.
pub(super) struct Collector {
    streams: PodStreams,
    namespace: String,
    name: String,
}

/// How a program in the Pod ended.
pub(super) struct Said {
    pub(super) good: bool,
    /// The node has seen the program's end.
    pub(super) ended: bool,
    pub(super) stdout: String,
    stderr: String,
    reason: String,
}

impl Collector {
    /// In the newest Pod that is ready; in a turn, of the Pods that were started for it.
    pub(super) async fn of(registry: &Registry, turn: Option<&Turn>) -> Result<Self, Error> {
        let mut pods = pods(registry).await?;
        pods.retain(|pod| !pod.is_terminating() && pod_state(pod) == PodState::Ready);
        pods.retain(|pod| turn.is_none_or(|turn| turn.is_of(pod)));
        pods.sort_by_key(|pod| {
            pod.text("/metadata/creationTimestamp")
                .unwrap_or("")
                .to_owned()
        });
        let Some(pod) = pods.last() else {
            return Err(CollectionError::NoPod.into());
        };
        Ok(Self {
            streams: registry.streams()?.clone(),
            namespace: registry.place().namespace().to_owned(),
            name: pod.reference().name().to_owned(),
        })
    }

    /// The blobs that no image needs; nothing is removed.
    pub(super) async fn blobs(&self, registry: &Registry, was: Serving) -> Result<Blobs, Error> {
        let digests = self.look(was).await?;
        let bytes = storage::size(self, registry, &digests).await?;
        Ok(Blobs { digests, bytes })
    }

    /// Digests of the blobs that no image needs; nothing is removed.
    pub(super) async fn look(&self, serving: Serving) -> Result<Vec<String>, Error> {
        let file = serving.file();
        let said = self
            .run(&[PROGRAM, "garbage-collect", "--dry-run", &file])
            .await?;
        if said.is_empty_storage() {
            return Ok(Vec::new());
        }
        let said = said.judge("the registry's collector cannot say what is not needed")?;
        Ok(eligible(&said.stdout))
    }

    /// Removes them, in a turn of its own. The switch knows afterwards whether the collector may still run.
    pub(super) async fn collect(&self, switch: &mut Switch<'_>) -> Result<(), Error> {
        let file = Serving::ReadOnly.file();
        switch.collecting(true);
        let said = self.run(&[PROGRAM, "garbage-collect", &file]).await?;
        switch.collecting(!said.ended);
        if said.is_empty_storage() {
            return Ok(());
        }
        said.judge("the registry's collector failed half way")?;
        Ok(())
    }

    /// Runs a program in the registry's container.
    pub(super) async fn run(&self, command: &[&str]) -> Result<Said, Error> {
        let program = Program {
            namespace: &self.namespace,
            pod: &self.name,
            container: "registry",
            command,
            stdin: &[],
            limit: LIMIT,
            output_max: OUTPUT_MAX,
        };
        let ended = self.streams.exec(program).await;
        let ended = ended.map_err(|source| CollectionError::Program {
            command: command.join(" "),
            pod: self.name.clone(),
            source,
        })?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Said {
            good: ended.code() == Some(0),
            ended: ended.code().is_some(),
            stdout: text(&ended.stdout),
            stderr: text(&ended.stderr),
            reason: ended
                .status
                .message
                .unwrap_or_else(|| "it did not say how it ended".to_owned()),
        })
    }
}

impl Said {
    /// The collector does not know a storage that nothing was ever pushed to.
    fn is_empty_storage(&self) -> bool {
        let all = [self.stdout.as_str(), self.stderr.as_str()];
        !self.good
            && all.iter().any(|text| {
                text.contains("Path not found") && text.contains("docker/registry/v2/repositories")
            })
    }

    fn judge(self, what: &'static str) -> Result<Self, CollectionError> {
        if self.good {
            return Ok(self);
        }
        let said = [&self.stdout, &self.stderr, &self.reason];
        let last = said.iter().flat_map(|text| text.lines().last());
        Err(CollectionError::Collector {
            what,
            last: last.collect::<Vec<_>>().join("; "),
        })
    }
}

/// distribution, registry/storage/garbagecollect.go: one line a blob, in 2.8 and 3.x alike.
fn eligible(told: &str) -> Vec<String> {
    let digest = |line: &str| {
        let (_, digest) = line.split_once("blob eligible for deletion: ")?;
        Some(digest.trim().to_owned())
    };
    let mut found: Vec<_> = told.lines().filter_map(digest).collect();
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_out_of_what_the_collector_says() {
        let told = "app\napp: marking manifest sha256:aa \napp: marking blob sha256:bb\n\n2 blobs marked, 2 blobs and \
                    0 manifests eligible for deletion\nblob eligible for deletion: sha256:dd\nblob eligible for \
                    deletion: sha256:cc\n";
        assert_eq!(eligible(told), ["sha256:cc", "sha256:dd"]);
        assert!(eligible("").is_empty());
    }
}
