//! Takes away what a proof brought: its Pods, and its image where the registry deletes.

use http::StatusCode;

use crate::causes::with_causes;
use crate::check::{Context, Outcome};
use crate::litter::Piece;
use crate::node_checks::{Cleared, NodeProof};

/// Clears up whatever became of the checks, and says what is left. `stopped`: they were cut off.
pub(crate) async fn cleanup(
    context: &Context,
    nodes: Option<&dyn NodeProof>,
    pushed: bool,
    stopped: bool,
) -> Outcome {
    let (mut done, mut left) = (Vec::new(), Vec::new());
    let image = async {
        if pushed {
            image(context).await
        } else {
            Ok(None)
        }
    };
    let run = context.image.nonce().short();
    let pods = async {
        match nodes {
            Some(nodes) => nodes.clear(&run, stopped).await,
            None => Ok(None),
        }
    };
    let (pods, image) = futures::join!(pods, image);
    let litter = litter(context).await;
    for result in [pods, image, litter] {
        match result {
            Ok(words) => done.extend(words),
            Err(words) => left.push(words),
        }
    }
    if left.is_empty() {
        let words = if done.is_empty() {
            "nothing to remove".to_owned()
        } else {
            done.join("; ")
        };
        Outcome::pass(words)
    } else {
        let mut outcome = Outcome::fail(left.join("; "));
        for line in done {
            outcome = outcome.with("removed", line);
        }
        outcome
    }
}

/// Deletes the index first, so that no moment shows an index whose parts are gone.
async fn image(context: &Context) -> Cleared {
    let client = context.client();
    let name = format!("{}:{}", context.repository, context.tag);
    for manifest in context.image.manifests().iter().rev() {
        let deleted = client
            .delete_manifest_and_tags(&context.repository, manifest)
            .await;
        match deleted {
            Err(error) if error.status() == Some(StatusCode::METHOD_NOT_ALLOWED) => {
                return Ok(Some(format!(
                    "{name} stays, the registry's deletion is off"
                )));
            }
            // Never pushed, or gone with the index: what is wanted holds.
            Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => {}
            Err(error) => {
                return Err(format!(
                    "{name} could not be deleted ({})",
                    with_causes(&error)
                ));
            }
            Ok(()) => {}
        }
    }
    Ok(Some(format!("{name} deleted")))
}

/// What checks noted, the newest first. Blobs lose their names; their bytes go with a garbage collection.
async fn litter(context: &Context) -> Cleared {
    let (client, pieces) = (context.client(), context.litter.pieces());
    let mut count = 0;
    for piece in &pieces {
        let (what, deleted) = match piece {
            Piece::Manifest(repository, manifest) => (
                format!("manifest {repository}@{}", manifest.digest),
                client.delete_manifest_and_tags(repository, manifest).await,
            ),
            Piece::Blob(repository, digest) => (
                format!("blob {repository}@{digest}"),
                client.delete_blob(repository, digest).await,
            ),
        };
        match deleted {
            Err(error) if error.status() == Some(StatusCode::METHOD_NOT_ALLOWED) => {
                return Ok(Some(format!("{} small pieces stay", pieces.len() - count)));
            }
            Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => {}
            Err(error) => {
                return Err(format!(
                    "{what} could not be deleted ({})",
                    with_causes(&error)
                ));
            }
            Ok(()) => count += 1,
        }
    }
    let pieces = if count == 1 { "piece" } else { "pieces" };
    Ok((count > 0).then(|| format!("{count} {pieces} of other checks deleted")))
}
