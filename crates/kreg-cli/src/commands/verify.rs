//! `kreg verify`: the proof on its own.

use crate::app::App;
use crate::args::VerifyArgs;
use crate::error::{Ending, Error};
use crate::output;
use crate::proof::{self, Keys};
use crate::session::Session;

pub(crate) async fn run(app: &App, args: &VerifyArgs) -> Result<Ending, Error> {
    let session = Session::open(app, &args.target, true).await?;
    let state = session.existing().await?;
    let Some(bundle_pem) = &state.ca_bundle_pem else {
        return Err(Error::failed("the registry has no certificate yet").help("run `kreg up`"));
    };
    let credentials = proof::held_credentials(&session, &state)?;
    let keys = Keys {
        bundle_pem,
        credentials: &credentials,
    };
    let proof = proof::prove(app, &session, &session.spec, &keys, &args.nodes).await?;
    output::whole(app.global.output, proof.report(), |_| proof.table())?;
    proof.judge()
}
