//! `kreg doctor client`: whether this machine has a client to push and pull with, and what to do if not.

use kreg::client::{self, Check, Facts, Step, Verdict};
use serde::Serialize;

use crate::context::App;
use crate::error::{Ending, Error};
use crate::output;

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

#[derive(Debug, Serialize)]
struct Finding {
    check: Check,
    verdict: Verdict,
    found: String,
    /// Commands, to be run in this order.
    fix: Vec<String>,
}

pub(super) async fn run(app: &App) -> Result<Ending, Error> {
    let facts = Facts::read().await;
    let findings = client::findings(&facts);
    let usable = client::is_usable(&findings);
    let findings = findings.into_iter().map(|one| Finding {
        check: one.check,
        verdict: one.verdict,
        found: one.found,
        fix: one.fix.iter().map(|step| command(step, &facts)).collect(),
    });
    let outcome = Outcome {
        usable,
        findings: findings.collect(),
        system: facts.system.name,
        user: facts.user,
    };
    output::print(app.global.output, "DoctorClient", &outcome, text)?;
    if usable {
        return Ok(Ending::Done);
    }
    Err(
        Error::failed("no container client can be used on this machine as it is")
            .help("the commands above fix it, from the first to the last; then run `kreg doctor client` again")
            .told(),
    )
}

fn command(step: &Step, facts: &Facts) -> String {
    match step {
        Step::AsRoot(command) if facts.is_root => command.clone(),
        Step::AsRoot(command) if facts.has_sudo => format!("sudo {command}"),
        Step::AsRoot(command) => format!("su -c \"{command}\""),
        Step::AsUser(command) => command.clone(),
        Step::NewSession(group) => format!("newgrp {group}    # or log out and in again"),
        other => format!("{other:?}"),
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
        let check = output::word(&finding.check);
        lines.push(format!("{mark} {check}: {}", finding.found));
        lines.extend(finding.fix.iter().map(|command| format!("    {command}")));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_asked_by_sudo_or_else_by_su() {
        let install = Step::AsRoot("apk add docker".to_owned());
        let mut facts = Facts::default();
        assert_eq!(command(&install, &facts), "su -c \"apk add docker\"");
        facts.has_sudo = true;
        assert_eq!(command(&install, &facts), "sudo apk add docker");
        facts.is_root = true;
        assert_eq!(command(&install, &facts), "apk add docker");
        let version = Step::AsUser("docker version".to_owned());
        assert_eq!(command(&version, &facts), "docker version");
        let session = command(&Step::NewSession("docker"), &facts);
        assert_eq!(session, "newgrp docker    # or log out and in again");
    }
}
