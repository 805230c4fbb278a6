//! Lists of repositories and tags, page by page.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;

use crate::client::RegistryClient;
use crate::error::RegistryError;
use crate::location::{next_page, with_query};
use crate::name::Repository;

/// More pages than any real list has: ends a registry that links in a circle.
const PAGES_MAX: usize = 10_000;

/// A list that comes page by page. It keeps no page, so its memory does not grow with the list.
#[derive(Debug)]
pub struct Pages {
    client: RegistryClient,
    /// Path and query of the page that comes next.
    next: Option<String>,
    turned: usize,
}

/// The catalogue's page has one of these lists, a page of tags the other.
#[derive(Deserialize)]
struct Page {
    repositories: Option<Vec<String>>,
    tags: Option<Vec<String>>,
}

impl RegistryClient {
    /// The names of the repositories that come after the name `last`, in the registry's order, at
    /// most `size` a page. The registry refuses a size beyond its `catalog.maxentries`, 1000.
    ///
    /// `/v2/_catalog` belongs to the distribution registry, not to the OCI specification. There, each
    /// page costs time in proportion to the number of repositories.
    #[must_use]
    pub fn catalog(&self, size: u32, last: Option<&str>) -> Pages {
        Pages::new(self, format!("/v2/_catalog?n={size}"), last)
    }

    /// The tags of a repository that come after the tag `last`, in the registry's order, at most
    /// `size` a page. distribution 2.8 gives all tags in one page, whatever is asked for.
    #[must_use]
    pub fn tags(&self, repository: &Repository, size: u32, last: Option<&str>) -> Pages {
        Pages::new(self, format!("/v2/{repository}/tags/list?n={size}"), last)
    }
}

impl Pages {
    fn new(client: &RegistryClient, first: String, last: Option<&str>) -> Pages {
        let first = match last {
            Some(last) => with_query(&first, "last", last),
            None => first,
        };
        Pages {
            client: client.clone(),
            next: Some(first),
            turned: 0,
        }
    }

    /// The next page; `None` at the end.
    ///
    /// # Errors
    /// [`RegistryError`], as [`RegistryError::Refused`] with 401, or 404 and `NAME_UNKNOWN`;
    /// [`RegistryError::Unexpected`] if the list has no end.
    pub async fn next(&mut self) -> Result<Option<Vec<String>>, RegistryError> {
        let Some(path) = self.next.take() else {
            return Ok(None);
        };
        let answer = self
            .client
            .ask(Method::GET, &path, HeaderMap::new(), Bytes::new())
            .await?
            .expect(&[StatusCode::OK])?;
        let page: Page = serde_json::from_slice(&answer.body)
            .map_err(|error| answer.unexpected(format!("the answer is not a list: {error}")))?;
        self.turned += 1;
        self.next = next_page(&answer);
        if self.next.as_ref() == Some(&path) || self.turned > PAGES_MAX {
            return Err(answer.unexpected(format!(
                "the list has no end: after {} pages its Link header leads on",
                self.turned
            )));
        }
        Ok(Some(page.repositories.or(page.tags).unwrap_or_default()))
    }

    /// Whether a page comes after those that were read.
    #[must_use]
    pub fn has_next(&self) -> bool {
        self.next.is_some()
    }
}
