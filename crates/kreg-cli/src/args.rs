//! The command line, as clap reads it.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// A private image registry in any Kubernetes cluster: TLS and password protected,
/// trusted by every node, and proved by a real pull on each.
#[derive(Debug, Parser)]
#[command(name = "kreg", version, propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed, 2 bad usage or configuration, 3 some nodes \
    not done, 4 proof failed, 5 changes pending or drift."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[command(flatten)]
    pub(crate) global: Global,
}

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

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a commented kreg.toml
    Init(InitArgs),
    /// What `up` would change, objects and node files; touches nothing
    Plan(PlanArgs),
    /// Put the registry up, make every node trust it, and prove it
    Up(UpArgs),
    /// Undo all of it; image data stays unless --delete-data
    Down(DownArgs),
    /// Registry, certificates, users, and which nodes trust it
    Status(TargetArgs),
    /// The proof: a fresh image, pushed and pulled on every node, with negative controls
    Verify(crate::commands::verify::VerifyArgs),
    /// Node trust on its own
    #[command(subcommand)]
    Nodes(NodesCommand),
    /// The registry's certificates: look, judge, renew, rotate the CA
    #[command(subcommand)]
    Cert(crate::commands::cert::args::CertCommand),
    /// Who may log in
    #[command(subcommand)]
    User(UserCommand),
    /// The pull secret in other namespaces and on their service accounts
    #[command(subcommand)]
    Secret(crate::commands::secret::SecretCommand),
    /// What is wrong, why, and how to fix it; ends with the proof where nothing else shows a cause
    Doctor(crate::commands::doctor::DoctorArgs),
    /// Remove what no image needs any more from the registry's storage, safely
    Gc(crate::commands::gc::GcArgs),
    /// A local port to the registry for docker, podman, skopeo, crane and BuildKit
    Tunnel(crate::commands::tunnel::TunnelArgs),
    /// Manifests for GitOps, or the least rights that kreg needs
    #[command(subcommand)]
    Export(crate::commands::export::ExportCommand),
    /// Completions for your shell, on stdout
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// The manual page, in roff, on stdout
    Man,
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Where to write it; `-` for stdout
    #[arg(default_value = "kreg.toml")]
    pub(crate) file: PathBuf,
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
    pub(crate) nodes_by: Option<crate::config::Backend>,

    #[command(flatten)]
    pub(crate) ssh: SshArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ProfileArg {
    Default,
    Tutorial,
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

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// End with 5 if something would change
    #[arg(long)]
    pub(crate) exit_code: bool,

    /// Leave the nodes out
    #[arg(long)]
    pub(crate) skip_nodes: bool,

    #[command(flatten)]
    pub(crate) spec: SpecArgs,
}

#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Leave the nodes out: only the objects in the cluster
    #[arg(long)]
    pub(crate) skip_nodes: bool,

    /// Leave the proof out
    #[arg(long)]
    pub(crate) skip_verify: bool,

    #[command(flatten)]
    pub(crate) spec: SpecArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DownArgs {
    /// Remove the volume with all images too
    #[arg(long)]
    pub(crate) delete_data: bool,

    /// Leave the nodes as they are (they then keep trusting the CA)
    #[arg(long)]
    pub(crate) skip_nodes: bool,

    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NodesCommand {
    /// Make every node trust the registry that is up
    Trust(crate::commands::nodes::TrustArgs),
    /// Put every node back as it was
    Untrust(crate::commands::nodes::WorkArgs),
    /// What every node holds, and what is missing
    Status(NodesArgs),
    /// Take the startup taint off nodes that prove their pull; with --watch of those that join later, too
    Admit(crate::commands::admit::AdmitArgs),
    /// Print the program that would run as root on a node, to be read first, or piped to `sh` there
    Script(crate::commands::script::ScriptArgs),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct NodesArgs {
    /// Only these nodes
    #[arg(long = "node", value_name = "NODE")]
    pub(crate) nodes: Vec<String>,

    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add a user, wait until the registry lets it in, and prove that
    Add(UserPasswordArgs),
    /// Remove a user, and wait until the registry has read the file without it
    Remove(UserArgs),
    /// Change a user's password; of the pull secret's user, there too
    Passwd(UserPasswordArgs),
    /// Who can log in
    List(TargetArgs),
    /// Whether a user with this password can log in now
    Check(UserPasswordArgs),
}

#[derive(Debug, Args)]
pub(crate) struct UserArgs {
    /// The user's name
    pub(crate) user: String,

    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

#[derive(Debug, Args)]
pub(crate) struct UserPasswordArgs {
    /// The user's name
    pub(crate) user: String,

    /// File with the user's password [default: it is asked for on the terminal]
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,

    /// Read the user's password from stdin
    #[arg(long, conflicts_with = "password_file")]
    pub(crate) password_stdin: bool,

    /// Make a password, and print it on stdout
    #[arg(long, conflicts_with_all = ["password_file", "password_stdin"])]
    pub(crate) generate: bool,

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
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

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
