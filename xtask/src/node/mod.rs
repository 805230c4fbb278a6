//! kind's node image, made from packages where none can be downloaded.
//!
//! [`content`] says what goes in, [`preload`] puts the images into the node's containerd.

mod content;
mod preload;

pub(crate) use preload::{BENCH, builds};

use crate::cache;
use crate::engine;
use crate::failure::Result;
use crate::images;
use crate::parts::{self, Generation};
use crate::progress::say;

/// Changes when the way the image is put together does.
const REVISION: &str = "2";

/// Start of the names of the images that are built here; the version of Kubernetes follows.
const NAME: &str = "kreg.test/node:";

/// Whether this name is that of an image that is built here.
pub(crate) fn is_own(image: &str) -> bool {
    image.starts_with(NAME)
}

/// Whether Docker has the image that is built here, stale or not.
pub(crate) fn is_built(generation: Generation) -> bool {
    images::recorded(&format!("{NAME}{}", generation.version())).is_some()
}

/// Builds the image if it is missing or stale; returns its name.
pub(crate) fn image(generation: Generation) -> Result<String> {
    engine::up()?;
    let kubernetes = parts::kubernetes(generation)?;
    let tag = format!("{NAME}{}", kubernetes.version);
    let node = content::node(generation, &kubernetes)?;
    let loaded = content::loaded(&kubernetes)?;
    let mut digests = vec![REVISION.to_owned(), node.content()?];
    for image in &loaded {
        digests.push(image.content()?);
    }
    let digest = cache::digest(&digests);
    if images::recorded(&tag).as_deref() == Some(&digest) {
        return Ok(tag);
    }
    node.build()?;
    for image in &loaded {
        image.build()?;
    }
    say(format!("putting {} images into {tag}", loaded.len()));
    let names: Vec<&str> = loaded.iter().map(|image| image.tag()).collect();
    preload::commit(node.tag(), &names, &tag, &digest)?;
    say(format!("{tag} is ready"));
    Ok(tag)
}
