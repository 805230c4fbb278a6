//! One file a command; this one only sends to them.

pub(crate) mod cert;
pub(crate) mod docs;
mod down;
pub(crate) mod export;
pub(crate) mod init;
mod nodes;
mod plan;
pub(crate) mod secret;
mod status;
mod up;
mod user;
mod verify;

use crate::app::App;
use crate::args::Command;
use crate::error::{Ending, Error};

pub(crate) async fn dispatch(app: &App, command: Command) -> Result<Ending, Error> {
    match command {
        Command::Plan(args) => plan::run(app, &args).await,
        Command::Up(args) => up::run(app, &args).await,
        Command::Down(args) => down::run(app, &args).await,
        Command::Status(args) => status::run(app, &args).await,
        Command::Verify(args) => verify::run(app, &args).await,
        Command::Nodes(command) => nodes::run(app, &command).await,
        Command::Cert(command) => cert::run(app, &command).await,
        Command::User(command) => user::run(app, &command).await,
        Command::Secret(command) => secret::run(app, &command).await,
        Command::Export(command) => export::run(app, &command).await,
        Command::Init(args) => init::run(&args),
        Command::Completions { shell } => docs::completions(shell),
        Command::Man => docs::man(),
    }
}
