//! `kreg secret apply|remove`: the pull secret in other namespaces and on their service accounts.

use clap::{Args, Subcommand};
use kreg_k8s::pull::{self, Outcome, Selection, State};
use kreg_k8s::{ObjectRef, rights};
use serde::Serialize;

use crate::app::App;
use crate::args::TargetArgs;
use crate::error::{Ending, Error, Tried as _, said};
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
    let objects = match command {
        SecretCommand::Apply(args) => {
            let session = Session::open(app, &args.target, true).await?;
            session.existing().await?;
            let namespaces = chosen(&session, &args.place).await?;
            let accounts = match args.no_service_account {
                true => &[],
                false => args.accounts.as_slice(),
            };
            rights::check_to_share(&session.cluster, &session.place, &namespaces, accounts)
                .await
                .tried("this user may not do this in all of them; nothing was changed")?;
            pull::attach(&session.cluster, &session.place, &namespaces, accounts)
                .await
                .tried("cannot give the pull secret to these namespaces")?
        }
        SecretCommand::Remove(args) => {
            let session = Session::open(app, &args.target, true).await?;
            let namespaces = match args.place.all_namespaces {
                // Also from namespaces that a look around would leave out.
                true => None,
                false => Some(chosen(&session, &args.place).await?),
            };
            pull::detach(&session.cluster, &session.place, namespaces.as_deref())
                .await
                .tried("cannot take the pull secret out of these namespaces")?
        }
    };
    output::print(app.global.output, "Secret", &Document { objects }, text)?;
    Ok(Ending::Done)
}

async fn chosen(session: &Session, place: &WhereArgs) -> Result<Vec<String>, Error> {
    if place
        .selector
        .as_ref()
        .is_some_and(|labels| labels.trim().is_empty())
    {
        return Err(Error::usage(
            "an empty --selector would mean every namespace; nothing was changed",
        )
        .help("name labels, or say --all-namespaces"));
    }
    let selection = match (&place.selector, place.all_namespaces) {
        (Some(labels), _) => Selection::Labelled(labels.clone()),
        (None, true) => Selection::Labelled(String::new()),
        (None, false) => Selection::Named(place.namespaces.clone()),
    };
    let names = pull::namespaces(&session.cluster, &selection)
        .await
        .tried("cannot find the namespaces")?;
    match names.is_empty() {
        true => {
            Err(Error::usage("no namespace is selected")
                .help("`kubectl get namespaces --show-labels`"))
        }
        false => Ok(names),
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
    let word = |state: State| output::word(&state);
    document
        .objects
        .iter()
        .map(|one| format!("{} {}", one.object, word(one.state)))
        .collect::<Vec<_>>()
        .join("\n")
}
