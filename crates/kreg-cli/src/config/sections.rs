//! What `kreg.toml` and flags both can say, section by section. A flag counts more.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use kreg_k8s::Profile;
use serde::{Deserialize, Deserializer};

use crate::choices::duration;
use crate::s3::S3Settings;

#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Registry")]
pub(crate) struct Registry {
    #[arg(skip)]
    pub(crate) profile: Option<Profile>,
    #[arg(skip)]
    pub(crate) name: Option<String>,
    #[arg(skip)]
    pub(crate) namespace: Option<String>,
    #[arg(skip)]
    pub(crate) port: Option<u16>,
    #[arg(skip)]
    pub(crate) cluster_domain: Option<String>,

    /// Image of the distribution registry, one that every node can pull or already has [default:
    /// docker.io/library/registry:2.8.3]
    #[arg(long)]
    pub(crate) image: Option<String>,

    /// How many Pods serve; more than one need S3 or a ReadWriteMany claim [default: 1]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) replicas: Option<u32>,

    /// Fixed ClusterIP of the Service [default: the cluster chooses, then it is kept]
    #[arg(long, value_name = "IP")]
    pub(crate) cluster_ip: Option<IpAddr>,

    /// Add a NetworkPolicy: in to the registry's port only, out to nowhere
    #[arg(long, num_args = 0, default_missing_value = "true")]
    pub(crate) network_policy: Option<bool>,

    /// Do not announce the registry to development tools (KEP-1755, kube-public/local-registry-hosting)
    #[arg(
        id = "no-local-hosting",
        long,
        num_args = 0,
        default_missing_value = "false"
    )]
    pub(crate) local_hosting: Option<bool>,
}

impl Registry {
    pub(crate) fn or(&self, file: &Self) -> Self {
        Self {
            image: self.image.clone().or_else(|| file.image.clone()),
            replicas: self.replicas.or(file.replicas),
            cluster_ip: self.cluster_ip.or(file.cluster_ip),
            network_policy: self.network_policy.or(file.network_policy),
            local_hosting: self.local_hosting.or(file.local_hosting),
            ..file.clone()
        }
    }
}

#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Registry")]
pub(crate) struct Storage {
    /// Where images are kept: `class`, `class:NAME`, `claim:NAME`, `hostpath:/DIR`,
    /// `hostpath:/DIR@NODE`, `emptydir` or `s3:BUCKET` (see [storage.s3] in kreg.toml) [default: the
    /// default StorageClass]
    #[arg(id = "storage", long, value_name = "STORAGE")]
    pub(crate) kind: Option<String>,

    /// Size of the claim, e.g. 20Gi [default: 10Gi; tutorial profile: 1Gi]
    #[arg(long)]
    pub(crate) size: Option<String>,

    #[arg(skip)]
    pub(crate) s3: S3Settings,
}

impl Storage {
    pub(crate) fn or(&self, file: &Self) -> Self {
        Self {
            kind: self.kind.clone().or_else(|| file.kind.clone()),
            size: self.size.clone().or_else(|| file.size.clone()),
            s3: file.s3.clone(),
        }
    }
}

#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Registry")]
pub(crate) struct Auth {
    /// First user [default: kreg; tutorial profile: myuser]
    #[arg(long)]
    pub(crate) user: Option<String>,

    /// File with the user's password [default: $KREG_PASSWORD, else one is made]
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,

    /// Read the user's password from stdin
    #[arg(long, conflicts_with = "password_file")]
    #[serde(skip)]
    pub(crate) password_stdin: bool,

    #[arg(skip)]
    pub(crate) bcrypt_cost: Option<u32>,
}

impl Auth {
    pub(crate) fn or(&self, file: &Self) -> Self {
        Self {
            user: self.user.clone().or_else(|| file.user.clone()),
            password_file: self
                .password_file
                .clone()
                .or_else(|| file.password_file.clone()),
            password_stdin: self.password_stdin,
            bcrypt_cost: file.bcrypt_cost,
        }
    }
}

#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Registry")]
pub(crate) struct Tls {
    /// Further names or addresses that the certificate must cover
    #[arg(long = "san", value_name = "NAME|IP")]
    pub(crate) sans: Vec<String>,

    /// Keep the CA's private key in this file, not in the cluster
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_key: Option<PathBuf>,

    /// A certificate that was issued elsewhere, or its chain, PEM, for all names and the address of the registry's
    /// Service; kreg makes none then, and has no CA
    #[arg(
        id = "tls-cert",
        long,
        value_name = "FILE",
        requires = "tls-key",
        conflicts_with = "ca_key"
    )]
    pub(crate) cert: Option<PathBuf>,

    /// The private key that belongs to it, PEM
    #[arg(id = "tls-key", long, value_name = "FILE", requires = "tls-cert")]
    pub(crate) key: Option<PathBuf>,

    /// The CA certificates that nodes are to trust then, PEM [default: the root of the chain]
    #[arg(long, value_name = "FILE", requires = "tls-cert")]
    pub(crate) ca: Option<PathBuf>,

    /// Such a certificate in a Secret, with tls.crt, tls.key and ca.crt, as cert-manager writes it
    #[arg(id = "tls-secret", long, value_name = "NAMESPACE/NAME", conflicts_with_all = ["tls-cert", "ca_key"])]
    pub(crate) secret: Option<String>,

    #[arg(skip)]
    pub(crate) leaf_days: Option<u32>,
    #[arg(skip)]
    pub(crate) ca_days: Option<u32>,
}

impl Tls {
    /// Where the certificate comes from is one choice: a flag for it replaces all that the file says of it.
    pub(crate) fn or(&self, file: &Self) -> Self {
        let is_chosen = self.cert.is_some() || self.secret.is_some() || self.ca_key.is_some();
        let source = if is_chosen { self } else { file };
        let sans = if self.sans.is_empty() { file } else { self };
        Self {
            sans: sans.sans.clone(),
            leaf_days: file.leaf_days,
            ca_days: file.ca_days,
            ..source.clone()
        }
    }
}

#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "SSH to the nodes")]
pub(crate) struct Ssh {
    /// OpenSSH's configuration to follow, or `none` [default: ~/.ssh/config, then
    /// /etc/ssh/ssh_config]
    #[arg(id = "ssh-config", long, value_name = "FILE|none")]
    pub(crate) config: Option<PathBuf>,

    /// Hosts to go through, `user@host:port`, the first one first, or `none` [default: what OpenSSH's
    /// configuration says]
    #[arg(id = "ssh-jump", long, value_name = "HOST,...", value_delimiter = ',')]
    pub(crate) jump: Option<Vec<String>>,

    /// File with the passphrase of the private key [default: $KREG_SSH_PASSPHRASE, else it is asked
    /// for on the terminal]
    #[arg(id = "ssh-passphrase-file", long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,

    /// How long connecting to a node, and logging in, may take, each [default: 10s]
    #[arg(id = "ssh-connect-timeout", long, value_name = "TIME", value_parser = duration)]
    #[serde(deserialize_with = "seconds")]
    pub(crate) connect_timeout: Option<Duration>,

    /// User on the nodes; another than root needs `sudo -n` [default: what OpenSSH's configuration
    /// says, else root]
    #[arg(id = "ssh-user", long, value_name = "USER")]
    pub(crate) user: Option<String>,

    /// Private key file; if it has a passphrase that nobody gives, the agent may hold it [default: the
    /// agent's keys and those in ~/.ssh]
    #[arg(id = "ssh-identity", long, value_name = "FILE")]
    pub(crate) identity: Option<PathBuf>,

    /// Known hosts file [default: ~/.ssh/known_hosts]
    #[arg(id = "ssh-known-hosts", long, value_name = "FILE")]
    pub(crate) known_hosts: Option<PathBuf>,

    /// Port of sshd on the nodes [default: 22]
    #[arg(id = "ssh-port", long, value_name = "PORT")]
    pub(crate) port: Option<u16>,

    /// Accept and remember host keys never seen before (a changed key is always refused)
    #[arg(id = "ssh-accept-new", long)]
    pub(crate) accept_new: bool,

    /// Node name to address, where the API's InternalIP is not what sshd listens on.
    #[arg(skip)]
    pub(crate) addresses: BTreeMap<String, String>,
}

impl Ssh {
    pub(crate) fn or(&self, file: &Self) -> Self {
        let (own, file) = (self.clone(), file.clone());
        Self {
            config: own.config.or(file.config),
            jump: own.jump.or(file.jump),
            passphrase_file: own.passphrase_file.or(file.passphrase_file),
            connect_timeout: own.connect_timeout.or(file.connect_timeout),
            user: own.user.or(file.user),
            identity: own.identity.or(file.identity),
            known_hosts: own.known_hosts.or(file.known_hosts),
            port: own.port.or(file.port),
            accept_new: own.accept_new || file.accept_new,
            addresses: file.addresses,
        }
    }
}

fn seconds<'de, D: Deserializer<'de>>(number: D) -> Result<Option<Duration>, D::Error> {
    let number = Option::<u64>::deserialize(number)?;
    Ok(number.map(Duration::from_secs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_for_the_certificates_source_replaces_all_that_the_file_says_of_it() {
        let file = Tls {
            cert: Some("file.crt".into()),
            key: Some("file.key".into()),
            ca: Some("file-ca.crt".into()),
            leaf_days: Some(30),
            ..Tls::default()
        };
        assert_eq!(Tls::default().or(&file).cert, Some("file.crt".into()));
        let flag = Tls {
            secret: Some("a/b".to_owned()),
            ..Tls::default()
        };
        let both = flag.or(&file);
        assert_eq!(both.secret.as_deref(), Some("a/b"));
        assert_eq!((both.cert, both.key, both.ca), (None, None, None));
        assert_eq!(both.leaf_days, Some(30));
    }
}
