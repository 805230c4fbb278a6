//! From settings to the registry as kreg-k8s knows it.

use std::net::IpAddr;

use kreg_k8s::{Profile, RegistrySpec, SpecError, Storage};
use kreg_pki::San;

use crate::args::ProfileArg;
use crate::config::Backend;
use crate::error::{Error, Tried as _};
use crate::s3::S3Settings;
use crate::settings::{Settings, Wanted};

/// What names the registry; enough to find it again.
pub(crate) fn located(settings: &Settings) -> Result<RegistrySpec, Error> {
    build(settings).map_err(|cause| invalid(&cause))
}

/// The whole registry as it is asked for.
pub(crate) fn wanted(settings: &Settings, wanted: &Wanted) -> Result<RegistrySpec, Error> {
    let storage = storage(&wanted.storage, &wanted.size, &wanted.s3)?;
    let apply = || -> Result<RegistrySpec, SpecError> {
        Ok(build(settings)?
            .with_image(&wanted.image)?
            .with_storage(storage)?
            .with_replicas(wanted.replicas)?
            .with_network_policy(wanted.network_policy)
            .with_local_hosting(wanted.local_hosting)
            .with_startup_taint(wanted.startup_taint.clone())
            .with_cluster_ip(wanted.cluster_ip))
    };
    apply().map_err(|cause| invalid(&cause))
}

fn build(settings: &Settings) -> Result<RegistrySpec, SpecError> {
    let profile = match settings.profile {
        ProfileArg::Default => Profile::Default,
        ProfileArg::Tutorial => Profile::Tutorial,
    };
    RegistrySpec::new(profile)
        .with_earlier(settings.is_named)
        .with_instance(&settings.name)?
        .with_namespace(&settings.namespace)?
        .with_service(&settings.name)?
        .with_port(settings.port)?
        .with_node_agent(settings.nodes.backend == Backend::DaemonSet)
        .with_cluster_domain(&settings.cluster_domain)
}

fn invalid(cause: &SpecError) -> Error {
    Error::usage("the registry cannot be made as asked").because(cause)
}

/// `class`, `class:NAME`, `claim:NAME`, `hostpath:/DIR`, `hostpath:/DIR@NODE`, `emptydir`, `s3:BUCKET`.
fn storage(text: &str, size: &str, s3: &S3Settings) -> Result<Storage, Error> {
    let size = size.to_owned();
    let (kind, rest) = text
        .split_once(':')
        .map_or((text, None), |(kind, rest)| (kind, Some(rest)));
    match (kind, rest.filter(|rest| !rest.is_empty())) {
        ("class", name) => Ok(Storage::StorageClass {
            name: name.map(str::to_owned),
            size,
        }),
        ("claim", Some(name)) => Ok(Storage::ExistingClaim {
            name: name.to_owned(),
        }),
        ("emptydir", None) => Ok(Storage::EmptyDir),
        ("s3", Some(bucket)) => s3.bucket(bucket).map(Storage::S3),
        ("hostpath", Some(place)) => {
            let (path, node) = place
                .split_once('@')
                .map_or((place, None), |(path, node)| (path, Some(node)));
            Ok(Storage::HostPath {
                path: path.to_owned(),
                node: node.map(str::to_owned),
                size,
            })
        }
        _ => Err(
            Error::usage(format!("--storage `{text}` is not understood")).help(
                "use class, class:NAME, claim:NAME, hostpath:/DIR, hostpath:/DIR@NODE, emptydir or s3:BUCKET",
            ),
        ),
    }
}

/// What clients reach the registry by, for its certificate: the Service's names and address; the
/// tutorial's has its one name only.
pub(crate) fn endpoints(
    settings: &Settings,
    spec: &RegistrySpec,
    address: Option<IpAddr>,
) -> Result<Vec<San>, Error> {
    let (names, address) = match settings.profile {
        ProfileArg::Default => (spec.dns_names(), address),
        ProfileArg::Tutorial => (vec![settings.name.clone()], None),
    };
    names
        .iter()
        .map(|name| {
            name.parse()
                .tried(format!("`{name}` cannot stand in a certificate"))
        })
        .chain(address.map(|address| Ok(San::Ip(address))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_words() {
        let size = || "1Gi".to_owned();
        let s3 = S3Settings::default();
        let parse = |text| storage(text, "1Gi", &s3).expect(text);
        assert_eq!(
            parse("class"),
            Storage::StorageClass {
                name: None,
                size: size()
            }
        );
        assert_eq!(
            parse("class:fast"),
            Storage::StorageClass {
                name: Some("fast".into()),
                size: size()
            }
        );
        assert_eq!(
            parse("claim:data"),
            Storage::ExistingClaim {
                name: "data".into()
            }
        );
        assert_eq!(parse("emptydir"), Storage::EmptyDir);
        assert_eq!(
            parse("hostpath:/srv/images@worker1"),
            Storage::HostPath {
                path: "/srv/images".into(),
                node: Some("worker1".into()),
                size: size()
            }
        );
        let Storage::S3(bucket) = parse("s3:images") else {
            panic!("no bucket")
        };
        assert_eq!(bucket.to_string(), "s3://images in us-east-1");
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
            assert!(storage(bad, "1Gi", &s3).is_err(), "{bad}");
        }
    }
}
