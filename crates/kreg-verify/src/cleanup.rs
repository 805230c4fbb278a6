//! Takes away what a proof brought: its Pods, and its image where the registry deletes.

use http::StatusCode;

use crate::check::{Context, Outcome};
use crate::litter::Piece;
use crate::pods::{RUN_LABEL, remove_pods};
use crate::registry::with_causes;

/// Clears up whatever became of the checks, and says what is left. `stopped`: they were cut off.
pub(crate) async fn cleanup(context: &Context, pushed: bool, stopped: bool) -> Outcome {
    let (mut done, mut left) = (Vec::new(), Vec::new());
    let image = async {
        match pushed {
            true => image(context).await,
            false => Ok(None),
        }
    };
    let (pods, image) = futures::join!(pods(context, stopped), image);
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

/// What was removed, or what was not and why.
type Cleared = Result<Option<String>, String>;

async fn pods(context: &Context, stopped: bool) -> Cleared {
    let Some(pulls) = &context.pods else {
        return Ok(None);
    };
    let (run, namespace) = (context.image.nonce().short(), &pulls.namespace);
    match remove_pods(pulls, &run, stopped).await {
        Ok((0, _)) => Ok(None),
        Ok((count, stuck)) if stuck.is_empty() => Ok(Some(format!("{count} pods removed"))),
        Ok((_, stuck)) => Err(format!(
            "pods {} in namespace {namespace} do not go; delete them by hand once their nodes are back",
            stuck.join(", ")
        )),
        Err(error) => Err(format!(
            "the pods with label {RUN_LABEL}={run} in namespace {namespace} could not be removed ({}); \
             they end by themselves, delete them by hand",
            with_causes(&error)
        )),
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
