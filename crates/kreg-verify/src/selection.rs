//! Which checks run.

use crate::check::{CLEANUP, Check};
use crate::checks::NodeCa;
use crate::verify_error::{Lack, VerifyError};

/// Name and title of each built-in check, in a report's order.
pub const CHECKS: [(&str, &str); 23] = [
    ("tls", "the certificate as served is valid under the CA"),
    ("expiry", "no certificate ends within 7 days"),
    ("login", "the user with the right password gets in"),
    ("anonymous", "nobody gets in without a password"),
    ("wrong-password", "nobody gets in with a wrong password"),
    ("without-ca", "a client without the CA refuses the registry"),
    ("plain-http", "the registry does not answer plain HTTP"),
    (
        "push",
        "an image with a digest nobody has seen can be pushed",
    ),
    ("push-whole", "a blob goes in whole"),
    ("push-chunked", "a blob goes in by chunks"),
    (
        "push-resumed",
        "an upload goes on after its connection was lost",
    ),
    (
        "mount",
        "a layer is had in another repository without being sent",
    ),
    ("list", "the pushed image is listed"),
    (
        "list-pages",
        "lists come page by page, with nothing left out",
    ),
    (
        "pull",
        "the pushed image comes back by digest, byte for byte",
    ),
    (
        "index",
        "each architecture finds its own image under one tag",
    ),
    ("delete", "an image that is deleted is gone"),
    (
        "stored",
        "the certificate as served is the one that is stored",
    ),
    ("user", "each further user gets in"),
    ("node-route", "every node finds the registry and reaches it"),
    (
        "node-ca",
        "what every node trusts vouches for what is served",
    ),
    ("node-pull", "every node pulls the image and runs it"),
    (CLEANUP, "nothing of the proof is left behind"),
];

/// The names of checks that are to run, and of those that are not; empty means all, and none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    pub(crate) only: Vec<String>,
    pub(crate) skip: Vec<String>,
}

impl Selection {
    /// The checks that are to run: those asked for with what they build on, without those left out.
    pub(crate) fn of(
        &self,
        checks: Vec<Box<dyn Check>>,
    ) -> Result<Vec<Box<dyn Check>>, VerifyError> {
        let mut known: Vec<&str> = CHECKS.iter().map(|(name, _)| *name).collect();
        known.extend(checks.iter().map(|check| check.name()));
        for name in self.only.iter().chain(&self.skip) {
            if !known.contains(&name.as_str()) {
                let mut names: Vec<&str> = Vec::new();
                for name in known {
                    if !names.contains(&name) {
                        names.push(name);
                    }
                }
                return Err(VerifyError::UnknownCheck {
                    name: name.clone(),
                    known: names.join(", "),
                });
            }
        }
        let mut wanted = self.only.clone();
        let mut looked_at = 0;
        while let Some(name) = wanted.get(looked_at).cloned() {
            let needed = checks
                .iter()
                .filter(|check| check.name() == name)
                .flat_map(|check| check.after());
            for name in needed {
                if !wanted.iter().any(|have| have == name) {
                    wanted.push((*name).to_owned());
                }
            }
            looked_at += 1;
        }
        let asked = |name: &str| self.only.is_empty() || wanted.iter().any(|have| have == name);
        let left_out = |name: &str| self.skip.iter().any(|have| have == name);
        for name in &self.only {
            let is_there = checks.iter().any(|check| check.name() == name);
            let why = if !is_there {
                lacking(name)
            } else if left_out(name) {
                Lack::Skipped
            } else {
                continue;
            };
            let name = name.clone();
            return Err(VerifyError::NothingToCheck { name, why });
        }
        let chosen: Vec<_> = checks
            .into_iter()
            .filter(|check| asked(check.name()) && !left_out(check.name()))
            .collect();
        if chosen.is_empty() {
            Err(VerifyError::NoCheck)
        } else {
            Ok(chosen)
        }
    }
}

/// What a built-in check needs that is not there.
fn lacking(name: &str) -> Lack {
    match name {
        "user" => Lack::Users,
        "stored" => Lack::StoredCertificate,
        NodeCa::NAME => Lack::NodeFiles,
        CLEANUP => Lack::OtherChecks,
        _ => Lack::Node,
    }
}
