//! The registry's objects as files, without what its Secrets hold.

use std::fmt;
use std::path::{Path, PathBuf};

use kreg_k8s::{ApplyMode, Cluster as _, FolderCluster, Kind, Manifests, RegistrySpec};
use serde::Serialize;

use crate::error::{Error, NotUp, Tried as _};
use crate::registry::Registry;

/// What was written.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Exported {
    /// Where.
    pub folder: PathBuf,
    /// Names of the files with objects.
    pub files: Vec<String>,
    /// Names of the files that show how the Secrets look.
    pub secrets: Vec<String>,
}

impl fmt::Display for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} files in {}; {} Secrets are not among them: see SECRETS.md there",
            self.files.len(),
            self.folder.display(),
            self.secrets.len()
        )
    }
}

impl Registry {
    /// Writes every object as a file into `folder`, each Secret as an example without content, and `SECRETS.md`; with
    /// `kustomize`, a `kustomization.yaml` too.
    ///
    /// # Errors
    /// [`NotUp::NotRecorded`], as [`Registry::existing`], and [`Error::Failed`] for what cannot be written.
    pub async fn export(&self, folder: &Path, kustomize: bool) -> Result<Exported, Error> {
        let state = self.existing().await?;
        let recalled = match &state.inventory {
            Some(inventory) => RegistrySpec::recalled(self.place(), inventory)
                .tried("cannot tell what this registry should be")?,
            None => None,
        };
        let name = self.place().instance();
        let spec = recalled.ok_or_else(|| NotUp::NotRecorded(name.to_owned()))?;
        let spec = spec.with_cluster_ip(state.cluster_ip);
        let target = FolderCluster::open(folder).tried("cannot export")?;
        let mut exported = Exported {
            folder: folder.to_owned(),
            files: Vec::new(),
            secrets: Vec::new(),
        };
        let mut notes = NOTES.to_owned();
        for object in Manifests::full(&spec, &state.material()).objects() {
            let applied = target.apply(object, ApplyMode::default()).await;
            applied.tried("cannot export")?;
            let reference = object.reference();
            let file = target.file(reference);
            let file = file
                .file_name()
                .map(|name| name.to_string_lossy().into_owned());
            if reference.kind() == Kind::Secret {
                let (name, namespace) = (reference.name(), spec.place().namespace());
                notes.push_str(&format!(
                    "\n## {name}\n\nkubectl get secret -n {namespace} {name} -o yaml | kubeseal -o yaml > \
                     sealedsecret-{name}.yaml\n"
                ));
                exported.secrets.extend(file);
            } else {
                exported.files.extend(file);
            }
        }
        let written = target.write_text("SECRETS.md", &notes);
        written.tried("cannot export")?;
        if kustomize {
            let files = exported.files.iter();
            let resources: String = files.map(|file| format!("  - {file}\n")).collect();
            let text = format!(
                "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n{resources}"
            );
            let written = target.write_text("kustomization.yaml", &text);
            written.tried("cannot export")?;
        }
        Ok(exported)
    }
}

const NOTES: &str = "
The registry needs the Secrets below, and no file here holds what is in them. The `.yaml.example` files say which keys
each has; `kubectl apply -f` of this folder passes them over. Secrets that are in the cluster already are left alone by
what is exported here.

To keep them in Git, seal each (sealed-secrets, below), or let external-secrets fill a Secret of the same name, type and
keys from your vault. A new `tls.crt` takes effect only when the Pods restart: change the annotation
`kreg.dev/tls-checksum` of the Deployment's template with it. Keep the CA's key out of Git altogether.
";
