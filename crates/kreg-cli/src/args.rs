//! The words that several commands share.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use kreg_k8s::Profile;

use crate::choices::{Backend, duration};
use crate::config::sections::{Auth, Registry, Ssh, Storage, Tls};

#[derive(Debug, Clone, Args)]
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
    #[arg(long, value_parser = profile())]
    pub(crate) profile: Option<Profile>,

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
    pub(crate) ssh: Ssh,

    /// Where a node's containerd looks in no directory for registries: set one and restart it, one
    /// node at a time; undone where it does not come back
    #[arg(long, help_heading = "SSH to the nodes")]
    pub(crate) allow_runtime_restart: bool,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Registry")]
pub(crate) struct SpecArgs {
    #[command(flatten)]
    pub(crate) registry: Registry,

    #[command(flatten)]
    pub(crate) storage: Storage,

    /// Let a registry that is up go on at another --storage; nothing is copied, so it begins without
    /// images
    #[arg(long)]
    pub(crate) change_storage: bool,

    #[command(flatten)]
    pub(crate) auth: Auth,

    #[command(flatten)]
    pub(crate) tls: Tls,

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

fn profile() -> impl TypedValueParser<Value = Profile> {
    let words = PossibleValuesParser::new(["default", "tutorial"]);
    words.map(|word| match word.as_str() {
        "tutorial" => Profile::Tutorial,
        _ => Profile::Default,
    })
}
