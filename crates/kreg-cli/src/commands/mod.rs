//! One file a command; this one only sends to them.

pub(crate) mod admit;
pub(crate) mod cert;
pub(crate) mod docs;
pub(crate) mod doctor;
pub(crate) mod down;
pub(crate) mod export;
pub(crate) mod gc;
pub(crate) mod init;
pub(crate) mod nodes;
pub(crate) mod plan;
pub(crate) mod script;
pub(crate) mod secret;
mod status;
pub(crate) mod tunnel;
pub(crate) mod up;
pub(crate) mod user;
pub(crate) mod verify;

use std::process::ExitCode;

use crate::cli::Command;
use crate::context::App;
use crate::error::Error;

pub(crate) async fn dispatch(app: &App, command: Command) -> Result<ExitCode, Error> {
    let ended = match command {
        // The one that may end with a code of somebody else's.
        Command::Tunnel(args) => return tunnel::run(app, &args).await,
        Command::Plan(args) => plan::run(app, &args).await,
        Command::Up(args) => up::run(app, &args).await,
        Command::Down(args) => down::run(app, &args).await,
        Command::Status(args) => status::run(app, &args).await,
        Command::Verify(args) => verify::run(app, &args).await,
        Command::Nodes(command) => nodes::run(app, &command).await,
        Command::Cert(command) => cert::run(app, &command).await,
        Command::User(command) => user::run(app, &command).await,
        Command::Secret(command) => secret::run(app, &command).await,
        Command::Gc(args) => gc::run(app, &args).await,
        Command::Doctor(args) => doctor::run(app, &args).await,
        Command::Export(command) => export::run(app, &command).await,
        Command::Init(args) => init::run(&args),
        Command::Completions { shell } => docs::completions(shell),
        Command::Man => docs::man(),
    };
    ended.map(ExitCode::from)
}
