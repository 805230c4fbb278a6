//! From words to the registry as kreg-k8s knows it.

use kreg_k8s::{Place, RegistrySpec, SpecError, Storage};

use crate::args::TargetArgs;
use crate::choices::ProfileArg;
use crate::context::App;
use crate::error::Error;
use crate::settings::Wanted;

/// Which registry the flags and the configuration name.
pub(crate) fn place(app: &App, target: &TargetArgs) -> Result<Place, Error> {
    let (global, registry) = (&app.global, &app.config.registry);
    let profile = target.profile.or(registry.profile);
    let usual = Place::new(profile.unwrap_or(ProfileArg::Default).into());
    let namespace = global
        .namespace
        .as_deref()
        .or(registry.namespace.as_deref());
    let namespace = namespace.unwrap_or(usual.namespace()).to_owned();
    let name = target.name.as_deref().or(registry.name.as_deref());
    let name = name.unwrap_or(usual.instance()).to_owned();
    let port = target.port.or(registry.port).unwrap_or(usual.port());
    dns_label("--name", &name)?;
    dns_label("--namespace", &namespace)?;
    if port == 0 {
        return Err(Error::usage("port 0 is not a port: use 1 to 65535"));
    }
    let apply = || -> Result<Place, SpecError> {
        let place = usual
            .with_earlier(
                global.namespace.is_some()
                    || (registry.namespace.is_some() && !app.config.implicit),
            )
            .with_instance(&name)?
            .with_namespace(&namespace)?
            .with_service(&name)?
            .with_port(port)?;
        match &registry.cluster_domain {
            Some(domain) => place.with_cluster_domain(domain),
            None => Ok(place),
        }
    };
    apply().map_err(|cause| invalid(&cause))
}

/// The whole registry as it is asked for, at this place.
pub(crate) fn wanted(place: Place, wanted: &Wanted) -> Result<RegistrySpec, Error> {
    let storage = storage(wanted)?;
    let apply = || -> Result<RegistrySpec, SpecError> {
        Ok(RegistrySpec::new(place)
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

/// Why a registry cannot be as the words say.
pub(crate) fn invalid(cause: &SpecError) -> Error {
    let is_none = cause.field() == "replicas" && cause.value() == "0";
    Error::usage("the registry cannot be made as asked")
        .because(cause)
        .help_if(is_none.then(|| "`kreg down` takes a registry away".to_owned()))
}

/// The word of `--storage`, with its size and, of a bucket, what the configuration says of it.
fn storage(wanted: &Wanted) -> Result<Storage, Error> {
    let text = &wanted.storage;
    let storage = text.parse::<Storage>().map_err(|_| {
        Error::usage(format!("--storage `{text}` is not understood")).help(
            "use class, class:NAME, claim:NAME, hostpath:/DIR, hostpath:/DIR@NODE, emptydir or s3:BUCKET",
        )
    })?;
    match storage.with_size(&wanted.size) {
        Storage::S3(bucket) => wanted.s3.bucket(bucket).map(Storage::S3),
        other => Ok(other),
    }
}

/// RFC 1123 section 2.1 as the API server reads it for Services and namespaces.
fn dns_label(flag: &str, text: &str) -> Result<(), Error> {
    let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    let bytes = text.as_bytes();
    let ok = (1..=63).contains(&bytes.len())
        && bytes.iter().all(|c| inner(*c))
        && !text.starts_with('-')
        && !text.ends_with('-');
    if ok {
        return Ok(());
    }
    Err(
        Error::usage(format!("{flag} `{text}` is not a DNS-1123 label"))
            .help("use 1 to 63 of a-z, 0-9 and `-`, with a letter or digit at both ends"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels() {
        for good in ["a", "docker-registry", "r2", &"x".repeat(63)] {
            assert!(dns_label("--name", good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", "ü", &"x".repeat(64)] {
            assert!(dns_label("--name", bad).is_err(), "{bad}");
        }
    }
}
