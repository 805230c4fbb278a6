//! `kreg cert show|lint|renew|rotate-ca`.
//!
//! [`keys`] is where CAs and their keys are kept, [`serving`] what the registry shows to its
//! clients and how it is given something else, [`look`] all of it at once as the rotation's state
//! machine wants it.

pub(crate) mod args;
mod keys;
mod lint;
mod look;
mod outlook;
mod renew;
mod rotate;
mod serving;
mod show;
mod view;

use crate::app::App;
use crate::error::{Ending, Error};
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
