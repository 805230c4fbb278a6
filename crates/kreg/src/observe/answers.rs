//! What the registry answers: what it serves, whether it lets its own user in, and whether it takes pushes.

use std::sync::Arc;
use std::time::Duration;

use kreg_k8s::RegistryState;
use kreg_registry::{RegistryClient, TlsFault, Transport};
use kreg_verify::doctor::{Observations, Upload};

use super::certificates;
use super::look::Look;
use super::unseen::Unseen;
use crate::certificates::handshake;
use crate::error::{Error, Tried as _};
use crate::registry::{Registry, standing};

/// A diagnosis does not wait long for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where an upload is begun and called off.
const REPOSITORY: &str = "kreg/doctor";

pub(super) async fn answers(look: &mut Look<'_>, state: &RegistryState, seen: &mut Observations) {
    // Without a Pod there is nobody to ask, and rules say so already.
    if !seen.pods.iter().any(|pod| pod.ready) || seen.service_gone {
        return;
    }
    let registry = look.registry;
    match tokio::time::timeout(3 * PATIENCE, ask(registry, state, seen)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => look.unseen.push(Unseen::Answers(Box::new(error))),
        Err(_) => look.unseen.push(Unseen::NoAnswer),
    }
    // Last, so that what was asked for above stands in the log. A help and no more.
    seen.complaints = kreg_k8s::complaints(look.cluster(), registry.place())
        .await
        .unwrap_or_default();
}

async fn ask(
    registry: &Registry,
    state: &RegistryState,
    seen: &mut Observations,
) -> Result<(), Error> {
    let Some(bundle) = &state.ca_bundle_pem else {
        return Ok(());
    };
    let served = handshake(registry, bundle).await?;
    if matches!(served.problem, Some(TlsFault::NotTls)) {
        seen.answers.plain = true;
        return Ok(());
    }
    certificates::served(registry, state, &served.chain, bundle, seen)?;
    if served.problem.is_some() {
        return Ok(()); // nobody is asked over a connection that clients refuse
    }
    let Some(client) = as_own_user(registry, state) else {
        return Ok(());
    };
    let answer = client.ping().await.tried("cannot ask the registry")?;
    seen.answers.user = Some(answer.status.as_u16());
    seen.answers.empty = answer.body.is_empty();
    if answer.status.is_success() {
        let repository = REPOSITORY
            .parse()
            .tried("cannot name a repository to begin an upload in")?;
        let answer = client
            .try_upload(&repository)
            .await
            .tried("cannot begin an upload as a test")?;
        seen.answers.upload = Some(match answer.status.as_u16() {
            202 => Upload::Begun,
            status => Upload::Refused {
                status,
                message: answer.into_error().to_string(),
            },
        });
    }
    Ok(())
}

/// The registry's own user, through the API server; `None` where the cluster does not hold what that takes.
pub(super) fn as_own_user(registry: &Registry, state: &RegistryState) -> Option<RegistryClient> {
    let user = standing::credentials(registry.place(), state).ok()?;
    let transport = Transport::trusting(state.ca_bundle_pem.as_ref()?).ok()?;
    let (host, dial) = (registry.host().ok()?, registry.dial().ok()?);
    Some(
        RegistryClient::new(host, Arc::new(dial), transport)
            .with_credentials(&user)
            .with_timeout(PATIENCE),
    )
}
