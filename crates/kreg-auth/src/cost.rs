//! bcrypt's work factor.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// bcrypt's cost: the hash takes `2^cost` rounds, so one more doubles the time.
///
/// The registry runs bcrypt again for **every** request, and a push is tens of
/// requests, so the cost is paid many times over. See [`Cost::DEFAULT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Cost(u32);

/// A number that is not a bcrypt cost.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{given} is not a bcrypt cost: give a whole number from 4 to 31 (10 is a good one)")]
pub struct CostError {
    given: u32,
}

impl Cost {
    /// The smallest cost bcrypt knows, 4. For tests; too cheap for real passwords.
    pub const MIN: Cost = Cost(4);
    /// The largest cost bcrypt knows, 31: about a day for one check.
    pub const MAX: Cost = Cost(31);
    /// What kreg uses where nobody says otherwise, 10: the least that OWASP's Password Storage
    /// Cheat Sheet accepts for bcrypt, and the most that a push bears.
    ///
    /// Measured against distribution 2.8.2 on two shared cores, a push of a four-layer image
    /// (22 requests, one after the other, each with the password):
    ///
    /// | cost | push | against cost 5 | |
    /// |---|---|---|---|
    /// | 5 | 0.17 s | 1 | the default of `htpasswd -B` |
    /// | 8 | 0.48 s | 2.8 | |
    /// | 10 | 1.6 s | 9 | chosen |
    /// | 12 | 7.0 s | 41 | the default of the `bcrypt` crate |
    ///
    /// The measurement is the test `a_push_slows_down_with_the_cost`. A registry held to a
    /// tenth of a core is ten times as slow; where that hurts, generate the passwords
    /// ([`PasswordRecipe`](crate::PasswordRecipe)): 140 random bits need no slow hash, and 5 will do.
    pub const DEFAULT: Cost = Cost(10);

    /// A cost of `rounds_log2`, from 4 to 31.
    ///
    /// # Errors
    /// [`CostError`] for any other number.
    pub fn new(rounds_log2: u32) -> Result<Cost, CostError> {
        if (Cost::MIN.0..=Cost::MAX.0).contains(&rounds_log2) {
            Ok(Cost(rounds_log2))
        } else {
            Err(CostError { given: rounds_log2 })
        }
    }

    /// The number itself, the base-2 logarithm of the rounds.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl Default for Cost {
    fn default() -> Cost {
        Cost::DEFAULT
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl TryFrom<u32> for Cost {
    type Error = CostError;

    fn try_from(rounds_log2: u32) -> Result<Cost, CostError> {
        Cost::new(rounds_log2)
    }
}

impl From<Cost> for u32 {
    fn from(cost: Cost) -> u32 {
        cost.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_four_to_thirty_one() {
        let accepted: Vec<u32> = (0..100).filter(|n| Cost::new(*n).is_ok()).collect();
        assert_eq!(accepted, (4..=31).collect::<Vec<_>>());
        assert!(Cost::new(3).unwrap_err().to_string().contains("4 to 31"));
    }

    #[test]
    fn serde_refuses_what_new_refuses() {
        assert_eq!(serde_json::from_str::<Cost>("12").unwrap().get(), 12);
        assert!(serde_json::from_str::<Cost>("32").is_err());
        assert_eq!(serde_json::to_string(&Cost::DEFAULT).unwrap(), "10");
    }
}
