//! Where the registry keeps its images.

use crate::{
    profile::Profile,
    rules::{self, SpecError},
    s3::S3Bucket,
};

/// What backs `/var/lib/registry`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Storage {
    /// A claim filled by a StorageClass.
    StorageClass {
        /// Name of the class; `None` takes the cluster's default class.
        name: Option<String>,
        /// Size of the claim, a Kubernetes quantity such as `10Gi`.
        size: String,
    },
    /// A static volume on a directory of one node.
    ///
    /// The default profile makes a `local` volume, tied to its node; its directory must be there before
    /// (see [`crate::Manifests::host_directory`]). The tutorial profile makes the tutorial's `hostPath` volume.
    HostPath {
        /// Absolute directory on the node.
        path: String,
        /// The node, by the value of its label `kubernetes.io/hostname`. The default profile needs it: without it the
        /// registry would find an empty directory whenever it is moved to another node.
        node: Option<String>,
        /// Capacity written on the volume and asked for by the claim; nothing enforces it on disk.
        size: String,
    },
    /// A claim somebody else made, in the same namespace; kreg neither changes nor deletes it.
    ExistingClaim {
        /// Name of the PersistentVolumeClaim.
        name: String,
    },
    /// Scratch space that is lost with the Pod.
    EmptyDir,
    /// A bucket of an S3-compatible server; needs no volume, and takes any number of Pods.
    S3(S3Bucket),
}

/// Size of a claim of which nothing else is said.
const DEFAULT_SIZE: &str = "10Gi";

impl Storage {
    /// Sets the size, a Kubernetes quantity, where kreg makes a claim. Other storage stays as it is.
    #[must_use]
    pub fn with_size(mut self, wanted: &str) -> Self {
        if let Storage::StorageClass { size, .. } | Storage::HostPath { size, .. } = &mut self {
            wanted.clone_into(size);
        }
        self
    }

    /// The size of the claim or volume, a Kubernetes quantity; `None` where kreg makes neither.
    #[must_use]
    pub fn size(&self) -> Option<&str> {
        match self {
            Storage::StorageClass { size, .. } | Storage::HostPath { size, .. } => Some(size),
            _ => None,
        }
    }

    pub(crate) fn check(&self, profile: Profile, replicas: u32) -> Result<(), SpecError> {
        let is_tutorials = matches!(
            self,
            Storage::HostPath { .. } | Storage::ExistingClaim { .. }
        );
        if profile == Profile::Tutorial && !is_tutorials {
            return Err(SpecError::new(
                "storage",
                "the tutorial profile keeps the tutorial's hostPath volume, or an existing claim; use the default \
                 profile for other storage",
                self.label(),
            ));
        }
        let of_one_pod = match self {
            Storage::StorageClass { .. } | Storage::HostPath { .. } => Some(
                "only one Pod can write to a ReadWriteOnce volume: share an S3 bucket, or an existing claim that is \
                 ReadWriteMany",
            ),
            Storage::EmptyDir => Some(
                "each Pod would have an emptyDir and images of its own: share an S3 bucket, or an existing claim that \
                 is ReadWriteMany",
            ),
            Storage::ExistingClaim { .. } | Storage::S3(_) => None,
        };
        if let (Some(rule), true) = (of_one_pod, replicas > 1) {
            return Err(SpecError::new("replicas", rule, &replicas.to_string()));
        }
        match self {
            Storage::StorageClass { name, size } => {
                if let Some(name) = name {
                    rules::dns_subdomain("storage.name", name)?;
                }
                rules::quantity("storage.size", size)
            }
            Storage::HostPath { path, node, size } => {
                rules::absolute_path("storage.path", path)?;
                match node {
                    Some(node) => rules::dns_subdomain("storage.node", node)?,
                    None if profile == Profile::Default => {
                        return Err(SpecError::new(
                            "storage.node",
                            "the default profile ties a host directory to its node: name the node",
                            "",
                        ));
                    }
                    None => {}
                }
                rules::quantity("storage.size", size)
            }
            Storage::ExistingClaim { name } => rules::dns_subdomain("storage.name", name),
            Storage::EmptyDir => Ok(()),
            Storage::S3(bucket) => bucket.check(),
        }
    }

    /// Whether what is stored in the one is seen in the other: the same claim, directory or bucket. Size and class are
    /// kreg's own claim's, and that is one.
    #[must_use]
    pub fn is_same_place(&self, other: &Storage) -> bool {
        match (self, other) {
            (Storage::StorageClass { .. }, Storage::StorageClass { .. })
            | (Storage::EmptyDir, Storage::EmptyDir) => true,
            (
                Storage::HostPath { path, node, .. },
                Storage::HostPath {
                    path: other_path,
                    node: other_node,
                    ..
                },
            ) => path == other_path && node == other_node,
            (Storage::ExistingClaim { name }, Storage::ExistingClaim { name: other }) => {
                name == other
            }
            (Storage::S3(bucket), Storage::S3(other)) => bucket.is_same_place(other),
            _ => false,
        }
    }

    /// The bucket, if it is one.
    #[must_use]
    pub fn bucket(&self) -> Option<&S3Bucket> {
        match self {
            Storage::S3(bucket) => Some(bucket),
            _ => None,
        }
    }

    /// The word used for it in configuration files.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Storage::StorageClass { .. } => "storage-class",
            Storage::HostPath { .. } => "host-path",
            Storage::ExistingClaim { .. } => "existing-claim",
            Storage::EmptyDir => "empty-dir",
            Storage::S3(_) => "s3",
        }
    }
}

/// In one word, as it is configured: `class`, `class:NAME`, `claim:NAME`, `hostpath:/DIR`, `hostpath:/DIR@NODE`, `emptydir`
/// or `s3:BUCKET`. What the word does not say has a default: [`Storage::with_size`] sets the size, and a bucket is in
/// [`S3Bucket::DEFAULT_REGION`] of Amazon's.
///
/// Whether a name or path is well formed is checked by [`crate::RegistrySpec::with_storage`].
impl std::str::FromStr for Storage {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let size = DEFAULT_SIZE.to_owned();
        let (kind, rest) = match text.split_once(':') {
            Some((kind, rest)) => (kind, Some(rest)),
            None => (text, None),
        };
        match (kind, rest.filter(|rest| !rest.is_empty())) {
            ("class", name) => Ok(Storage::StorageClass {
                name: name.map(str::to_owned),
                size,
            }),
            ("claim", Some(name)) => Ok(Storage::ExistingClaim {
                name: name.to_owned(),
            }),
            ("emptydir", None) => Ok(Storage::EmptyDir),
            ("s3", Some(bucket)) => Ok(Storage::S3(S3Bucket::new(bucket))),
            ("hostpath", Some(directory)) => {
                let (path, node) = match directory.split_once('@') {
                    Some((path, node)) => (path, Some(node.to_owned())),
                    None => (directory, None),
                };
                Ok(Storage::HostPath {
                    path: path.to_owned(),
                    node,
                    size,
                })
            }
            _ => Err(SpecError::new(
                "storage",
                "it must be class, class:NAME, claim:NAME, hostpath:/DIR, hostpath:/DIR@NODE, emptydir or s3:BUCKET",
                text,
            )),
        }
    }
}

/// The word that it is read from, but the whole of a bucket's place.
impl std::fmt::Display for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Storage::StorageClass { name: None, .. } => write!(f, "class"),
            Storage::StorageClass {
                name: Some(name), ..
            } => write!(f, "class:{name}"),
            Storage::HostPath {
                path, node: None, ..
            } => write!(f, "hostpath:{path}"),
            Storage::HostPath {
                path,
                node: Some(node),
                ..
            } => write!(f, "hostpath:{path}@{node}"),
            Storage::ExistingClaim { name } => write!(f, "claim:{name}"),
            Storage::EmptyDir => write!(f, "emptydir"),
            Storage::S3(bucket) => write!(f, "{bucket}"),
        }
    }
}

/// A directory that has to be on a node before the registry can start.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct HostDirectory {
    /// Value of the node's label `kubernetes.io/hostname`.
    pub node: String,
    /// Absolute path.
    pub path: String,
    /// Owner's numeric user id.
    pub uid: u32,
    /// Owner's numeric group id.
    pub gid: u32,
    /// Permission bits.
    pub mode: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_says_what_it_is() {
        let sized = |text: &str| text.parse::<Storage>().expect(text).with_size("1Gi");
        let size = || "1Gi".to_owned();
        let class = |name: Option<&str>| Storage::StorageClass {
            name: name.map(str::to_owned),
            size: size(),
        };
        assert_eq!(sized("class"), class(None));
        assert_eq!(sized("class:fast"), class(Some("fast")));
        let claim = Storage::ExistingClaim {
            name: "data".into(),
        };
        assert_eq!(sized("claim:data"), claim);
        assert_eq!(sized("emptydir"), Storage::EmptyDir);
        let directory = Storage::HostPath {
            path: "/srv/images".into(),
            node: Some("worker1".into()),
            size: size(),
        };
        assert_eq!(sized("hostpath:/srv/images@worker1"), directory);
        assert_eq!(sized("s3:images").to_string(), "s3://images in us-east-1");
        for text in [
            "class",
            "class:fast",
            "claim:data",
            "emptydir",
            "hostpath:/a",
            "hostpath:/a@n",
        ] {
            assert_eq!(sized(text).to_string(), text);
        }
        for bad in [
            "",
            "claim",
            "claim:",
            "hostpath:",
            "emptydir:x",
            "nfs:/x",
            "s3",
            "s3:",
        ] {
            assert!(bad.parse::<Storage>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_place_is_where_images_lie_whatever_its_size() {
        let class = |name: Option<&str>, size: &str| Storage::StorageClass {
            name: name.map(str::to_owned),
            size: size.to_owned(),
        };
        let directory = |path: &str, node: &str, size: &str| Storage::HostPath {
            path: path.to_owned(),
            node: Some(node.to_owned()),
            size: size.to_owned(),
        };
        let claim = |name: &str| Storage::ExistingClaim {
            name: name.to_owned(),
        };
        let bucket = |endpoint: &str, bucket: &str, prefix: Option<&str>, region: &str| {
            Storage::S3(S3Bucket {
                bucket: bucket.to_owned(),
                region: region.to_owned(),
                endpoint: Some(endpoint.to_owned()),
                prefix: prefix.map(str::to_owned),
                ca_pem: None,
            })
        };
        // Each row is one place.
        let places = [
            vec![
                class(None, "1Gi"),
                class(None, "2Gi"),
                class(Some("fast"), "1Gi"),
            ],
            vec![directory("/a", "n1", "1Gi"), directory("/a", "n1", "5Gi")],
            vec![directory("/b", "n1", "1Gi")],
            vec![directory("/a", "n2", "1Gi")],
            vec![claim("one")],
            vec![claim("two")],
            vec![Storage::EmptyDir],
            vec![
                bucket("https://s3:9000", "x", None, "a"),
                bucket("https://s3:9000/", "x", None, "b"),
            ],
            vec![bucket("https://s3:9000", "y", None, "a")],
            vec![bucket("https://s3:9000", "x", Some("/p"), "a")],
            vec![bucket("https://s4:9000", "x", None, "a")],
        ];
        for (row, one) in places
            .iter()
            .enumerate()
            .flat_map(|(row, all)| all.iter().map(move |one| (row, one)))
        {
            for (other_row, all) in places.iter().enumerate() {
                for other in all {
                    assert_eq!(
                        one.is_same_place(other),
                        row == other_row,
                        "{one} and {other}"
                    );
                }
            }
        }
    }
}
