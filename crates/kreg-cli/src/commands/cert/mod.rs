//! `kreg cert show|lint|renew|rotate-ca`.

pub(crate) mod args;
mod lint;
mod renew;
mod rotate;
mod show;

use std::path::PathBuf;

use kreg::certificates::Certificates;
use kreg::{KeyLocation, Proof};
use serde::Serialize;

use crate::context::App;
use crate::error::{Ending, Error};
use crate::intent;
use crate::output;
use crate::proof;
use crate::session::Session;
use args::CertCommand;

pub(crate) async fn run(app: &App, command: &CertCommand) -> Result<Ending, Error> {
    match command {
        CertCommand::Show(target) => show::run(app, target).await,
        CertCommand::Lint(args) => lint::run(app, args).await,
        CertCommand::Renew(args) if args.ca => rotate::run(app, args).await,
        CertCommand::Renew(args) => renew::run(app, args).await,
        CertCommand::RotateCa(args) => rotate::run(app, args).await,
    }
}

/// The certificates of the registry, and what new ones are to be like by the configuration.
fn certificates<'a>(
    app: &App,
    session: &'a Session,
    ca_key: Option<&PathBuf>,
) -> Result<Certificates<'a>, Error> {
    let tls = &app.config.tls;
    let key = match ca_key.or(tls.ca_key.as_ref()) {
        Some(file) => KeyLocation::File(file.clone()),
        None => KeyLocation::InCluster,
    };
    let timeout = session.settings.timeout;
    let mut certificates = session.registry.certificates(key, timeout);
    certificates.sans = intent::sans(&tls.sans)?;
    certificates.leaf_days = tls.leaf_days;
    certificates.ca_days = tls.ca_days;
    Ok(certificates)
}

#[derive(Serialize)]
struct Document<'a, T> {
    #[serde(flatten)]
    done: &'a T,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<&'a Proof>,
}

/// Prints what was done, and its proof, if there is one: before the words, for a person.
fn print<T: Serialize>(
    app: &App,
    kind: &str,
    (done, words): (&T, String),
    proof: Option<&Proof>,
) -> Result<(), Error> {
    let document = Document { done, proof };
    output::print(app.global.output, kind, &document, |_| match proof {
        Some(proof) => format!("{}\n\n{words}", proof::table(proof)),
        None => words,
    })
}
