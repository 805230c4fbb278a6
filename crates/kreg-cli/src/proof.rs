//! The proof as it is run, shown and judged.

use kreg::{Proof, Scope, Standing};

use crate::error::{Ending, Error};
use crate::fixes;
use crate::output;
use crate::session::Session;
use crate::signals::signalled_in_proof;

/// A signal ends it, and it clears up by itself.
pub(crate) async fn prove(
    session: &Session,
    standing: &Standing,
    scope: Scope,
) -> Result<Proof, Error> {
    let scope = Scope {
        timeout: Some(session.settings.timeout),
        ..scope
    };
    let registry = &session.registry;
    let proved = registry.prove(standing, scope, signalled_in_proof(), &session.on);
    Ok(worded(proved.await?))
}

/// With what repairs a failed check in this program's words.
pub(crate) fn worded(mut proof: Proof) -> Proof {
    proof.report = fixes::worded(proof.report);
    proof
}

/// One line a check, and under a failed one what was seen.
pub(crate) fn table(proof: &Proof) -> String {
    output::coloured(&proof.report.to_text())
}

/// After the result was printed.
pub(crate) fn judge(proof: &Proof) -> Result<Ending, Error> {
    if proof.holds() {
        return Ok(Ending::Done);
    }
    let lines = proof.objections().join("\n");
    Err(Error::new(
        Ending::ProofFailed,
        format!("the proof does not hold:\n{lines}"),
    )
    .help("`kreg doctor` names the cause and the way out")
    .told())
}
