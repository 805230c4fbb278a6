//! `kreg secret apply|remove`: the pull secret in other namespaces and on their service accounts.

use clap::{Args, Subcommand};
use kreg_k8s::ObjectRef;
use kreg_k8s::pull::{Outcome, Selection};
use serde::Serialize;

use crate::args::TargetArgs;
use crate::context::App;
use crate::error::{Ending, Error, said};
use crate::output;
use crate::session::Session;

#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Put the pull secret into namespaces and attach it to their service accounts; again whenever
    /// namespaces have come
    Apply(ApplyArgs),
    /// Take it out of them again; `kreg down` does so by itself
    Remove(RemoveArgs),
}

#[derive(Debug, Args)]
#[group(id = "where", required = true, multiple = false)]
pub(crate) struct WhereArgs {
    /// These namespaces (after the command, unlike --namespace: the registry's own)
    #[arg(long, value_name = "NAMESPACE", value_delimiter = ',', group = "where")]
    pub(crate) namespaces: Vec<String>,

    /// Every namespace but the system's own
    #[arg(long, group = "where")]
    pub(crate) all_namespaces: bool,

    /// Namespaces with these labels, e.g. team=web
    #[arg(long, value_name = "LABELS", group = "where")]
    pub(crate) selector: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    pub(crate) place: WhereArgs,

    /// Attach it to these service accounts of each namespace
    #[arg(
        long = "service-account",
        value_name = "NAME",
        value_delimiter = ',',
        default_value = "default"
    )]
    pub(crate) accounts: Vec<String>,

    /// Make the Secrets only; Pods then name them themselves
    #[arg(long, conflicts_with = "accounts")]
    pub(crate) no_service_account: bool,

    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    #[command(flatten)]
    pub(crate) place: WhereArgs,

    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

#[derive(Debug, Serialize)]
struct Document {
    objects: Vec<Outcome>,
}

pub(crate) async fn run(app: &App, command: &SecretCommand) -> Result<Ending, Error> {
    let (place, target) = match command {
        SecretCommand::Apply(args) => (&args.place, &args.target),
        SecretCommand::Remove(args) => (&args.place, &args.target),
    };
    let selection = selection(place)?;
    let registry = Session::open(app, target, true).await?.registry;
    let objects = match command {
        SecretCommand::Apply(args) if args.no_service_account => {
            registry.share(&selection, &[]).await?
        }
        SecretCommand::Apply(args) => registry.share(&selection, &args.accounts).await?,
        SecretCommand::Remove(_) => {
            // Of all: also from namespaces that a look around would leave out.
            let selection = (!place.all_namespaces).then_some(&selection);
            registry.unshare(selection).await?
        }
    };
    output::print(app.global.output, "Secret", &Document { objects }, text)?;
    Ok(Ending::Done)
}

fn selection(place: &WhereArgs) -> Result<Selection, Error> {
    match (&place.selector, place.all_namespaces) {
        (Some(labels), _) if labels.trim().is_empty() => Err(Error::usage(
            "an empty --selector would mean every namespace; nothing was changed",
        )
        .help("name labels, or say --all-namespaces")),
        (Some(labels), _) => Ok(Selection::Labelled(labels.clone())),
        (None, true) => Ok(Selection::Labelled(String::new())),
        (None, false) => Ok(Selection::Named(place.namespaces.clone())),
    }
}

/// Partial if copies of the pull secret keep what they held before: the rest was done.
pub(super) fn judge(not_renewed: &[(ObjectRef, kreg_k8s::Error)]) -> Result<(), Error> {
    if not_renewed.is_empty() {
        return Ok(());
    }
    let lines = not_renewed
        .iter()
        .map(|(copy, why)| format!("\n- {copy}: {}", said(why)));
    Err(Error::new(
        Ending::Partial,
        format!(
            "these copies of the pull secret were not renewed:{}",
            lines.collect::<String>()
        ),
    )
    .help("remove each of them, for example where somebody made it immutable, then run `kreg secret apply` for its namespace"))
}

fn text(document: &Document) -> String {
    if document.objects.is_empty() {
        return "nothing was there".to_owned();
    }
    let objects = document.objects.iter();
    let lines = objects.map(|one| format!("{} {}", one.object, output::word(&one.state)));
    lines.collect::<Vec<_>>().join("\n")
}
