//! What the program `kreg` does, as a library: a private image registry in any Kubernetes cluster, TLS and password
//! protected, trusted by every node, and proved by a real pull on each.
//!
//! Nothing here prints, asks or ends the process. A [`Registry`] is found or claimed in a cluster; what is done with it says
//! what happens to an [`Observer`], and returns values. Errors are typed and say the facts; what to do next is for the
//! program to say.
//!
//! It runs on tokio's multi-threaded runtime: work on nodes blocks, and `tokio::task::block_in_place` panics on a runtime
//! of one thread.
//!
//! ```no_run
//! use kreg::{Event, Intent, Registry, Scope};
//!
//! # #[cfg(feature = "ssh")]
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let registry = Registry::usual().await?;
//! let mut intent = Intent::of(&registry);
//! intent.sans.push("registry.example.com".parse()?);
//! let nodes = kreg::over_ssh(&registry, "root");
//! let shown = |event: &Event<'_>| println!("{event:?}");
//! let up = registry.up(&intent, Some(&nodes), &shown).await?;
//! let proof = registry.prove(&up.standing, Scope::default(), std::future::pending(), &shown);
//! assert!(proof.await?.holds());
//! # Ok(())
//! # }
//! ```
//!
//! | to | call |
//! |---|---|
//! | connect to a cluster | [`connect`] |
//! | find a registry, or claim a place for one | [`Registry::find`], [`Registry::claim`] |
//! | see what would change, put it up, remove it | [`Registry::plan`], [`Registry::up`], [`Registry::down`] |
//! | put trust on the nodes, or take it off, and nothing else | [`Registry::put_trust_on`], [`Registry::take_trust_off`] |
//! | see what is there | [`Registry::status`], [`Registry::standing`] |
//! | gather what a diagnosis needs | [`Registry::observe`] |
//! | write its objects as files | [`Registry::export`] |
//! | prove it, once or again and again | [`Registry::prove`], [`Registry::admit`], [`Registry::watch`] |
//! | lead an address of this machine to it | [`Registry::tunnels`] |
//! | list, add and remove users | [`Registry::user_list`], [`Registry::users`] |
//! | share the pull Secret with other namespaces | [`Registry::share`], [`Registry::unshare`] |
//! | renew certificates, rotate the CA | [`Registry::certificates`] |
//! | remove what no image needs | [`Registry::collection`] |
//!
//! The nodes are reached in any way that is a [`NodeAccess`](kreg_nodes::NodeAccess): over SSH
//! (`kreg_nodes::BySsh`), by [`agents`], or by one of your own. This is a crate of its own because what it does needs the
//! cluster, the nodes and the proof together, whose crates do not know each other.

mod admission;
pub mod agents;
pub mod certificates;
pub mod client;
mod collection;
mod copies;
mod down;
mod error;
mod event;
mod export;
mod intent;
mod issued;
mod made;
mod material;
pub mod nodes;
mod observe;
#[cfg(feature = "ssh")]
mod over_ssh;
mod plan;
mod proof;
mod prove;
mod registry;
pub mod s3;
mod status;
pub mod tunnel;
mod up;
mod user_list;
mod users;
pub mod watch;
mod witness;
mod words;

pub use admission::{Admission, Admitting, Keeping, PULL, Waiting};
pub use collection::{Blobs, Collected, Collection};
pub use down::{Down, Removed};
pub use error::{
    BoxError, CertificatesError, CollectionError, CopiesError, DirectoryTaken, Error, FindError,
    IntentError, IssuedError, MaterialError, NoAddress, NoNode, NoSuchNode, NotUp, TunnelError,
    UsersError,
};
pub use event::{End, Event, Observer, Stage, silent};
pub use export::Exported;
pub use intent::{Intent, KeyLocation};
pub use issued::Issued;
pub use made::{Made, Reason};
pub use material::check_user;
pub use observe::{Seen, Survey, Unseen};
#[cfg(feature = "ssh")]
pub use over_ssh::over_ssh;
pub use plan::{Planned, UpPlan};
pub use proof::Proof;
pub use prove::Scope;
pub use registry::{Registry, Standing, Which, connect};
pub use status::{Comparison, Held, Role, Status};
pub use up::Up;
pub use user_list::{Listed, Login, UserList};
pub use users::{Changed, Entry, Users};
