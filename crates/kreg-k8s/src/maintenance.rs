//! A registry that takes no pushes for a while, so that what no image needs can be removed.

mod departures;
mod turn;

pub(crate) use turn::make_way;
pub use turn::{Turn, settle};
