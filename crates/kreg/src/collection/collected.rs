//! What became of a collection.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::Blobs;
use crate::error::Error;

/// What a collection removed, or would remove. `Display` says it to people.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Collected {
    /// The registry, as in image references.
    pub registry: String,
    /// Whether nothing was done, and nothing is to be.
    pub dry_run: bool,
    /// What went, or would go; of a collection that failed some may be left.
    #[serde(flatten)]
    pub blobs: Blobs,
    /// For how long this collection had pushes refused; in JSON in seconds. `None` if it did not come to that.
    #[serde(
        rename = "readOnlySeconds",
        skip_serializing_if = "Option::is_none",
        serialize_with = "seconds"
    )]
    pub refused_for: Option<Duration>,
    /// Whether an earlier collection had left the registry read-only.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub taken_up: bool,
    /// Why it failed, or was ended early; in JSON its message, without sources.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "words")]
    pub failed: Option<Error>,
}

fn seconds<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.as_secs_f64()).serialize(serializer)
}

fn words<S: Serializer>(error: &Option<Error>, serializer: S) -> Result<S::Ok, S::Error> {
    let words = error.as_ref().map(ToString::to_string);
    words.serialize(serializer)
}

impl fmt::Display for Collected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blobs = &self.blobs;
        match (&self.failed, blobs.digests.is_empty(), self.dry_run) {
            (Some(_), _, _) => write!(f, "not complete: of {blobs}, some may be left")?,
            (None, true, _) => f.write_str("every blob is needed by an image")?,
            (None, false, false) => write!(f, "removed {blobs}")?,
            (None, false, true) => {
                write!(f, "would remove {blobs}:\n{}", blobs.digests.join("\n"))?;
            }
        }
        match self.refused_for {
            Some(time) => write!(f, "; pushes were refused for {:.1} s", time.as_secs_f64()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::CollectionError;

    #[test]
    fn the_result_says_for_how_long_pushes_were_refused_also_where_it_failed() {
        let of = |failed: Option<Error>| {
            let collected = Collected {
                registry: "r:5000".to_owned(),
                dry_run: false,
                blobs: Blobs {
                    digests: vec!["sha256:aa".to_owned()],
                    bytes: Some(1536),
                },
                refused_for: Some(Duration::from_millis(21_260)),
                taken_up: false,
                failed,
            };
            let document = serde_json::to_value(&collected).unwrap();
            assert_eq!(document["readOnlySeconds"], 21.26);
            assert_eq!(document["blobs"][0], "sha256:aa");
            let words = collected.failed.as_ref().map(ToString::to_string);
            assert_eq!(document["failed"].as_str(), words.as_deref());
            collected.to_string()
        };
        let refused = "; pushes were refused for 21.3 s";
        assert_eq!(of(None), format!("removed 1 blob, 1.5 KiB{refused}"));
        let failed = of(Some(CollectionError::Interrupted.into()));
        assert!(
            failed.starts_with("not complete") && failed.ends_with(refused),
            "{failed}"
        );
    }
}
