//! From words to the registry as kreg-k8s knows it.

use kreg_k8s::{Place, Profile, RegistrySpec, SpecError, Storage};

use crate::args::{SpecArgs, TargetArgs};
use crate::config::{Config, sections};
use crate::context::App;
use crate::error::Error;

/// Which registry the flags and the configuration name.
pub(crate) fn place(app: &App, target: &TargetArgs) -> Result<Place, Error> {
    let (global, registry) = (&app.global, &app.config.registry);
    let profile = target.profile.or(registry.profile);
    let usual = Place::new(profile.unwrap_or(Profile::Default));
    let namespace = global
        .namespace
        .as_deref()
        .or(registry.namespace.as_deref());
    let namespace = namespace.unwrap_or(usual.namespace()).to_owned();
    let name = target.name.as_deref().or(registry.name.as_deref());
    let name = name.unwrap_or(usual.instance()).to_owned();
    let port = target.port.or(registry.port).unwrap_or(usual.port());
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
    apply().map_err(|cause| {
        let what = match cause.field() {
            "instance" | "service" => "name of a registry",
            "cluster_domain" => "domain of a cluster",
            field => field,
        };
        Error::usage(format!("`{}` is not a valid {what}", cause.value())).help(cause.rule())
    })
}

/// The whole registry as it is asked for, at this place.
pub(crate) fn wanted(
    place: Place,
    args: &SpecArgs,
    config: &Config,
) -> Result<RegistrySpec, Error> {
    let registry = args.registry.or(&config.registry);
    let is_default = place.profile() == Profile::Default;
    let usual = RegistrySpec::new(place);
    let storage = storage(&args.storage.or(&config.storage), usual.storage())?;
    let image = registry.image.as_deref();
    let apply = || -> Result<RegistrySpec, SpecError> {
        Ok(usual
            .with_image(image.unwrap_or(RegistrySpec::DEFAULT_IMAGE))?
            .with_storage(storage)?
            .with_replicas(registry.replicas.unwrap_or(1))?
            .with_network_policy(registry.network_policy.unwrap_or(false))
            .with_local_hosting(is_default && registry.local_hosting.unwrap_or(true))
            .with_cluster_ip(registry.cluster_ip))
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
fn storage(wanted: &sections::Storage, usual: &Storage) -> Result<Storage, Error> {
    let parse = |text: &String| {
        text.parse::<Storage>().map_err(|_| {
            Error::usage(format!("--storage `{text}` is not understood")).help(
                "use class, class:NAME, claim:NAME, hostpath:/DIR, hostpath:/DIR@NODE, emptydir or s3:BUCKET",
            )
        })
    };
    let storage = wanted.kind.as_ref().map_or(Ok(usual.clone()), parse)?;
    let size = wanted.size.as_deref().or(usual.size());
    match storage.with_size(size.unwrap_or_default()) {
        Storage::S3(bucket) => wanted.s3.bucket(bucket).map(Storage::S3),
        other => Ok(other),
    }
}
