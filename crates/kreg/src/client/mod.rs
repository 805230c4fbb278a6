//! Whether this machine has a client to push and pull with, and what to do if not.
//!
//! [`Facts::read`] looks at the machine, [`findings`] decides; only the first does I/O.
//!
//! ```no_run
//! # async fn example() {
//! let facts = kreg::client::Facts::read().await;
//! for finding in kreg::client::findings(&facts) {
//!     println!("{}", finding.found);
//! }
//! # }
//! ```

mod advice;
mod docker;
mod facts;
mod report;
mod system;

pub use self::advice::{Check, Finding, Step, Verdict, findings, is_usable};
pub use self::docker::{Daemon, Docker};
pub use self::facts::{Facts, Group};
pub use self::report::{Clients, Found};
pub use self::system::{Family, Init, System};

#[cfg(test)]
mod tests;
