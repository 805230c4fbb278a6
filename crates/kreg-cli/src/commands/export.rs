//! `kreg export`: the registry that is up as manifests for GitOps, without its secrets; and the least rights.

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use kreg::Exported;
use kreg_k8s::rights::{self, Extras, Purpose, Right};
use kreg_k8s::{Profile, taint};

use crate::args::TargetArgs;
use crate::choices::Backend;
use crate::context::App;
use crate::error::{Ending, Error, Tried as _};
use crate::output;
use crate::session::Session;
use crate::settings::Settings;
use crate::spec;

#[derive(Debug, Subcommand)]
pub(crate) enum ExportCommand {
    /// Plain YAML, one file an object; of Secrets the names of their keys only
    Plain(FolderArgs),
    /// The same with a kustomization.yaml, for `kubectl apply -k`
    Kustomize(FolderArgs),
    /// The least rights for setup or for operation, as RBAC, on stdout; what amounts to root on a node is marked
    Rbac(RbacArgs),
}

#[derive(Debug, Args)]
pub(crate) struct FolderArgs {
    /// The folder, made if it is not there
    pub(crate) folder: PathBuf,

    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RbacArgs {
    /// For which commands: setup for an administrator, operation for daily use
    #[arg(
        long = "for",
        value_parser = purposes(),
        value_name = "COMMAND",
        value_delimiter = ',',
        default_value = "operation"
    )]
    pub(crate) commands: Vec<Purpose>,

    /// Name of the service account, in the registry's namespace, that gets them
    #[arg(long, default_value = "kreg")]
    pub(crate) service_account: String,

    /// Also what `kreg secret apply` needs in these namespaces
    #[arg(long, value_name = "NAMESPACE", value_delimiter = ',')]
    pub(crate) namespaces: Vec<String>,

    /// Also what `kreg secret apply` needs in any namespace
    #[arg(long, conflicts_with = "namespaces")]
    pub(crate) all_namespaces: bool,

    #[command(flatten)]
    taint: crate::startup_taint::TaintArgs,

    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

/// What `--for` takes.
fn purposes() -> impl TypedValueParser<Value = Purpose> {
    let known = [
        (
            Purpose::Setup,
            "The first up, one with other settings, and down; with all that `up` has",
        ),
        (
            Purpose::Operation,
            "All that is done after setup: up, gc and doctor",
        ),
        (
            Purpose::Up,
            "A later up with the same settings, status, verify, cert, user and secret",
        ),
        (
            Purpose::Gc,
            "gc, which also runs a program in the registry's Pod",
        ),
        (
            Purpose::Doctor,
            "doctor, which also looks at Pods, events and DaemonSets of every namespace",
        ),
    ];
    let values = known.map(|(one, help)| PossibleValue::new(one.name()).help(help));
    PossibleValuesParser::new(values).try_map(|name| name.parse::<Purpose>())
}

pub(crate) async fn run(app: &App, command: &ExportCommand) -> Result<Ending, Error> {
    match command {
        ExportCommand::Plain(args) => folder(app, args, false).await,
        ExportCommand::Kustomize(args) => folder(app, args, true).await,
        ExportCommand::Rbac(args) => rbac(app, args),
    }
}

/// Without a cluster: the account that prints this may have no rights yet.
fn rbac(app: &App, args: &RbacArgs) -> Result<Ending, Error> {
    let settings = Settings::new(&app.global, &app.config, &args.target);
    let place = spec::place(app, &args.target)?;
    // Whether it is announced is up to the flags of each `up`.
    let extras = Extras {
        local_hosting: place.profile() == Profile::Default,
        node_agent: settings.nodes.backend == Backend::DaemonSet,
    };
    let commands = args.commands.iter();
    let mut needed: Vec<Right> = commands
        .flat_map(|one| one.rights(&place, extras))
        .collect();
    let named = (!args.all_namespaces).then_some(args.namespaces.as_slice());
    needed.extend(rights::needed_to_share(&place, named));
    if args.taint.taint(&app.config)?.is_some() {
        needed.extend(taint::needed_to_lift());
    }
    let text =
        rights::yaml(&place, &args.service_account, &needed).tried("cannot print the rights")?;
    output::line(text.trim_end())?;
    Ok(Ending::Done)
}

async fn folder(app: &App, args: &FolderArgs, kustomize: bool) -> Result<Ending, Error> {
    let session = Session::open(app, &args.target, true).await?;
    let exported = session.registry.export(&args.folder, kustomize).await?;
    output::print(app.global.output, "Export", &exported, Exported::to_string)?;
    Ok(Ending::Done)
}
