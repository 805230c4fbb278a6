//! What an image is made of, and building it only when that changed.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use super::base::{BASES, Base};
use crate::cache;
use crate::failure::{Result, Tried as _};
use crate::process::Run;
use crate::progress::say;

/// Label that holds the digest of what an image was made of.
pub(crate) const CONTENT: &str = "kreg.content";

/// Where a file of a build context comes from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// Its text; in the image it is not executable.
    Text(String),
    /// A file of this machine, linked or copied with its mode.
    File(PathBuf),
}

/// One image: a Dockerfile and the files that it copies.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    tag: String,
    dockerfile: String,
    files: Vec<(String, Source)>,
    parents: Vec<Recipe>,
}

impl Recipe {
    /// An image on the Debian base (named in the Dockerfile) or on nothing.
    pub(crate) fn new(tag: impl Into<String>, dockerfile: impl Into<String>) -> Self {
        Self {
            tag: tag.into(),
            dockerfile: dockerfile.into(),
            files: Vec::new(),
            parents: Vec::new(),
        }
    }

    /// Adds a file to the build context.
    pub(crate) fn file(mut self, name: impl Into<String>, source: Source) -> Self {
        self.files.push((name.into(), source));
        self
    }

    /// Adds a file with this text to the build context.
    pub(crate) fn text(self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.file(name, Source::Text(text.into()))
    }

    /// Names another image that the Dockerfile starts from.
    pub(crate) fn parent(mut self, parent: Recipe) -> Self {
        self.parents.push(parent);
        self
    }

    /// The image's name.
    pub(crate) fn tag(&self) -> &str {
        &self.tag
    }

    /// Digest of everything the image is made of: text by text, files by path, size and time.
    pub(crate) fn content(&self) -> Result<String> {
        // An image on nothing but its parents counts as one on the first base.
        let base = Base::of(&self.dockerfile).next().unwrap_or(BASES[0]);
        let mut parts = vec![
            self.dockerfile.clone().into_bytes(),
            base.content().into_bytes(),
        ];
        for (name, source) in &self.files {
            parts.push(name.clone().into_bytes());
            parts.push(match source {
                Source::Text(text) => text.clone().into_bytes(),
                Source::File(file) => {
                    let facts = fs::metadata(file).tried(|| format!("read {}", file.display()))?;
                    format!("{} {} {}", file.display(), facts.len(), facts.mtime()).into_bytes()
                }
            });
        }
        for parent in &self.parents {
            parts.push(parent.content()?.into_bytes());
        }
        Ok(cache::digest(parts))
    }

    /// Builds the image, its parents first, unless it is there with the same content.
    pub(crate) fn build(&self) -> Result<()> {
        let content = self.content()?;
        if recorded(&self.tag).as_deref() == Some(&content) {
            return Ok(());
        }
        for parent in &self.parents {
            parent.build()?;
        }
        for base in Base::of(&self.dockerfile) {
            if recorded(base.tag) != Some(base.content()) {
                base.build()?;
            }
        }
        say(format!("building {}", self.tag));
        let context = tempfile::tempdir_in(cache::directory("contexts")?)
            .tried(|| format!("make a build context for {}", self.tag))?;
        let place = |name: &str| context.path().join(name);
        write(&place("Dockerfile"), &self.dockerfile)?;
        for (name, source) in &self.files {
            let target = place(name);
            if let Some(directory) = target.parent() {
                fs::create_dir_all(directory).tried(|| format!("make {}", directory.display()))?;
            }
            match source {
                Source::Text(text) => write(&target, text)?,
                Source::File(file) => fs::hard_link(file, &target)
                    .or_else(|_| fs::copy(file, &target).map(drop))
                    .tried(|| format!("copy {} to {}", file.display(), target.display()))?,
            }
        }
        let log = cache::log(&format!("image-{}", self.tag.replace(['/', ':'], "-")))?;
        // The host's network: package sources that answer here answer there too.
        Run::new("docker")
            .args([
                "build",
                "--network=host",
                "--force-rm",
                "--tag",
                &self.tag,
                "--label",
            ])
            .arg(format!("{CONTENT}={content}"))
            .arg(context.path())
            .log(&log)
            .dies_with_us()
            .run()
            .map_err(|failure| failure.next("check that Debian's packages can be reached"))
    }
}

/// The digest that the image of this name was built with, if it is there and was built here.
pub(crate) fn recorded(tag: &str) -> Option<String> {
    Run::new("docker")
        .args(["image", "inspect", "--format"])
        .arg(format!("{{{{index .Config.Labels \"{CONTENT}\"}}}}"))
        .arg(tag)
        .read()
        .ok()
}

fn write(file: &std::path::Path, text: &str) -> Result<()> {
    fs::write(file, text).tried(|| format!("write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_follows_text_files_and_parents() {
        let plain = || Recipe::new("a:1", "FROM scratch");
        let before = plain().content().unwrap();
        assert_eq!(before, plain().content().unwrap());
        let with = |recipe: Recipe| recipe.content().unwrap();
        assert_ne!(before, with(Recipe::new("a:1", "FROM scratch ")));
        assert_ne!(before, with(plain().file("x", Source::Text("1".into()))));
        let parent = |text: &str| plain().file("x", Source::Text(text.into()));
        assert_ne!(
            with(plain().parent(parent("1"))),
            with(plain().parent(parent("2")))
        );
    }
}
