//! The proof, where nothing that was seen explains a failure: what a runtime does, only a pull shows.

use std::time::Duration;

use kreg_k8s::{RegistryState, rights};
use kreg_verify::CheckReport;
use kreg_verify::doctor::{FailedCheck, Observations, examine, unexplained};

use super::look::Look;
use super::survey::Survey;
use super::unseen::Unseen;
use crate::error::Error;
use crate::event::Observer;
use crate::prove::Scope;
use crate::registry::Standing;

/// The longest that one node's pull is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the proof on the nodes where nothing explains a failure, unless the registry itself has a fault.
pub(super) async fn proof(
    look: &mut Look<'_>,
    survey: &Survey,
    state: RegistryState,
    seen: &mut Observations,
    stop: impl Future<Output = ()> + Send,
    on: &dyn Observer,
) -> Result<(), Error> {
    let Some(nodes) = unexplained(seen, &examine(seen)) else {
        return Ok(());
    };
    let registry = look.registry;
    let standing = match Standing::of(registry.place(), state) {
        Ok(standing) => standing,
        Err(Error::NotUp(lacks)) => {
            look.unseen.push(Unseen::NotUp(lacks));
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let needed = rights::needed_to_prove(registry.place());
    let missing = rights::lacking(look.cluster(), needed).await?;
    if !missing.is_empty() {
        look.unseen.push(Unseen::ProofRights(missing));
        return Ok(());
    }
    // No name would mean every node.
    let skip: &[&str] = if nodes.is_empty() {
        &["node-route", "node-pull"]
    } else {
        &[]
    };
    let scope = Scope {
        nodes,
        skip: skip.iter().map(|name| (*name).to_owned()).collect(),
        stored_chain: true,
        timeout: survey.timeout,
        patience: Some(PATIENCE),
        ..Scope::default()
    };
    let report = registry.prove(&standing, scope, stop, on).await?.report;
    if report.interrupted {
        look.unseen.push(Unseen::Interrupted);
    }
    seen.proof = report.failures().map(failed).collect();
    Ok(())
}

fn failed(check: &CheckReport) -> FailedCheck {
    let evidence = check.evidence.iter();
    FailedCheck {
        check: check.name.clone(),
        title: check.title.clone(),
        node: check.node.clone(),
        message: check.message.clone(),
        remedy: check.remedy,
        evidence: evidence
            .map(|one| format!("{}: {}", one.label, one.text))
            .collect(),
    }
}
