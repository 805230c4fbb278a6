//! The checks that need no node: the registry as a client sees it.

mod auth;
mod content;
mod controls;
mod tls;

pub use auth::{Anonymous, Login, WrongPassword};
pub use content::{List, Pull, Push};
pub use controls::{PlainHttp, WithoutCa};
pub use tls::Tls;

use crate::check::Check;

/// The checks in the order in which a report lists them.
pub(crate) fn all() -> Vec<Box<dyn Check>> {
    vec![
        Box::new(Tls),
        Box::new(Login),
        Box::new(Anonymous),
        Box::new(WrongPassword),
        Box::new(WithoutCa),
        Box::new(PlainHttp),
        Box::new(Push),
        Box::new(List),
        Box::new(Pull),
    ]
}
