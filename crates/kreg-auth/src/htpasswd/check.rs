//! Would the registry let this user in?

use secrecy::{ExposeSecret, SecretString};

use super::Htpasswd;
use crate::cost::Cost;
use crate::hash::{BcryptHash, HashKind, spend};

/// The most that a refusal is stretched to, so that one absurd entry (cost 31 takes a day)
/// does not make every refusal as slow.
const STRETCH_LIMIT: u32 = 14;

/// What the registry would say to a user name and password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It lets the user in.
    Accepted,
    /// The user is known, the password is not this one.
    WrongPassword,
    /// There is no such user.
    UnknownUser,
    /// The user is known by a hash that the registry cannot check.
    NotAccepted(HashKind),
}

impl Verdict {
    /// Whether the registry lets the user in. Tell outsiders no more than this.
    #[must_use]
    pub fn is_accepted(self) -> bool {
        self == Verdict::Accepted
    }
}

impl Htpasswd {
    /// What the registry would answer: the user's **last** line counts, only bcrypt is
    /// checked, and only the first 72 bytes of the password are looked at.
    ///
    /// The work does not tell whether the user exists or how its hash is made: every answer
    /// costs as much as the most expensive bcrypt entry of the file (or [`Cost::DEFAULT`] if
    /// there is none), up to cost 14. In async code, use a thread.
    #[must_use]
    pub fn check(&self, username: &str, password: &SecretString) -> Verdict {
        let password = password.expose_secret();
        let stretch = self.stretch();
        let entry = self
            .entries()
            .filter(|(_, entry)| entry.user == username.as_bytes())
            .last();
        let hash = entry
            .as_ref()
            .and_then(|(_, entry)| BcryptHash::parse(entry.hash));
        let Some(hash) = hash else {
            spend(password, stretch);
            return match entry {
                Some((_, entry)) => Verdict::NotAccepted(HashKind::of(entry.hash)),
                None => Verdict::UnknownUser,
            };
        };
        let accepted = hash.matches(password);
        // 2^c + (2^c + 2^(c+1) + ... + 2^(m-1)) = 2^m: a cheap entry takes as long as a dear one.
        for rest in hash.cost.get()..stretch.get() {
            spend(password, Cost::new(rest).unwrap_or(Cost::MIN));
        }
        if accepted {
            Verdict::Accepted
        } else {
            Verdict::WrongPassword
        }
    }

    /// The cost that every check amounts to.
    fn stretch(&self) -> Cost {
        let costs = self
            .entries()
            .filter_map(|(_, entry)| BcryptHash::parse(entry.hash));
        let most = costs.map(|hash| hash.cost).max().unwrap_or_default();
        Cost::new(most.get().min(STRETCH_LIMIT)).unwrap_or_default()
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
