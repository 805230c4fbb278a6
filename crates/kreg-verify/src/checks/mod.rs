//! The checks that need no node: the registry as a client sees it.

mod auth;
mod content;
mod controls;
mod images;
mod served;
mod sharing;
mod tls;
mod uploads;

pub use auth::{Anonymous, Login, User, WrongPassword};
pub use content::{List, Pull, Push};
pub use controls::{PlainHttp, WithoutCa};
pub use images::{Delete, Index};
pub use served::{Expiry, NodeCa, NodeTrust, Stored};
pub use sharing::{Mount, Pages};
pub use tls::Tls;
pub use uploads::{PushChunked, PushResumed, PushWhole};

use crate::check::Check;

/// The checks that need nothing beside the target, in the order in which a report lists them.
pub(crate) fn all() -> Vec<Box<dyn Check>> {
    vec![
        Box::new(Tls),
        Box::new(Expiry),
        Box::new(Login),
        Box::new(Anonymous),
        Box::new(WrongPassword),
        Box::new(WithoutCa),
        Box::new(PlainHttp),
        Box::new(Push),
        Box::new(PushWhole),
        Box::new(PushChunked),
        Box::new(PushResumed),
        Box::new(Mount),
        Box::new(List),
        Box::new(Pages),
        Box::new(Pull),
        Box::new(Index),
        Box::new(Delete),
    ]
}
