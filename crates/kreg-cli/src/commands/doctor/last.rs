//! What no look explains: changes by hand, and last the proof.

use std::time::Duration;

use kreg::{Scope, Standing};
use kreg_k8s::rights;
use kreg_k8s::{Drift, Kind, RegistrySpec, RegistryState};
use kreg_verify::CheckReport;
use kreg_verify::doctor::{ChangedObject, FailedCheck, Observations, examine, unexplained};

use super::{Look, titled};
use crate::error::{Error, said};
use crate::proof;
use crate::session::Session;

/// The longest that one node's pull is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Objects with fields that are not as the last `up` left them. Secrets have rules of their own,
/// and so has what is gone.
pub(super) async fn changed(
    look: &mut Look<'_>,
    session: &Session,
    state: &RegistryState,
    seen: &mut Observations,
) -> Result<(), Error> {
    let Some(inventory) = &state.inventory else {
        return Ok(());
    };
    let Ok(Some(spec)) = RegistrySpec::recalled(session.registry.place(), inventory) else {
        return Ok(()); // an older kreg put it up, and noted nothing
    };
    let found = match kreg_k8s::drift(session.registry.cluster().as_ref(), &spec, state).await {
        Ok(found) => found,
        Err(kreg_k8s::Error::Denied { message, .. }) => {
            look.unseen.push(format!(
                "what was changed by hand: the server is asked by a dry run, and {message}"
            ));
            return Ok(());
        }
        Err(error) => {
            look.unseen
                .push(format!("what was changed by hand: {}", said(&error)));
            return Ok(());
        }
    };
    for one in found {
        let Drift::Field { object, field, by } = one else {
            continue;
        };
        if object.kind() == Kind::Secret {
            continue;
        }
        let path = field.path.trim_start_matches('.');
        let line = match by {
            Some(by) => format!(
                "{path}, by {}{}",
                by.manager,
                by.time
                    .map(|time| format!(" at {time}"))
                    .unwrap_or_default()
            ),
            None => format!("{path}, which somebody took away"),
        };
        let object = titled(&object);
        match seen.changed.iter_mut().find(|known| known.object == object) {
            Some(known) => known.fields.push(line),
            None => seen.changed.push(ChangedObject {
                object,
                fields: vec![line],
            }),
        }
    }
    Ok(())
}

/// Runs the proof on the nodes where nothing explains a failure, unless the registry itself has a
/// fault. It starts one Pod a node, for a minute at most, and takes it away.
pub(super) async fn proof(
    look: &mut Look<'_>,
    session: &Session,
    state: &RegistryState,
    seen: &mut Observations,
) -> Result<(), Error> {
    let Some(nodes) = unexplained(seen, &examine(seen)) else {
        return Ok(());
    };
    let standing = match Standing::of(session.registry.place(), state.clone()) {
        Ok(standing) => standing,
        Err(error) => {
            look.unseen.push(format!("the proof: {error}"));
            return Ok(());
        }
    };
    let needed = rights::needed_to_prove(session.registry.place());
    let missing = rights::lacking(session.registry.cluster().as_ref(), needed).await?;
    if !missing.is_empty() {
        let missing: Vec<_> = missing.iter().map(ToString::to_string).collect();
        look.unseen.push(format!(
            "whether nodes can pull: the proof needs {}",
            missing.join(", ")
        ));
        return Ok(());
    }
    // No name would mean every node.
    let skip: &[&str] = match nodes.is_empty() {
        true => &["node-route", "node-pull"],
        false => &[],
    };
    let scope = Scope {
        nodes,
        skip: skip.iter().map(|name| (*name).to_owned()).collect(),
        stored_chain: true,
        patience: Some(PATIENCE),
        ..Scope::default()
    };
    let proof = proof::prove(session, &standing, scope).await?;
    if proof.report().interrupted {
        return Err(Error::failed("interrupted during the proof"));
    }
    seen.proof = proof.report().failures().map(failed).collect();
    Ok(())
}

fn failed(check: &CheckReport) -> FailedCheck {
    let evidence = check.evidence.iter();
    FailedCheck {
        check: check.name.clone(),
        title: check.title.clone(),
        node: check.node.clone(),
        message: check.message.clone(),
        evidence: evidence
            .map(|one| format!("{}: {}", one.label, one.text))
            .collect(),
    }
}
