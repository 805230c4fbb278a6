//! The desired objects of a registry, rendered from the spec and the secrets. Pure and total.

mod hardened;
mod registry_config;
mod secrets;
pub(crate) mod serving;
mod surroundings;
mod tutorial;
mod volumes;

use serde_json::{Value, json};

use crate::{
    error::ForeignObject,
    material::{Material, Versions},
    names::{Names, REGISTRY_UID, labels},
    object::Object,
    place::Place,
    profile::Profile,
    spec::RegistrySpec,
    storage::{HostDirectory, Storage},
};

/// The registry's namespace; `None` for `default`, which every cluster has and which is nobody's.
pub(crate) fn namespace(place: &Place) -> Option<Object> {
    let namespace = Names::of(place).namespace;
    if place.namespace() == "default" {
        return None;
    }
    let mut labels = labels(place.instance());
    if place.profile() == Profile::Default {
        labels["pod-security.kubernetes.io/enforce"] = "restricted".into();
        labels["pod-security.kubernetes.io/warn"] = "restricted".into();
    }
    Some(Object::build(namespace, &labels, Value::Null, json!({})))
}

/// How much of a registry a [`Manifests`] value describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// What has to be there before a certificate can be issued: the Service gets its address, the claim its volume.
    Foundation,
    /// Everything.
    Full,
}

/// Every object a registry should consist of, in the order they are to be made.
///
/// Secrets are masked in `Debug`.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifests {
    spec: RegistrySpec,
    stage: Stage,
    objects: Vec<Object>,
    /// Secrets as they were when the material was decided on, by version.
    seen: Option<Versions>,
}

impl Manifests {
    /// Namespace, Service, volume and claim: what can be made before the Service's address is known.
    #[must_use]
    pub fn foundation(spec: &RegistrySpec) -> Self {
        let names = Names::of(spec.place());
        let mut objects = Vec::new();
        objects.extend(namespace(spec.place()));
        objects.extend(volumes::objects(spec, &names));
        objects.push(match spec.place().profile() {
            Profile::Default => hardened::service(spec, &names),
            Profile::Tutorial => tutorial::service(spec, &names),
        });
        Manifests {
            spec: spec.clone(),
            stage: Stage::Foundation,
            objects,
            seen: None,
        }
    }

    /// Everything, the foundation included.
    #[must_use]
    pub fn full(spec: &RegistrySpec, material: &Material) -> Self {
        let names = Names::of(spec.place());
        let Manifests { mut objects, .. } = Manifests::foundation(spec);
        objects.extend(secrets::objects(spec, &names, material));
        match spec.place().profile() {
            Profile::Default => {
                objects.extend(surroundings::network_policy(spec, &names));
                objects.extend(hardened::config_map(spec, &names));
                objects.push(hardened::deployment(spec, &names, material));
                // Last: tools that read it may push at once.
                objects.extend(surroundings::local_hosting(spec, &names));
            }
            Profile::Tutorial => objects.push(tutorial::pod(spec, &names, material)),
        }
        Manifests {
            spec: spec.clone(),
            stage: Stage::Full,
            objects,
            seen: None,
        }
    }

    /// Writes a Secret only if it is still the version that its material was decided on
    /// ([`crate::RegistryState::versions`]).
    ///
    /// With that, of several applies at once one wins each Secret, and the others end with
    /// [`crate::Error::Overtaken`]; they are to read the state and decide again. What is decided first is written first
    /// (the CA before what it signs, the password before its hash), so they end with one and the same material.
    #[must_use]
    pub fn decided_on(mut self, versions: &Versions) -> Self {
        self.seen = Some(versions.clone());
        self
    }

    pub(crate) fn without(mut self, foreign: &[ForeignObject]) -> Self {
        self.objects.retain(|desired| {
            let mut foreign = foreign.iter();
            !foreign.any(|other| &other.object == desired.reference())
        });
        self
    }

    pub(crate) fn seen(&self) -> Option<&Versions> {
        self.seen.as_ref()
    }

    /// The spec these were rendered from.
    #[must_use]
    pub fn spec(&self) -> &RegistrySpec {
        &self.spec
    }

    /// How much of the registry this is.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// The objects, in the order they are to be made.
    #[must_use]
    pub fn objects(&self) -> &[Object] {
        &self.objects
    }

    /// The directory that must be on a node, owned by [`REGISTRY_UID`], before the registry can start; `None` where
    /// the storage needs none or the kubelet makes it.
    #[must_use]
    pub fn host_directory(spec: &RegistrySpec) -> Option<HostDirectory> {
        match (spec.place().profile(), spec.storage()) {
            (
                Profile::Default,
                Storage::HostPath {
                    path,
                    node: Some(node),
                    ..
                },
            ) => Some(HostDirectory {
                node: node.clone(),
                path: path.clone(),
                uid: REGISTRY_UID,
                gid: REGISTRY_UID,
                mode: 0o770,
            }),
            _ => None,
        }
    }
}
