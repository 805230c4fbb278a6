//! `kreg doctor`: the cause, the evidence and the fix of what is wrong.

use clap::{Args, Subcommand};

use super::doctor_client;
use crate::app::App;
use crate::error::{Ending, Error};

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    #[command(subcommand)]
    part: Option<DoctorPart>,
}

#[derive(Debug, Subcommand)]
enum DoctorPart {
    /// This machine's container client: is one there, does its daemon answer, may you use it without sudo
    Client,
}

pub(crate) fn run(app: &App, args: &DoctorArgs) -> Result<Ending, Error> {
    match args.part {
        Some(DoctorPart::Client) => doctor_client::run(app),
        None => Err(
            Error::usage("`kreg doctor` cannot examine a registry in this release")
                .help("`kreg doctor client` examines this machine's container client; `kreg verify` and `kreg status` examine the registry"),
        ),
    }
}
