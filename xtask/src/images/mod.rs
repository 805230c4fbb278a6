//! Container images made from Debian packages, for machines that can pull none.
//!
//! [`recipe`] says what an image is made of and builds it only when that changed; [`base`] is the
//! Debian root they start from; [`mod@catalogue`] lists the ones that tests and clusters use.

mod base;
mod catalogue;
mod recipe;

pub(crate) use catalogue::{BUSYBOX, NGINX, REGISTRY, REGISTRY_3, S3, SSHD, catalogue, for_tests};
pub(crate) use recipe::{CONTENT, Recipe, Source, recorded};

use crate::engine;
use crate::failure::Result;

/// Builds every image of the [`catalogue()`] and [`for_tests`] that is missing or stale.
pub(crate) fn build_all() -> Result<()> {
    engine::up()?;
    for recipe in catalogue().into_iter().chain(for_tests()?) {
        recipe.build()?;
    }
    Ok(())
}
