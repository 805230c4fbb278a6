//! A registry for the clients of this machine: an address here that leads to it, through the API server, and their trust
//! in it for as long as that is wanted.
//!
//! TLS goes through the tunnel end to end. Clients verify the registry as nodes do, and the tunnel sees no password.
//!
//! ```no_run
//! # async fn example(registry: kreg::Registry) -> Result<(), kreg::Error> {
//! let tunnels = registry.tunnels().await?;
//! let lost = |text: &str| eprintln!("{text}");
//! let open = tunnels.open(None, None, None, lost).await?;
//! open.prove(&kreg::silent).await?;
//! println!("{} is at {}", open.registry, open.address);
//! # Ok(())
//! # }
//! ```

mod advice;
mod open;
mod trust;
mod tunnels;

pub use advice::{Advice, File};
pub use kreg_nodes::this_machine::Installed;
pub use open::{Leads, Open};
pub use trust::{remove, take_back};
pub use tunnels::Tunnels;
