//! Reading a registry back from the cluster, so that a later run goes on with its keys, passwords and address.

use std::{fmt, net::IpAddr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::SecretString;

use crate::{
    cluster::{Cluster, Query},
    diagnose::{PodState, is_rolled_out, pod_state},
    error::Error,
    inventory::Inventory,
    kind::Kind,
    material::{Material, S3Keys, Versions},
    names::{ANNOTATION_ADDRESS, Names, pod_selector},
    object::Object,
    object_ref::ObjectRef,
    place::Place,
    profile::Profile,
};

/// What is there of a registry. Without a record nothing is: what only carries the labels is not read.
///
/// `Debug` shows nothing secret.
#[derive(Debug, Clone)]
pub struct RegistryState {
    /// The record.
    pub inventory: Option<Inventory>,
    /// The Service's address; if the Service is gone, the one it had as the inventory notes it, or the claim that
    /// [`crate::down::down`] left.
    pub cluster_ip: Option<IpAddr>,
    /// Certificate chain of the registry, PEM.
    pub tls_chain_pem: Option<String>,
    /// Its private key, PEM.
    pub tls_key_pem: Option<SecretString>,
    /// CA certificates, PEM. In the tutorial profile the registry's own certificate.
    pub ca_bundle_pem: Option<String>,
    /// The CA's private key, PEM; always `None` in the tutorial profile.
    pub ca_key_pem: Option<SecretString>,
    /// htpasswd file.
    pub htpasswd: Option<SecretString>,
    /// distribution's `http.secret`; always `None` in the tutorial profile.
    pub http_secret: Option<SecretString>,
    /// `.dockerconfigjson` of the pull secret.
    pub docker_config_json: Option<SecretString>,
    /// Keys of the S3 server, where images lie in one.
    pub s3: Option<S3Keys>,
    /// `metadata.resourceVersion` of each Secret that was read; see [`crate::Manifests::decided_on`].
    pub versions: Versions,
    /// The Deployment or Pod.
    pub workload: WorkloadState,
}

/// Where the registry's process stands.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
#[non_exhaustive]
pub enum WorkloadState {
    /// Nothing is there.
    Absent,
    /// Running and ready.
    Ready {
        /// The node it runs on; of several Pods, the newest one's.
        node: Option<String>,
        /// How many Pods are ready.
        ready: u32,
        /// How many there should be.
        wanted: u32,
        /// The image it runs.
        image: String,
    },
    /// There, not ready.
    NotReady {
        /// In Kubernetes' words.
        reason: String,
        /// The image it should run.
        image: String,
    },
}

impl fmt::Display for WorkloadState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WorkloadState::Absent => write!(f, "absent"),
            WorkloadState::Ready {
                wanted: 0 | 1,
                node,
                image,
                ..
            } => {
                write!(
                    f,
                    "ready, {image} on {}",
                    node.as_deref().unwrap_or("an unknown node")
                )
            }
            WorkloadState::Ready {
                ready,
                wanted,
                image,
                ..
            } => write!(f, "{ready} of {wanted} Pods ready, {image}"),
            WorkloadState::NotReady { reason, image } => write!(f, "not ready ({reason}), {image}"),
        }
    }
}

impl RegistryState {
    /// Reads it. A cluster without such a registry gives a value of `None`s.
    ///
    /// # Errors
    /// If the cluster cannot be asked, or if something of ours was edited out of shape.
    pub async fn read(cluster: &dyn Cluster, place: &Place) -> Result<Self, Error> {
        let names = Names::of(place);
        let inventory = Inventory::read(cluster, place).await?;
        let reader = Reader {
            cluster,
            place,
            known: inventory.as_ref(),
        };
        let service = reader.ours(Some(&names.service)).await?;
        let tls = reader.ours(Some(&names.tls)).await?;
        let ca = reader.ours(names.ca.as_ref()).await?;
        let htpasswd = reader.ours(Some(&names.htpasswd)).await?;
        let http = reader.ours(names.http_secret.as_ref()).await?;
        let pull = reader.ours(Some(&names.pull_secret)).await?;
        let s3 = reader.ours(names.s3.as_ref()).await?;
        let tls_chain_pem = text(tls.as_ref(), "tls.crt")?;
        let ca_bundle_pem = match place.profile() {
            Profile::Default => text(ca.as_ref(), "ca.crt")?,
            Profile::Tutorial => tls_chain_pem.clone(),
        };
        let live_address = service
            .as_ref()
            .and_then(|live| live.text("/spec/clusterIP"))
            .and_then(|address| address.parse().ok());
        let noted = reader.known.and_then(|known| known.cluster_ip);
        let mut cluster_ip = live_address.or(noted);
        if cluster_ip.is_none() {
            // After a `down` that left the images.
            let claim = reader.ours(Some(&names.claim)).await?;
            let noted = claim
                .as_ref()
                .and_then(|claim| claim.annotation(ANNOTATION_ADDRESS));
            cluster_ip = noted.and_then(|address| address.parse().ok());
        }
        let secrets = [&tls, &ca, &htpasswd, &http, &pull, &s3];
        let versions = secrets
            .into_iter()
            .flatten()
            .filter_map(|live| Some((live.reference().clone(), live.version()?.to_owned())))
            .collect();
        let workload = reader.workload(&names.workload).await?;
        Ok(RegistryState {
            versions,
            cluster_ip,
            inventory,
            tls_chain_pem,
            tls_key_pem: secret(tls.as_ref(), "tls.key")?,
            ca_bundle_pem,
            ca_key_pem: secret(ca.as_ref(), "ca.key")?,
            htpasswd: secret(htpasswd.as_ref(), "htpasswd")?,
            http_secret: secret(http.as_ref(), "http-secret")?,
            docker_config_json: secret(pull.as_ref(), ".dockerconfigjson")?,
            s3: s3_keys(s3.as_ref())?,
            workload,
        })
    }

    /// What the Secrets hold, as far as they are there; what is missing is empty.
    #[must_use]
    pub fn material(&self) -> Material {
        Material {
            tls_chain_pem: self.tls_chain_pem.clone().unwrap_or_default(),
            tls_key_pem: self.tls_key_pem.clone().unwrap_or_default(),
            ca_bundle_pem: self.ca_bundle_pem.clone().unwrap_or_default(),
            ca_key_pem: self.ca_key_pem.clone(),
            htpasswd: self.htpasswd.clone().unwrap_or_default(),
            http_secret: self.http_secret.clone().unwrap_or_default(),
            docker_config_json: self.docker_config_json.clone().unwrap_or_default(),
            s3: self.s3.clone(),
        }
    }

    /// Whether anything of this registry is there.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.inventory
            .as_ref()
            .is_some_and(|known| !known.holds_only_data())
    }
}

struct Reader<'a> {
    cluster: &'a dyn Cluster,
    place: &'a Place,
    known: Option<&'a Inventory>,
}

impl Reader<'_> {
    async fn ours(&self, reference: Option<&ObjectRef>) -> Result<Option<Object>, Error> {
        let (Some(reference), Some(known)) = (reference, self.known) else {
            return Ok(None);
        };
        let live = self.cluster.get(reference).await?;
        Ok(live.filter(|live| known.owns(live)))
    }

    async fn workload(&self, reference: &ObjectRef) -> Result<WorkloadState, Error> {
        let Some(live) = self.ours(Some(reference)).await? else {
            return Ok(WorkloadState::Absent);
        };
        let wanted = match reference.kind() {
            Kind::Pod => 1,
            _ => live.number("/spec/replicas").unwrap_or(1),
        };
        let (pods, image) = if reference.kind() == Kind::Pod {
            let image = live.text("/spec/containers/0/image").unwrap_or("");
            (vec![live.clone()], image.to_owned())
        } else {
            let image = live.text("/spec/template/spec/containers/0/image");
            let image = image.unwrap_or("").to_owned();
            if !is_rolled_out(&live) && wanted == 0 {
                return Ok(WorkloadState::NotReady {
                    reason: "scaled to zero".to_owned(),
                    image,
                });
            }
            (self.pods().await?, image)
        };
        let is_ready = |pod: &&Object| pod_state(pod) == PodState::Ready;
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Ok(match pods.last().map(|pod| (pod, pod_state(pod))) {
            Some((pod, PodState::Ready)) => WorkloadState::Ready {
                node: pod.text("/spec/nodeName").map(str::to_owned),
                ready: count(pods.iter().filter(is_ready).count()),
                wanted: u32::try_from(wanted).unwrap_or(1),
                image,
            },
            Some((
                _,
                PodState::Coming(reason)
                | PodState::Delayed { reason, .. }
                | PodState::Stuck { reason, .. },
            )) => WorkloadState::NotReady { reason, image },
            None => WorkloadState::NotReady {
                reason: "no Pod".to_owned(),
                image,
            },
        })
    }

    /// Those that are there to stay, ready ones last, and of these the newest last.
    async fn pods(&self) -> Result<Vec<Object>, Error> {
        let query = Query::all(Kind::Pod)
            .within(self.place.namespace())
            .labelled(pod_selector(self.place.instance()));
        let mut pods = self.cluster.list(&query).await?;
        pods.retain(|pod| !pod.is_terminating());
        pods.sort_by_key(|pod| {
            let made = pod
                .text("/metadata/creationTimestamp")
                .unwrap_or("")
                .to_owned();
            (pod_state(pod) == PodState::Ready, made)
        });
        Ok(pods)
    }
}

fn text(object: Option<&Object>, key: &str) -> Result<Option<String>, Error> {
    let Some(object) = object else {
        return Ok(None);
    };
    let Some(encoded) = object
        .value()
        .get("data")
        .and_then(|data| data.get(key)?.as_str())
    else {
        return Ok(None);
    };
    let bytes = STANDARD
        .decode(encoded)
        .map_err(|_| unreadable(object, key, "base64"))?;
    String::from_utf8(bytes)
        .map(Some)
        .map_err(|_| unreadable(object, key, "UTF-8"))
}

fn s3_keys(object: Option<&Object>) -> Result<Option<S3Keys>, Error> {
    let keys = (text(object, "access-key")?, secret(object, "secret-key")?);
    Ok(match keys {
        (Some(access_key), Some(secret_key)) => Some(S3Keys {
            access_key,
            secret_key,
        }),
        _ => None,
    })
}

fn secret(object: Option<&Object>, key: &str) -> Result<Option<SecretString>, Error> {
    Ok(text(object, key)?.map(SecretString::from))
}

fn unreadable(object: &Object, key: &str, encoding: &'static str) -> Error {
    Error::Unreadable {
        secret: object.reference().clone(),
        key: key.to_owned(),
        encoding,
    }
}
