//! The words that several commands share.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::choices::{Backend, ProfileArg};

#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Configuration file [default: ./kreg.toml, if there is one and nobody else can change it]
    #[arg(short, long, global = true, env = "KREG_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Kubeconfig file [default: $KUBECONFIG, then ~/.kube/config]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,

    /// Context of the kubeconfig [default: its current context]
    #[arg(long, global = true)]
    pub(crate) context: Option<String>,

    /// User to act as, e.g. jane or system:serviceaccount:NAMESPACE:NAME
    #[arg(long = "as", global = true, value_name = "USER")]
    pub(crate) as_user: Option<String>,

    /// Group to act as, with --as; may be repeated
    #[arg(long = "as-group", global = true, value_name = "GROUP")]
    pub(crate) as_groups: Vec<String>,

    /// Namespace of the registry [default: kreg-system; tutorial profile: default]
    #[arg(short, long, global = true)]
    pub(crate) namespace: Option<String>,

    /// How results are printed on stdout
    #[arg(short, long, global = true, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,

    /// More of what is done, on stderr (twice: also what libraries say)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,

    /// No progress on stderr
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,

    /// Colours on the terminal
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub(crate) color: Color,

    /// Do not ask before removing things
    #[arg(short, long, global = true)]
    pub(crate) yes: bool,

    /// How long each wait may take, tries of a request included, e.g. 90s or 5m
    #[arg(long, global = true, value_parser = duration, default_value = "3m")]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Table,
    Json,
    Yaml,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

/// What names the registry; the same for every command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Registry")]
pub(crate) struct TargetArgs {
    /// `default`, or `tutorial`: the objects and names of the well-known tutorial
    #[arg(long, value_enum)]
    pub(crate) profile: Option<ProfileArg>,

    /// Name of the registry: its Service, and the host part of image names [default: docker-registry]
    #[arg(long)]
    pub(crate) name: Option<String>,

    /// Port of the registry [default: 5000]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,

    /// How to reach the nodes [default: nodes.backend of kreg.toml; else daemonset for a registry that was set up so, else
    /// ssh]
    #[arg(long, value_enum, value_name = "WAY")]
    pub(crate) nodes_by: Option<Backend>,

    #[command(flatten)]
    pub(crate) ssh: SshArgs,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "SSH to the nodes")]
pub(crate) struct SshArgs {
    /// OpenSSH's configuration to follow, or `none` [default: ~/.ssh/config, then
    /// /etc/ssh/ssh_config]
    #[arg(long, value_name = "FILE|none")]
    pub(crate) ssh_config: Option<PathBuf>,

    /// Hosts to go through, `user@host:port`, the first one first, or `none` [default: what OpenSSH's
    /// configuration says]
    #[arg(long, value_name = "HOST,...", value_delimiter = ',')]
    pub(crate) ssh_jump: Vec<String>,

    /// File with the passphrase of the private key [default: $KREG_SSH_PASSPHRASE, else it is asked
    /// for on the terminal]
    #[arg(long, value_name = "FILE")]
    pub(crate) ssh_passphrase_file: Option<PathBuf>,

    /// How long connecting to a node, and logging in, may take, each [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) ssh_connect_timeout: Option<Duration>,

    /// User on the nodes; another than root needs `sudo -n` [default: what OpenSSH's configuration
    /// says, else root]
    #[arg(long, value_name = "USER")]
    pub(crate) ssh_user: Option<String>,

    /// Private key file; if it has a passphrase that nobody gives, the agent may hold it [default: the
    /// agent's keys and those in ~/.ssh]
    #[arg(long, value_name = "FILE")]
    pub(crate) ssh_identity: Option<PathBuf>,

    /// Known hosts file [default: ~/.ssh/known_hosts]
    #[arg(long, value_name = "FILE")]
    pub(crate) ssh_known_hosts: Option<PathBuf>,

    /// Port of sshd on the nodes [default: 22]
    #[arg(long, value_name = "PORT")]
    pub(crate) ssh_port: Option<u16>,

    /// Accept and remember host keys never seen before (a changed key is always refused)
    #[arg(long)]
    pub(crate) ssh_accept_new: bool,

    /// Where a node's containerd looks in no directory for registries: set one and restart it, one
    /// node at a time; undone where it does not come back
    #[arg(long)]
    pub(crate) allow_runtime_restart: bool,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Registry")]
pub(crate) struct SpecArgs {
    /// Image of the distribution registry, one that every node can pull or already has [default:
    /// docker.io/library/registry:2.8.3]
    #[arg(long)]
    pub(crate) image: Option<String>,

    /// Where images are kept: `class`, `class:NAME`, `claim:NAME`, `hostpath:/DIR`,
    /// `hostpath:/DIR@NODE`, `emptydir` or `s3:BUCKET` (see [storage.s3] in kreg.toml) [default: the
    /// default StorageClass]
    #[arg(long)]
    pub(crate) storage: Option<String>,

    /// Let a registry that is up go on at another --storage; nothing is copied, so it begins without
    /// images
    #[arg(long)]
    pub(crate) change_storage: bool,

    /// Size of the claim, e.g. 20Gi [default: 10Gi; tutorial profile: 1Gi]
    #[arg(long)]
    pub(crate) size: Option<String>,

    /// How many Pods serve; more than one need S3 or a ReadWriteMany claim [default: 1]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) replicas: Option<u32>,

    /// Fixed ClusterIP of the Service [default: the cluster chooses, then it is kept]
    #[arg(long, value_name = "IP")]
    pub(crate) cluster_ip: Option<IpAddr>,

    /// Further names or addresses that the certificate must cover
    #[arg(long = "san", value_name = "NAME|IP")]
    pub(crate) sans: Vec<String>,

    /// First user [default: kreg; tutorial profile: myuser]
    #[arg(long)]
    pub(crate) user: Option<String>,

    /// File with the user's password [default: $KREG_PASSWORD, else one is made]
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,

    /// Read the user's password from stdin
    #[arg(long, conflicts_with = "password_file")]
    pub(crate) password_stdin: bool,

    /// Keep the CA's private key in this file, not in the cluster
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_key: Option<PathBuf>,

    /// A certificate that was issued elsewhere, or its chain, PEM, for all names and the address of the registry's
    /// Service; kreg makes none then, and has no CA
    #[arg(
        long,
        value_name = "FILE",
        requires = "tls_key",
        conflicts_with = "ca_key"
    )]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The private key that belongs to it, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,

    /// The CA certificates that nodes are to trust then, PEM [default: the root of the chain]
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) ca: Option<PathBuf>,

    /// Such a certificate in a Secret, with tls.crt, tls.key and ca.crt, as cert-manager writes it
    #[arg(long, value_name = "NAMESPACE/NAME", conflicts_with_all = ["tls_cert", "ca_key"])]
    pub(crate) tls_secret: Option<String>,

    /// Add a NetworkPolicy: in to the registry's port only, out to nowhere
    #[arg(long)]
    pub(crate) network_policy: bool,

    /// Do not announce the registry to development tools (KEP-1755, kube-public/local-registry-hosting)
    #[arg(long)]
    pub(crate) no_local_hosting: bool,

    /// Take over objects and files on nodes that are where kreg's own belong; what was in such a file comes
    /// back on `kreg down`
    #[arg(long)]
    pub(crate) adopt: bool,

    #[command(flatten)]
    pub(crate) taint: crate::startup_taint::TaintArgs,

    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct NodesArgs {
    /// Only these nodes
    #[arg(long = "node", value_name = "NODE")]
    pub(crate) nodes: Vec<String>,

    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

/// Go's and systemd's short form: a number and `s`, `m` or `h`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text, "s"),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "expected a number with s, m or h, as in 90s".to_owned())?;
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(format!("unknown unit `{unit}`: use s, m or h")),
    };
    number
        .checked_mul(factor)
        .filter(|seconds| *seconds > 0)
        .map(Duration::from_secs)
        .ok_or_else(|| "out of range".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("7"), Ok(Duration::from_secs(7)));
        for bad in [
            "",
            "m",
            "0s",
            "5d",
            "-1s",
            "99999999999999999999s",
            "9223372036854775807h",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
