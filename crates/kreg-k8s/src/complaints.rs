//! What the registry itself complains of: a client gets `500 UNKNOWN`, and the reason stands in the log alone.

use crate::{
    cluster::{Cluster, Query},
    error::Error,
    kind::Kind,
    names::pod_selector,
    place::Place,
};

const CONTAINER: &str = "registry";
const LINES: u32 = 40;

/// The errors that the registry's Pods logged last, each once; empty if they cannot be read.
///
/// # Errors
/// If the Pods cannot be listed.
pub async fn complaints(cluster: &dyn Cluster, place: &Place) -> Result<Vec<String>, Error> {
    let query = Query::all(Kind::Pod)
        .within(place.namespace())
        .labelled(pod_selector(place.instance()));
    let mut found = Vec::new();
    for pod in cluster.list(&query).await? {
        // A Pod on its way out has no log to give.
        let log = cluster.pod_log(pod.reference(), CONTAINER, false, LINES);
        for detail in log.await.unwrap_or_default().lines().filter_map(detail) {
            if !found.contains(&detail) {
                found.push(detail);
            }
        }
    }
    Ok(found)
}

/// The first line of `err.detail` in a line of logrus' text format at level `error`.
fn detail(line: &str) -> Option<String> {
    if !line.contains(" level=error ") {
        return None;
    }
    let (_, rest) = line.split_once(" err.detail=")?;
    // Quoted as Go's %q, which JSON reads except for rare escapes; a word without blanks has no quotes.
    let text = match rest.starts_with('"') {
        true => serde_json::Deserializer::from_str(rest)
            .into_iter::<String>()
            .next()?
            .ok()?,
        false => rest.split(' ').next()?.to_owned(),
    };
    text.lines().next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_read_without_what_differs_each_time() {
        let line = r#"time="2026-11-24T17:03:54Z" level=error msg="response completed with error" err.code=unknown err.detail="s3aws: NoSuchBucket: The \"bucket\" does not exist.\n\tstatus code: 404, request id: NJYO" err.message="unknown error""#;
        assert_eq!(
            detail(line).as_deref(),
            Some(r#"s3aws: NoSuchBucket: The "bucket" does not exist."#)
        );
        let plain = r#"time="x" level=error msg="y" err.code=unknown err.detail=EOF go.version=z"#;
        assert_eq!(detail(plain).as_deref(), Some("EOF"));
        for other in ["", "GET /v2/ 200", r#"time="x" level=info err.detail="no""#] {
            assert_eq!(detail(other), None, "{other}");
        }
    }
}
