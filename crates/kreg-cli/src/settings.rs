//! What a command works with: flags over `kreg.toml` over the profile's defaults, checked.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kreg::Issued;
use kreg_auth::Cost;
use kreg_k8s::RegistrySpec;
use kreg_k8s::taint::StartupTaint;
use kreg_pki::San;

use crate::args::{Global, SpecArgs, TargetArgs};
use crate::choices::{Backend, ProfileArg};
use crate::config::Config;
use crate::error::Error;
use crate::s3::S3Settings;

/// How the cluster and its nodes are reached.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) kubeconfig: Option<PathBuf>,
    pub(crate) context: Option<String>,
    pub(crate) as_user: Option<String>,
    pub(crate) as_groups: Vec<String>,
    pub(crate) timeout: Duration,
    pub(crate) nodes: NodeSettings,
}

/// What `up` and `plan` need besides.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) image: String,
    pub(crate) storage: String,
    pub(crate) size: String,
    pub(crate) s3: S3Settings,
    pub(crate) replicas: u32,
    pub(crate) cluster_ip: Option<IpAddr>,
    pub(crate) sans: Vec<San>,
    pub(crate) user: Option<String>,
    pub(crate) password: PasswordSource,
    pub(crate) bcrypt_cost: Option<u32>,
    pub(crate) ca_key: Option<PathBuf>,
    pub(crate) issued: Option<IssuedAt>,
    pub(crate) leaf_days: Option<u32>,
    pub(crate) ca_days: Option<u32>,
    pub(crate) network_policy: bool,
    pub(crate) local_hosting: bool,
    pub(crate) startup_taint: Option<StartupTaint>,
    pub(crate) adopt: bool,
}

/// What a hash of a password costs, by `auth.bcrypt_cost` of the configuration.
pub(crate) fn bcrypt_cost(wanted: Option<u32>) -> Result<Cost, Error> {
    match wanted {
        Some(cost) => Cost::new(cost)
            .map_err(|cause| Error::usage("auth.bcrypt_cost is not usable").because(&cause)),
        None => Ok(Cost::DEFAULT),
    }
}

/// Where the certificate is that was issued elsewhere.
#[derive(Debug, Clone)]
pub(crate) enum IssuedAt {
    Files {
        cert: PathBuf,
        key: PathBuf,
        ca: Option<PathBuf>,
    },
    Secret {
        namespace: String,
        name: String,
    },
}

impl IssuedAt {
    /// By flags, else by the configuration.
    fn new(config: &Config, args: &SpecArgs) -> Result<Option<Self>, Error> {
        let tls = &config.tls;
        let by_flag = args.tls_cert.is_some() || args.tls_secret.is_some() || args.ca_key.is_some();
        let (cert, key, ca, secret, ca_key) = if by_flag {
            let ca_key = &args.ca_key;
            (
                &args.tls_cert,
                &args.tls_key,
                &args.ca,
                &args.tls_secret,
                ca_key,
            )
        } else {
            (&tls.cert, &tls.key, &tls.ca, &tls.secret, &tls.ca_key)
        };
        if ca_key.is_some() && (cert.is_some() || secret.is_some()) {
            return Err(Error::usage(
                "[tls] says ca_key, which is for a CA of kreg's own, and a certificate of another",
            )
            .help("keep one of them in kreg.toml"));
        }
        match (cert, key, secret) {
            (None, None, None) => Ok(None),
            (Some(cert), Some(key), None) => Ok(Some(Self::Files {
                cert: cert.clone(),
                key: key.clone(),
                ca: ca.clone(),
            })),
            (None, None, Some(secret)) => match secret.split_once('/') {
                Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
                    Ok(Some(Self::Secret {
                        namespace: namespace.to_owned(),
                        name: name.to_owned(),
                    }))
                }
                _ => Err(Error::usage(format!(
                    "`{secret}` does not name a Secret with its namespace"
                ))
                .help("write it as NAMESPACE/NAME")),
            },
            _ => Err(Error::usage(
                "[tls] must have both cert and key for a certificate that was issued elsewhere, or only secret",
            )
            .help("see `kreg init`")),
        }
    }

    /// Reads the files.
    pub(crate) fn read(self) -> Result<Issued, Error> {
        let read = |file: &Path| {
            std::fs::read(file).map_err(|cause| {
                Error::usage(format!("cannot read {}", file.display())).because(&cause)
            })
        };
        Ok(match self {
            Self::Secret { namespace, name } => Issued::Secret { namespace, name },
            Self::Files { cert, key, ca } => Issued::Pem {
                chain: read(&cert)?,
                key: String::from_utf8(read(&key)?)
                    .map_err(|cause| {
                        Error::usage(format!("{} is not PEM", key.display())).because(&cause)
                    })?
                    .into(),
                ca: ca.as_deref().map(read).transpose()?,
            },
        })
    }
}

/// Where the first user's password comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PasswordSource {
    Stdin,
    File(PathBuf),
    /// `$KREG_PASSWORD`.
    Environment,
    /// The one that the cluster holds, or else a new one.
    KeepOrMake,
}

#[derive(Debug, Clone)]
pub(crate) struct NodeSettings {
    pub(crate) backend: Backend,
    pub(crate) skip: Vec<String>,
    pub(crate) parallel: usize,
    pub(crate) config: Option<PathBuf>,
    pub(crate) jump: Option<Vec<String>>,
    pub(crate) passphrase_file: Option<PathBuf>,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) user: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) identity: Option<PathBuf>,
    pub(crate) known_hosts: Option<PathBuf>,
    pub(crate) accept_new: bool,
    /// Only ever by flag: no configuration file asks for a restart.
    pub(crate) allow_runtime_restart: bool,
    pub(crate) addresses: BTreeMap<String, String>,
}

const DEFAULT_PARALLEL: usize = 64;
pub(crate) const PASSWORD_VARIABLE: &str = "KREG_PASSWORD";

impl Settings {
    pub(crate) fn new(global: &Global, config: &Config, target: &TargetArgs) -> Self {
        Self {
            kubeconfig: global
                .kubeconfig
                .clone()
                .or_else(|| config.cluster.kubeconfig.clone()),
            context: global
                .context
                .clone()
                .or_else(|| config.cluster.context.clone()),
            as_user: global.as_user.clone(),
            as_groups: global.as_groups.clone(),
            timeout: global.timeout,
            nodes: NodeSettings::new(config, target),
        }
    }
}

impl Wanted {
    pub(crate) fn new(
        config: &Config,
        profile: ProfileArg,
        args: &SpecArgs,
    ) -> Result<Self, Error> {
        let sans = if args.sans.is_empty() {
            &config.tls.sans
        } else {
            &args.sans
        };
        let sans = sans
            .iter()
            .map(|san| {
                san.parse().map_err(|cause| {
                    Error::usage(format!("`{san}` cannot stand in a certificate")).because(&cause)
                })
            })
            .collect::<Result<_, Error>>()?;
        let password = if args.password_stdin {
            PasswordSource::Stdin
        } else if let Some(file) = args
            .password_file
            .clone()
            .or_else(|| config.auth.password_file.clone())
        {
            PasswordSource::File(file)
        } else if std::env::var_os(PASSWORD_VARIABLE).is_some() {
            PasswordSource::Environment
        } else {
            PasswordSource::KeepOrMake
        };
        Ok(Self {
            image: args
                .image
                .clone()
                .or_else(|| config.registry.image.clone())
                .unwrap_or_else(|| RegistrySpec::DEFAULT_IMAGE.to_owned()),
            storage: args
                .storage
                .clone()
                .or_else(|| config.storage.kind.clone())
                .unwrap_or_else(|| profile.storage().to_owned()),
            size: args
                .size
                .clone()
                .or_else(|| config.storage.size.clone())
                .unwrap_or_else(|| profile.size().to_owned()),
            s3: config.storage.s3.clone(),
            replicas: args.replicas.or(config.registry.replicas).unwrap_or(1),
            cluster_ip: args.cluster_ip.or(config.registry.cluster_ip),
            sans,
            user: args.user.clone().or_else(|| config.auth.user.clone()),
            password,
            bcrypt_cost: config.auth.bcrypt_cost,
            ca_key: args.ca_key.clone().or_else(|| config.tls.ca_key.clone()),
            issued: IssuedAt::new(config, args)?,
            leaf_days: config.tls.leaf_days,
            ca_days: config.tls.ca_days,
            network_policy: args.network_policy || config.registry.network_policy.unwrap_or(false),
            local_hosting: profile == ProfileArg::Default
                && !args.no_local_hosting
                && config.registry.local_hosting.unwrap_or(true),
            startup_taint: args.taint.taint(config)?,
            adopt: args.adopt,
        })
    }
}

impl NodeSettings {
    fn new(config: &Config, target: &TargetArgs) -> Self {
        let (ssh, args) = (&config.nodes.ssh, &target.ssh);
        Self {
            backend: target
                .nodes_by
                .or(config.nodes.backend)
                .unwrap_or(Backend::Ssh),
            skip: config.nodes.skip.clone(),
            parallel: config.nodes.parallel.unwrap_or(DEFAULT_PARALLEL).max(1),
            config: args.ssh_config.clone().or_else(|| ssh.config.clone()),
            jump: jumps(&args.ssh_jump).or_else(|| ssh.jump.clone()),
            passphrase_file: args
                .ssh_passphrase_file
                .clone()
                .or_else(|| ssh.passphrase_file.clone()),
            connect_timeout: args
                .ssh_connect_timeout
                .or_else(|| ssh.connect_timeout.map(Duration::from_secs)),
            user: args.ssh_user.clone().or_else(|| ssh.user.clone()),
            port: args.ssh_port.or(ssh.port),
            identity: args.ssh_identity.clone().or_else(|| ssh.identity.clone()),
            known_hosts: args
                .ssh_known_hosts
                .clone()
                .or_else(|| ssh.known_hosts.clone()),
            accept_new: args.ssh_accept_new || ssh.accept_new.unwrap_or(false),
            allow_runtime_restart: args.allow_runtime_restart,
            addresses: ssh.addresses.clone(),
        }
    }
}

/// `none` is no jump host, said out loud.
fn jumps(flag: &[String]) -> Option<Vec<String>> {
    match flag {
        [] => None,
        [none] if none == "none" => Some(Vec::new()),
        hosts => Some(hosts.to_vec()),
    }
}
