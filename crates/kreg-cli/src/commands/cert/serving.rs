//! What the registry shows to its clients, and how it comes to show something else.

use std::time::{Duration, Instant};

use kreg_auth::SecretString;
use kreg_k8s::{
    ApplyMode, Cluster as _, Kind, Manifests, Material, Names, Object, Patcher, RegistrySpec,
    RegistryState, names, secret, wait,
};
use kreg_pki::{Certificate, Leaf, San};
use kreg_registry::{roots_of_pem, served_chain};
use kreg_verify::PodDial;

use crate::app::App;
use crate::error::{Error, Tried as _};
use crate::session::Session;
use crate::spec;

const PAUSE: Duration = Duration::from_millis(250);

/// The chain as served, and what a strict client has against it.
pub(super) struct Seen {
    pub(super) chain: Vec<Certificate>,
    pub(super) problem: Option<String>,
}

/// Shakes hands with the registry through the API server.
pub(super) async fn seen(session: &Session, bundle_pem: &str) -> Result<Seen, Error> {
    let place = &session.place;
    let roots = roots_of_pem(bundle_pem).tried("cannot use the CA that the cluster holds")?;
    let dial = PodDial::new(
        session.cluster.streams().clone(),
        place.namespace(),
        place.service(),
        place.port(),
    );
    let served = served_chain(&dial, &spec::host(&session.place)?, roots)
        .await
        .tried("cannot see what the registry serves")?;
    let chain = served
        .certificates
        .iter()
        .map(|der| Certificate::from_der(der))
        .collect::<Result<Vec<_>, _>>()
        .tried("cannot read what the registry serves")?;
    Ok(Seen {
        chain,
        problem: served.verified.err().map(|fault| fault.to_string()),
    })
}

/// The leaf that a registry serves which is up, or comes up within the time allowed.
pub(super) async fn leaf(session: &Session, bundle_pem: &str) -> Result<Certificate, Error> {
    ready(session).await?;
    let begun = Instant::now();
    loop {
        // A Pod on its way out or in: the next try finds the other one.
        match seen(session, bundle_pem).await {
            Ok(seen) => {
                return seen.chain.into_iter().next().ok_or_else(|| {
                    Error::failed("the registry shows no certificate")
                        .help("look at its log; `kreg up` sets it up anew")
                });
            }
            Err(error) if begun.elapsed() >= session.settings.timeout => return Err(error),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Every name and address that a new leaf has to cover: those of `up`, and those of the old one,
/// which may have been asked for on a command line that nobody remembers.
pub(super) fn names(
    app: &App,
    session: &Session,
    state: &RegistryState,
    old: &Certificate,
) -> Result<Vec<San>, Error> {
    let mut sans = required(session, state)?;
    for extra in &app.config.tls.sans {
        sans.push(extra.parse().map_err(|cause| {
            Error::usage(format!("`{extra}` cannot stand in a certificate")).because(&cause)
        })?);
    }
    for known in old.sans() {
        if !sans.contains(known) {
            sans.push(known.clone());
        }
    }
    Ok(sans)
}

/// What clients use.
pub(super) fn required(session: &Session, state: &RegistryState) -> Result<Vec<San>, Error> {
    spec::endpoints(&session.place, state.cluster_ip)
}

/// Has the registry serve this leaf, and sees that it does. Safe to repeat.
pub(super) async fn serve(
    session: &Session,
    state: &RegistryState,
    leaf: &Leaf,
    bundle_pem: &str,
) -> Result<(), Error> {
    let (cluster, place) = (&session.cluster, &session.place);
    secret::edit_all(cluster, place, &Names::of(place).tls, |entries| {
        entries.insert("tls.crt".to_owned(), leaf.chain_pem().into());
        entries.insert("tls.key".to_owned(), leaf.key_pem().clone());
        Ok::<_, Error>(())
    })
    .await?;
    restart(session, state, leaf).await?;
    let begun = Instant::now();
    loop {
        let shown = self::leaf(session, bundle_pem).await?;
        if &shown == leaf.certificate() {
            return Ok(());
        }
        if begun.elapsed() >= session.settings.timeout {
            return Err(Error::failed(format!(
                "the cluster holds the new certificate, but the registry still serves {}",
                shown.fingerprint()
            ))
            .help("look at its Pod; `kreg up` goes on from here"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn ready(session: &Session) -> Result<(), Error> {
    let waiting = wait::Wait::new(session.settings.timeout, &|_| {});
    wait::registry_ready(&session.cluster, &session.place, &waiting)
        .await
        .tried("the registry is not ready")
}

/// distribution reads its certificate at its start only. The same mark as `up` sets makes a new
/// Pod, so that `up` afterwards finds nothing to do.
async fn restart(session: &Session, state: &RegistryState, leaf: &Leaf) -> Result<(), Error> {
    let workload = rendered(session, state, leaf)?;
    let reference = workload.reference().clone();
    let what = format!("cannot have {reference} start with the new certificate");
    if reference.kind() == Kind::Pod {
        return replace(session, &workload).await.tried(what);
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
    session
        .cluster
        .patch(&reference, &patch, Patcher::Renew)
        .await
        .map(drop)
        .tried(what)
}

/// The workload as `up` would make it for this certificate, with the image that it runs now.
fn rendered(session: &Session, state: &RegistryState, leaf: &Leaf) -> Result<Object, Error> {
    let image = match &state.workload {
        kreg_k8s::WorkloadState::Ready { image, .. }
        | kreg_k8s::WorkloadState::NotReady { image, .. } => image,
        _ => {
            return Err(
                Error::failed("there is no registry that could be restarted").help("run `kreg up`"),
            );
        }
    };
    let spec = RegistrySpec::new(session.place.clone())
        .with_image(image)
        .tried(format!("the registry's image {image} cannot be named"))?;
    let nothing = || SecretString::from(String::new());
    let material = Material {
        tls_chain_pem: leaf.chain_pem(),
        tls_key_pem: leaf.key_pem().clone(),
        // None of these is part of the workload.
        ca_bundle_pem: String::new(),
        ca_key_pem: None,
        htpasswd: nothing(),
        http_secret: nothing(),
        docker_config_json: nothing(),
        s3: None,
    };
    let workload = Names::of(&session.place).workload;
    Manifests::full(&spec, &material)
        .objects()
        .iter()
        .find(|object| object.reference() == &workload)
        .cloned()
        .ok_or_else(|| Error::failed(format!("{workload} is not part of this profile")))
}

/// A bare Pod cannot change in place. The new one stays on the old one's node, where the images
/// are.
async fn replace(session: &Session, pod: &Object) -> Result<(), kreg_k8s::Error> {
    let cluster = &session.cluster;
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
        let waiting = wait::Wait::new(session.settings.timeout, &|_| {});
        wait::gone(cluster, pod.reference(), uid, &waiting).await?;
    }
    let wanted = Object::from_value(wanted)?;
    cluster.apply(&wanted, ApplyMode::default()).await.map(drop)
}
