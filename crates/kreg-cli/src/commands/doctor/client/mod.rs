//! `kreg doctor client`: whether this machine has a client to push and pull with, and what to do if not.
//!
//! [`facts`] reads the machine, [`advice`] decides; only the first does I/O.

mod advice;
mod facts;
mod system;

use serde::Serialize;

use crate::app::App;
use crate::error::{Ending, Error};
use crate::output;

use advice::{Finding, Verdict};
use facts::Facts;

/// What `-o json` prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    system: String,
    user: String,
    /// Whether a client can be used now.
    usable: bool,
    findings: Vec<Finding>,
}

pub(crate) async fn run(app: &App) -> Result<Ending, Error> {
    let facts = Facts::read().await;
    let findings = advice::of(&facts);
    let outcome = Outcome {
        system: facts.system.pretty_name.clone(),
        user: facts.user.clone(),
        usable: advice::is_usable(&findings),
        findings,
    };
    output::print(app.global.output, "DoctorClient", &outcome, text)?;
    match outcome.usable {
        true => Ok(Ending::Done),
        false => Err(
            Error::failed("no container client can be used on this machine as it is")
                .help("the commands above mend it, from the first to the last; then run `kreg doctor client` again")
                .told(),
        ),
    }
}

fn text(outcome: &Outcome) -> String {
    let mut lines = vec![format!("{}, user {}", outcome.system, outcome.user)];
    for finding in &outcome.findings {
        let mark = match finding.verdict {
            Verdict::Good => "✓",
            Verdict::Bad => "✗",
            Verdict::Note => "!",
        };
        lines.push(format!("{mark} {}: {}", finding.check, finding.found));
        lines.extend(finding.fix.iter().map(|command| format!("    {command}")));
    }
    lines.join("\n")
}
