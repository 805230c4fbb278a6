//! What was found on this machine, with the commands that repair it here.

use std::fmt;

use serde::Serialize;

use super::{Check, Facts, Finding, Step, Verdict, findings, is_usable};

/// This machine's clients. `Display` has a line for each finding, and below it its commands.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Clients {
    /// The system, as a person reads it.
    pub system: String,
    /// Who asks.
    pub user: String,
    /// Whether a client can be used now.
    pub usable: bool,
    /// The cause before its consequences.
    pub findings: Vec<Found>,
}

/// One question about this machine, its answer, and what repairs it.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Found {
    /// The question.
    pub check: Check,
    /// Whether the answer is good.
    pub verdict: Verdict,
    /// The answer.
    pub found: String,
    /// Commands, to be run in this order.
    pub fix: Vec<String>,
}

impl Clients {
    /// Judges what is there.
    #[must_use]
    pub fn of(facts: Facts) -> Self {
        let findings = findings(&facts);
        let usable = is_usable(&findings);
        let found = |one: Finding| Found {
            check: one.check,
            verdict: one.verdict,
            found: one.found,
            fix: one.fix.iter().map(|step| command(step, &facts)).collect(),
        };
        Self {
            usable,
            findings: findings.into_iter().map(found).collect(),
            system: facts.system.name,
            user: facts.user,
        }
    }
}

impl fmt::Display for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, user {}", self.system, self.user)?;
        for one in &self.findings {
            let mark = match one.verdict {
                Verdict::Good => "✓",
                Verdict::Bad => "✗",
                Verdict::Note => "!",
            };
            write!(f, "\n{mark} {}: {}", one.check, one.found)?;
            for command in &one.fix {
                write!(f, "\n    {command}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As its JSON has it.
        self.serialize(f)
    }
}

/// As this user runs it: by sudo, or else by su.
fn command(step: &Step, facts: &Facts) -> String {
    match step {
        Step::AsRoot(command) if facts.is_root => command.clone(),
        Step::AsRoot(command) if facts.has_sudo => format!("sudo {command}"),
        Step::AsRoot(command) => format!("su -c \"{command}\""),
        Step::AsUser(command) => command.clone(),
        Step::NewSession(group) => format!("newgrp {group}    # or log out and in again"),
    }
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
