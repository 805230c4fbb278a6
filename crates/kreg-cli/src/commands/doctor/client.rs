//! `kreg doctor client`: whether this machine has a client to push and pull with, and what to do if not.

use kreg::client::{Clients, Facts};

use crate::context::App;
use crate::error::{Ending, Error};
use crate::output;

pub(super) async fn run(app: &App) -> Result<Ending, Error> {
    let clients = Clients::of(Facts::read().await);
    output::print(
        app.global.output,
        "DoctorClient",
        &clients,
        ToString::to_string,
    )?;
    if clients.usable {
        return Ok(Ending::Done);
    }
    Err(
        Error::failed("no container client can be used on this machine as it is")
            .help("the commands above fix it, from the first to the last; then run `kreg doctor client` again")
            .told(),
    )
}
