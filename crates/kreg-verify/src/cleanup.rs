//! Takes away what a proof brought: its Pods, and its image where the registry deletes.

use http::StatusCode;

use crate::check::{Context, Outcome, Status};
use crate::pods::remove_pods;
use crate::registry::with_causes;

/// Clears up whatever became of the checks, and says what is left.
pub(crate) async fn cleanup(context: &Context, pushed: bool) -> Outcome {
    let mut done = Vec::new();
    let mut left = Vec::new();
    pods(context, &mut done, &mut left).await;
    if pushed {
        image(context, &mut done, &mut left).await;
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
        debug_assert_eq!(outcome.status, Status::Fail);
        outcome
    }
}

async fn pods(context: &Context, done: &mut Vec<String>, left: &mut Vec<String>) {
    let Some(pulls) = &context.pods else { return };
    match remove_pods(pulls, &context.image.nonce().short()).await {
        Ok((0, _)) => {}
        Ok((count, stuck)) if stuck.is_empty() => done.push(format!("{count} pods removed")),
        Ok((_, stuck)) => left.push(format!(
            "pods {} in namespace {} do not go; delete them by hand once their nodes are back",
            stuck.join(", "),
            pulls.namespace
        )),
        Err(error) => left.push(format!(
            "the pods {} in namespace {} could not be removed ({})",
            context.image.nonce().short(),
            pulls.namespace,
            with_causes(&error)
        )),
    }
}

/// Deletes the index first, so that no moment shows an index whose parts are gone.
async fn image(context: &Context, done: &mut Vec<String>, left: &mut Vec<String>) {
    let client = context.client();
    let name = format!("{}:{}", context.repository, context.tag);
    for manifest in context.image.manifests().iter().rev() {
        match client
            .delete_manifest(&context.repository, &manifest.digest)
            .await
        {
            Ok(()) => {}
            Err(error) if error.status() == Some(StatusCode::METHOD_NOT_ALLOWED) => {
                return done.push(format!("{name} stays, the registry's deletion is off"));
            }
            // Never pushed, or gone with the index: what is wanted holds.
            Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => {}
            Err(error) => {
                return left.push(format!(
                    "{name} could not be deleted ({})",
                    with_causes(&error)
                ));
            }
        }
    }
    done.push(format!("{name} deleted"));
}
