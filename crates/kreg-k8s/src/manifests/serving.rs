//! How the registry serves: with pushes, or read-only.

use serde_json::json;

use super::registry_config::{FILE, FOLDER, READ_ONLY_FILE};
use crate::{names::ANNOTATION_TURN, object::Object};

/// How the default profile's registry serves: which of the two files of its ConfigMap it was started with.
///
/// One field of one object says so, and it is a field that an apply declares: [`crate::drift()`]
/// reports a run that was killed halfway, and the next apply fixes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serving {
    /// Pulls and pushes.
    Usual,
    /// Pulls; whatever would write is answered by 405 `UNSUPPORTED`.
    ReadOnly,
}

impl Serving {
    /// The registry's arguments. The default path differs between 2.8 and 3.x; with these both read the same file.
    #[must_use]
    pub fn arguments(self) -> [String; 2] {
        ["serve".to_owned(), self.file()]
    }

    /// The configuration that it reads, in its container.
    #[must_use]
    pub fn file(self) -> String {
        format!("{FOLDER}/{}", self.key())
    }

    /// Key of that file in the ConfigMap.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Serving::Usual => FILE,
            Serving::ReadOnly => READ_ONLY_FILE,
        }
    }

    /// How a Deployment's template, or a Pod, has it; `None` if somebody gave it other arguments.
    #[must_use]
    pub fn of(workload: &Object) -> Option<Serving> {
        let container = ["/spec/template/spec", "/spec"]
            .into_iter()
            .flat_map(|spec| workload.items(&format!("{spec}/containers")))
            .find(|container| container["name"] == "registry")?;
        [Serving::Usual, Serving::ReadOnly]
            .into_iter()
            .find(|serving| container["args"] == json!(serving.arguments()))
    }
}

/// How a Pod was started, or how a Deployment starts its Pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Started {
    /// It may write.
    Usual,
    /// It only reads, and a collector may run in it. The [`crate::Turn`] that it was started for; empty if it names none.
    ReadOnly(String),
    /// With other arguments: nobody knows what it does.
    Otherwise,
}

impl Started {
    pub(crate) fn of(workload: &Object) -> Started {
        match Serving::of(workload) {
            Some(Serving::Usual) => Started::Usual,
            Some(Serving::ReadOnly) => {
                let template = workload.value().pointer("/spec/template/metadata");
                let metadata = template.unwrap_or(&workload.value()["metadata"]);
                let turn = metadata["annotations"][ANNOTATION_TURN].as_str();
                Started::ReadOnly(turn.unwrap_or_default().to_owned())
            }
            None => Started::Otherwise,
        }
    }

    pub(crate) fn is_read_only(&self) -> bool {
        matches!(self, Started::ReadOnly(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Manifests, Material, Names, Place, Profile, RegistrySpec};

    #[test]
    fn the_rendered_deployment_serves_as_usual_and_holds_the_other_file() {
        let spec = RegistrySpec::new(Place::new(Profile::Default));
        let nothing = || secrecy::SecretString::from(String::new());
        let material = Material {
            tls_chain_pem: String::new(),
            tls_key_pem: nothing(),
            ca_bundle_pem: String::new(),
            ca_key_pem: None,
            htpasswd: nothing(),
            http_secret: nothing(),
            docker_config_json: nothing(),
            s3: None,
        };
        let manifests = Manifests::full(&spec, &material);
        let names = Names::of(spec.place());
        let object = |reference| {
            let mut objects = manifests.objects().iter();
            objects
                .find(|object| object.reference() == reference)
                .unwrap()
        };
        assert_eq!(Serving::of(object(&names.workload)), Some(Serving::Usual));
        let files = &object(&names.config.unwrap()).value()["data"];
        let (usual, read_only) = (
            &files[Serving::Usual.key()],
            &files[Serving::ReadOnly.key()],
        );
        assert!(!usual.as_str().unwrap().contains("readonly"));
        assert!(
            read_only
                .as_str()
                .unwrap()
                .contains("\n  maintenance:\n    readonly:\n      enabled: true\n")
        );
    }

    #[test]
    fn other_arguments_are_nobodys() {
        let pod = Object::from_value(json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "r", "namespace": "n" },
            "spec": { "containers": [{ "name": "registry", "args": ["serve", "/etc/kreg/read-only.yml"] }] },
        }))
        .unwrap();
        assert_eq!(Serving::of(&pod), Some(Serving::ReadOnly));
        let mut other = pod.value().clone();
        other["spec"]["containers"][0]["args"] = json!(["sleep"]);
        assert_eq!(Serving::of(&Object::from_value(other).unwrap()), None);
    }
}
