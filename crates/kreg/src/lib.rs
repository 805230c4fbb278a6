//! What the program `kreg` does, as a library: a private image registry in any Kubernetes cluster, trusted by every node,
//! and proved.

mod admission;
pub mod agents;
pub mod certificates;
mod collection;
mod copies;
mod down;
mod error;
mod event;
mod intent;
mod issued;
pub mod material;
pub mod nodes;
mod plan;
mod prove;
mod registry;
mod status;
mod up;
mod users;
mod witness;

pub use admission::{Admission, Keeping, PULL, Waiting};
pub use collection::{Blobs, Collected, Collection, CollectionError};
pub use copies::CopiesError;
pub use down::{Down, Removed};
pub use error::{BoxError, Error};
pub use event::{End, Event, Observer};
pub use intent::{Intent, IntentError, KeyLocation};
pub use issued::{Issued, IssuedError};
pub use material::check_user;
pub use plan::UpPlan;
pub use prove::{Proof, Scope};
pub use registry::{FindError, NotUp, Registry, Standing, Which};
pub use status::{Comparison, Held, Role, Status};
pub use up::{DirectoryTaken, NoNode, Up};
pub use users::{Changed, Entry, Users, UsersError};
