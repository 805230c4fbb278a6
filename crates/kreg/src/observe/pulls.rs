//! Pods anywhere in the cluster that fail to pull from the registry, or to run what they pulled.

use std::collections::BTreeMap;

use kreg_auth::Htpasswd;
use kreg_k8s::{Kind, Object, ObjectRef, Query, RegistryState};
use kreg_registry::{Reference, RegistryClient};
use kreg_verify::doctor::{Observations, PullSecretSeen, PullSeen};
use serde_json::Value;

use super::answers;
use super::look::Look;
use super::users;
use crate::error::Error;

/// Kubernetes' words for a container whose image did not come, or does not run.
const PULLING: [&str; 5] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "RegistryUnavailable",
    "SignatureValidationFailed",
];
const RUNNING: [&str; 3] = [
    "CrashLoopBackOff",
    "RunContainerError",
    "CreateContainerError",
];
const FORMAT: &str = "exec format error";

pub(super) async fn pulls(
    look: &mut Look<'_>,
    state: &RegistryState,
    seen: &mut Observations,
) -> Result<(), Error> {
    let htpasswd = users::htpasswd(state);
    // Which images are this registry's, and which only look like it.
    let own = format!("{}/", seen.registry.host);
    let without_port = format!("{}/", seen.registry.name());
    // Asked only where it lets its own user in.
    let client = match seen.answers.user {
        Some(200) => answers::as_own_user(look.registry, state),
        _ => None,
    };
    for pod in look.list(&Query::all(Kind::Pod)).await? {
        if pod.is_terminating() {
            continue;
        }
        let images = images(&pod);
        for status in statuses(&pod) {
            let image = status["name"].as_str().and_then(|name| images.get(name));
            let Some(image) =
                image.filter(|image| image.starts_with(&own) || image.starts_with(&without_port))
            else {
                continue;
            };
            let Some((reason, message)) = trouble(look, &pod, status).await? else {
                continue;
            };
            let secrets = secrets(look, &pod, image, htpasswd.as_ref()).await?;
            let in_registry = match (&client, image.strip_prefix(&own)) {
                (Some(client), Some(name)) => is_there(client, name).await,
                _ => None,
            };
            seen.pulls.push(PullSeen {
                in_registry,
                object: pod.reference().to_string(),
                namespace: pod.reference().namespace().unwrap_or_default().to_owned(),
                node: pod.text("/spec/nodeName").map(str::to_owned),
                image: (*image).to_owned(),
                reason,
                message,
                secrets,
                account: pod
                    .text("/spec/serviceAccountName")
                    .unwrap_or("default")
                    .to_owned(),
            });
            break; // one container tells it
        }
    }
    Ok(())
}

/// Whether the registry has `team/app:v1`, `team/app@sha256:...` or, as `latest`, `team/app`.
async fn is_there(client: &RegistryClient, name: &str) -> Option<bool> {
    let (name, digest) = match name.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (name, None),
    };
    let (name, tag) = name.split_once(':').unwrap_or((name, "latest"));
    let reference = match digest {
        Some(digest) => Reference::Digest(digest.parse().ok()?),
        None => Reference::Tag(tag.parse().ok()?),
    };
    let found = client.manifest_digest(&name.parse().ok()?, reference).await;
    found.ok().map(|digest| digest.is_some())
}

/// Images by the name of their container.
fn images(pod: &Object) -> BTreeMap<&str, &str> {
    ["/spec/initContainers", "/spec/containers"]
        .iter()
        .flat_map(|at| pod.items(at))
        .filter_map(|one| Some((one["name"].as_str()?, one["image"].as_str()?)))
        .collect()
}

fn statuses(pod: &Object) -> impl Iterator<Item = &Value> {
    ["/status/initContainerStatuses", "/status/containerStatuses"]
        .into_iter()
        .flat_map(|at| pod.items(at))
}

/// Why this container does not run, if it is about its image: Kubernetes' word, and the words of
/// kubelet, runtime or program.
async fn trouble(
    look: &mut Look<'_>,
    pod: &Object,
    status: &Value,
) -> Result<Option<(String, String)>, Error> {
    let state = &status["state"];
    let ended = |at: &str| {
        status
            .pointer(at)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let waiting = state["waiting"]["reason"].as_str();
    let reason = waiting
        .or(state["terminated"]["reason"].as_str())
        .unwrap_or_default();
    if PULLING.contains(&reason) {
        let events = look.events(pod).await?;
        let last = events.iter().rev().find_map(|event| {
            let (_, words) = event.split_once("Failed to pull image")?;
            let (_, words) = words.split_once(": ")?;
            Some(words.to_owned())
        });
        let said = state["waiting"]["message"].as_str().unwrap_or_default();
        return Ok(Some((
            reason.to_owned(),
            last.unwrap_or_else(|| said.to_owned()),
        )));
    }
    if !RUNNING.contains(&reason) && state["terminated"].is_null() {
        return Ok(None);
    }
    let said = [
        ended("/state/waiting/message"),
        ended("/state/terminated/message"),
        ended("/lastState/terminated/message"),
    ];
    if let Some(said) = said.iter().find(|said| said.contains(FORMAT)) {
        return Ok(Some((reason.to_owned(), (*said).to_owned())));
    }
    // The program's loader says it where the runtime did not.
    let name = status["name"].as_str().unwrap_or_default();
    for previous in [false, true] {
        let log = look
            .cluster()
            .pod_log(pod.reference(), name, previous, 3)
            .await;
        if let Some(line) = log
            .unwrap_or_default()
            .lines()
            .find(|line| line.contains(FORMAT))
        {
            return Ok(Some((reason.to_owned(), line.to_owned())));
        }
    }
    Ok(None)
}

async fn secrets(
    look: &mut Look<'_>,
    pod: &Object,
    image: &str,
    htpasswd: Option<&Htpasswd>,
) -> Result<Vec<PullSecretSeen>, Error> {
    let namespace = pod.reference().namespace().unwrap_or_default().to_owned();
    let mut found = Vec::new();
    for entry in pod.items("/spec/imagePullSecrets") {
        let Some(name) = entry["name"].as_str() else {
            continue;
        };
        let reference = ObjectRef::new(Kind::Secret, &namespace, name);
        if let Some(live) = look.get(&reference).await? {
            found.push(users::pull_secret(name, live.as_ref(), image, htpasswd));
        }
    }
    Ok(found)
}
