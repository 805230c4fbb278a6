//! What the registry shows to its clients, and how it comes to show something else.

use std::time::{Duration, Instant};

use kreg_k8s::{
    ApplyMode, Kind, Manifests, Material, Names, Object, Patcher, RegistrySpec, RegistryState,
    WorkloadState, names, secret, wait,
};
use kreg_pki::{Certificate, Leaf, San};
use kreg_registry::{TlsFault, roots_of_pem, served_chain};

use crate::error::{CertificatesError, Error, Tried as _};
use crate::registry::Registry;

const PAUSE: Duration = Duration::from_millis(250);

/// The chain as served, and what a strict client has against it.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) struct Handshake {
    /// Leaf first.
    pub chain: Vec<Certificate>,
    /// What such a client has against it.
    pub problem: Option<TlsFault>,
}

/// Shakes hands with the registry through the API server.
pub(crate) async fn handshake(registry: &Registry, bundle_pem: &str) -> Result<Handshake, Error> {
    let roots = roots_of_pem(bundle_pem).tried("cannot use the CA that the cluster holds")?;
    let served = served_chain(&registry.dial()?, &registry.host()?, roots)
        .await
        .tried("cannot see what the registry serves")?;
    let chain = served
        .certificates
        .iter()
        .map(|der| Certificate::from_der(der))
        .collect::<Result<Vec<_>, _>>()
        .tried("cannot read what the registry serves")?;
    Ok(Handshake {
        chain,
        problem: served.verified.err(),
    })
}

/// The leaf that a registry serves which is up, or comes up within the time allowed.
pub(super) async fn leaf(
    registry: &Registry,
    bundle_pem: &str,
    timeout: Duration,
) -> Result<Certificate, Error> {
    ready(registry, timeout).await?;
    let begun = Instant::now();
    loop {
        // A Pod that starts or terminates: the next try finds the other one.
        match handshake(registry, bundle_pem).await {
            Ok(shown) => {
                let leaf = shown.chain.into_iter().next();
                return leaf.ok_or_else(|| CertificatesError::NothingServed.into());
            }
            Err(error) if begun.elapsed() >= timeout => return Err(error),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Every name and address that clients use.
pub(crate) fn required(registry: &Registry, state: &RegistryState) -> Result<Vec<San>, Error> {
    let names = registry.place().certificate_names(state.cluster_ip);
    let sans = names.iter().map(|name| {
        let san = name.parse();
        san.tried(format!("{name} cannot stand in a certificate"))
    });
    sans.collect()
}

/// Every name and address that a new leaf has to cover: those that clients use, `more`, and those of the old one, which
/// may have been asked for long ago.
pub(super) fn names(
    registry: &Registry,
    state: &RegistryState,
    more: &[San],
    old: &Certificate,
) -> Result<Vec<San>, Error> {
    let mut sans = required(registry, state)?;
    sans.extend(more.iter().cloned());
    for known in old.sans() {
        if !sans.contains(known) {
            sans.push(known.clone());
        }
    }
    Ok(sans)
}

/// Has the registry serve this leaf, and sees that it does. Safe to repeat.
pub(super) async fn serve(
    registry: &Registry,
    state: &RegistryState,
    leaf: &Leaf,
    bundle_pem: &str,
    timeout: Duration,
) -> Result<(), Error> {
    let (cluster, place) = (registry.cluster().as_ref(), registry.place());
    secret::edit_all(cluster, place, &Names::of(place).tls, |entries| {
        entries.insert("tls.crt".to_owned(), leaf.chain_pem().into());
        entries.insert("tls.key".to_owned(), leaf.key_pem().clone());
        Ok::<_, Error>(())
    })
    .await?;
    restart(registry, state, leaf, timeout).await?;
    let begun = Instant::now();
    loop {
        let shown = self::leaf(registry, bundle_pem, timeout).await?;
        if &shown == leaf.certificate() {
            return Ok(());
        }
        if begun.elapsed() >= timeout {
            let fingerprint = shown.fingerprint().to_owned();
            return Err(CertificatesError::StillServed(fingerprint).into());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn ready(registry: &Registry, timeout: Duration) -> Result<(), Error> {
    let waiting = wait::Wait::new(timeout, &|_| {});
    wait::registry_ready(registry.cluster().as_ref(), registry.place(), &waiting)
        .await
        .tried("the registry is not ready")
}

/// distribution reads its certificate at its start only. The mark that putting it up sets makes a new
/// Pod, so that there is nothing to do for that afterwards.
async fn restart(
    registry: &Registry,
    state: &RegistryState,
    leaf: &Leaf,
    timeout: Duration,
) -> Result<(), Error> {
    let workload = rendered(registry, state, leaf)?;
    let reference = workload.reference().clone();
    let what = format!("cannot have {reference} start with the new certificate");
    if reference.kind() == Kind::Pod {
        return replace(registry, &workload, timeout).await.tried(what);
    }
    let mark = workload
        .text(&format!(
            "/spec/template/metadata/annotations/{}",
            names::ANNOTATION_TLS.replace('/', "~1")
        ))
        .unwrap_or_default();
    let patch = serde_json::json!({ "spec": { "template": { "metadata": {
        "annotations": { names::ANNOTATION_TLS: mark }
    } } } });
    let patched = registry.cluster().patch(&reference, &patch, Patcher::Renew);
    patched.await.map(drop).tried(what)
}

/// The workload as it would be put up with this certificate, with the image that it runs now.
fn rendered(registry: &Registry, state: &RegistryState, leaf: &Leaf) -> Result<Object, Error> {
    let (WorkloadState::Ready { image, .. } | WorkloadState::NotReady { image, .. }) =
        &state.workload
    else {
        return Err(CertificatesError::NoWorkload.into());
    };
    let recalled = match &state.inventory {
        Some(inventory) => RegistrySpec::recalled(registry.place(), inventory)
            .tried("cannot tell what this registry should be")?,
        None => None,
    };
    let spec = recalled
        .unwrap_or_else(|| RegistrySpec::new(registry.place().clone()))
        .with_image(image)
        .tried(format!("the registry's image {image} cannot be named"))?;
    let material = Material {
        tls_chain_pem: leaf.chain_pem(),
        tls_key_pem: leaf.key_pem().clone(),
        ..state.material()
    };
    let workload = Names::of(registry.place()).workload;
    Manifests::full(&spec, &material)
        .objects()
        .iter()
        .find(|object| object.reference() == &workload)
        .cloned()
        .ok_or_else(|| CertificatesError::NoWorkload.into())
}

/// A bare Pod cannot change in place. The new one stays on the old one's node, where the images
/// are.
async fn replace(
    registry: &Registry,
    pod: &Object,
    timeout: Duration,
) -> Result<(), kreg_k8s::Error> {
    let cluster = registry.cluster().as_ref();
    let mut wanted = pod.value().clone();
    if let Some(live) = cluster.get(pod.reference()).await? {
        if live.annotation(names::ANNOTATION_TLS) == pod.annotation(names::ANNOTATION_TLS) {
            return Ok(());
        }
        if let Some(node) = live.text("/spec/nodeName") {
            wanted["spec"]["nodeName"] = node.into();
        }
        let uid = live.uid().unwrap_or_default();
        cluster.delete(pod.reference(), uid).await?;
        let waiting = wait::Wait::new(timeout, &|_| {});
        wait::gone(cluster, pod.reference(), uid, &waiting).await?;
    }
    let wanted = Object::from_value(wanted)?;
    cluster.apply(&wanted, ApplyMode::default()).await.map(drop)
}
