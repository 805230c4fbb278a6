//! Repository names, tags and references: what may stand in the API's paths.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::descriptor::Digest;

/// A repository's name without the registry, such as `team/app`.
///
/// Grammar and length are those of the distribution specification, "Pulling manifests".
///
/// ```
/// use kreg_registry::Repository;
/// assert!("team/my_app".parse::<Repository>().is_ok());
/// assert!("Team/app".parse::<Repository>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Repository(String);

/// A tag, such as `v1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(String);

/// What a manifest is asked for by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// Its digest.
    Digest(Digest),
    /// A name that may move.
    Tag(Tag),
}

/// A text that is no repository name or tag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Not a repository name.
    #[error(
        "`{0}` is no repository name: parts of lower-case letters and digits, joined inside by `.`, \
         `_`, `__` or `-`, separated by `/`, at most 255 characters"
    )]
    Repository(String),
    /// Not a tag.
    #[error(
        "`{0}` is no tag: at most 128 letters, digits, `.`, `_` or `-`, the first no `.` or `-`"
    )]
    Tag(String),
}

impl FromStr for Repository {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Repository, NameError> {
        let good = text.len() <= 255 && text.split('/').all(is_component);
        if good {
            Ok(Repository(text.to_owned()))
        } else {
            Err(NameError::Repository(text.to_owned()))
        }
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(part: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let edges = part.bytes().next().is_some_and(word) && part.bytes().last().is_some_and(word);
    edges
        && part
            .split(|c: char| c.is_ascii() && word(c as u8))
            .all(|joint| matches!(joint, "" | "." | "_" | "__") || joint.bytes().all(|b| b == b'-'))
}

impl FromStr for Tag {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Tag, NameError> {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let good = (1..=128).contains(&text.len())
            && text.bytes().next().is_some_and(word)
            && text
                .bytes()
                .all(|byte| word(byte) || byte == b'.' || byte == b'-');
        if good {
            Ok(Tag(text.to_owned()))
        } else {
            Err(NameError::Tag(text.to_owned()))
        }
    }
}

macro_rules! text {
    ($type:ident) => {
        impl $type {
            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;

            fn try_from(text: String) -> Result<$type, NameError> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0
            }
        }
    };
}

text!(Repository);
text!(Tag);

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reference::Digest(digest) => digest.fmt(f),
            Reference::Tag(tag) => tag.fmt(f),
        }
    }
}

impl From<Tag> for Reference {
    fn from(tag: Tag) -> Reference {
        Reference::Tag(tag)
    }
}

impl From<&Tag> for Reference {
    fn from(tag: &Tag) -> Reference {
        Reference::Tag(tag.clone())
    }
}

impl From<&Digest> for Reference {
    fn from(digest: &Digest) -> Reference {
        Reference::Digest(digest.clone())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn repository_names() {
        for good in [
            "a",
            "kreg/verify",
            "a-b",
            "a--b",
            "a.b",
            "a_b",
            "a__b",
            "0/1/2",
        ] {
            assert_eq!(good.parse::<Repository>().unwrap().as_str(), good);
        }
        let long = "a".repeat(256);
        for bad in [
            "", "/", "a/", "/a", "a//b", "A", "-a", "a-", "a..b", "a___b", "a.-b", "ä", "a b",
            "a:b", "..", &long,
        ] {
            assert!(bad.parse::<Repository>().is_err(), "{bad}");
        }
    }

    #[test]
    fn tags() {
        for good in ["v1", "_", "1.0-rc.1", &"x".repeat(128)] {
            assert_eq!(good.parse::<Tag>().unwrap().as_str(), good);
        }
        for bad in ["", ".", "-a", "a b", "a/b", "a?", "ä", &"x".repeat(129)] {
            assert!(bad.parse::<Tag>().is_err(), "{bad}");
        }
    }

    proptest! {
        /// Whatever is taken can stand in a URL's path as it is.
        #[test]
        fn what_is_taken_is_safe_in_a_path(text in "\\PC{0,12}|[a-z0-9._/-]{0,12}") {
            let safe = |s: &str| s.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/".contains(&b));
            if let Ok(name) = text.parse::<Repository>() {
                prop_assert!(safe(name.as_str()) && !text.contains(".."));
                let uri: http::Uri = format!("https://h/v2/{name}/tags/list").parse().unwrap();
                let path = format!("/v2/{name}/tags/list");
                prop_assert_eq!(uri.path(), path.as_str());
            }
            if let Ok(tag) = text.parse::<Tag>() {
                prop_assert!(safe(tag.as_str()) && !text.contains('/'));
            }
        }
    }
}
