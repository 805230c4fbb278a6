//! Lists of repositories and tags, page by page.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;

use super::client::RegistryClient;
use super::error::RegistryError;
use super::location::{next_page, with_query};
use super::name::Repository;

/// Entries asked for at a time; the registry refuses more than its `catalog.maxentries`, 1000.
const PAGE: u32 = 100;
/// More pages than any real list has: ends a registry that links in a circle.
const PAGES_MAX: usize = 10_000;

impl RegistryClient {
    /// The names of every repository, in the registry's order.
    ///
    /// `/v2/_catalog` belongs to the distribution registry, not to the OCI specification.
    ///
    /// # Errors
    /// [`RegistryError`], as [`RegistryError::Refused`] with 401.
    pub async fn catalog(&self) -> Result<Vec<String>, RegistryError> {
        let first = format!("/v2/_catalog?n={PAGE}");
        let pages = self.pages(first, PAGES_MAX, Catalog::names).await?;
        Ok(pages.concat())
    }

    /// The first pages of the catalogue, of at most `size` names each, that come after the name
    /// `last`; at most `most` pages.
    ///
    /// # Errors
    /// As [`RegistryClient::catalog`].
    pub async fn catalog_pages(
        &self,
        size: u32,
        last: Option<&str>,
        most: usize,
    ) -> Result<Vec<Vec<String>>, RegistryError> {
        let mut first = format!("/v2/_catalog?n={size}");
        if let Some(last) = last {
            first = with_query(&first, "last", last);
        }
        self.pages(first, most, Catalog::names).await
    }

    /// The tags of a repository, in the registry's order; none if it has no tag left.
    ///
    /// # Errors
    /// [`RegistryError`], as [`RegistryError::Refused`] with 404 and `NAME_UNKNOWN`.
    pub async fn tags(&self, repository: &Repository) -> Result<Vec<String>, RegistryError> {
        let first = format!("/v2/{repository}/tags/list?n={PAGE}");
        let pages = self.pages(first, PAGES_MAX, Tags::names).await?;
        Ok(pages.concat())
    }

    /// The first pages of a repository's tags, of at most `size` each, that come after the tag
    /// `last`; at most `most` pages. distribution 2.8 gives all of them in one page.
    ///
    /// # Errors
    /// As [`RegistryClient::tags`].
    pub async fn tag_pages(
        &self,
        repository: &Repository,
        size: u32,
        last: Option<&str>,
        most: usize,
    ) -> Result<Vec<Vec<String>>, RegistryError> {
        let mut first = format!("/v2/{repository}/tags/list?n={size}");
        if let Some(last) = last {
            first = with_query(&first, "last", last);
        }
        self.pages(first, most, Tags::names).await
    }

    async fn pages<P: for<'a> Deserialize<'a>>(
        &self,
        first: String,
        most: usize,
        names: impl Fn(P) -> Option<Vec<String>>,
    ) -> Result<Vec<Vec<String>>, RegistryError> {
        let mut all = Vec::new();
        let mut path = first;
        for _ in 0..most {
            let answer = self
                .ask(Method::GET, &path, HeaderMap::new(), Bytes::new())
                .await?
                .expect(&[StatusCode::OK])?;
            let page = serde_json::from_slice(&answer.body).map_err(|error| {
                answer.unexpected(format!("the list is no such JSON document: {error}"))
            })?;
            all.push(names(page).unwrap_or_default());
            match next_page(&answer) {
                Some(next) if next != path => path = next,
                _ => break,
            }
        }
        Ok(all)
    }
}

#[derive(Deserialize)]
struct Catalog {
    #[serde(default)]
    repositories: Option<Vec<String>>,
}

impl Catalog {
    fn names(self) -> Option<Vec<String>> {
        self.repositories
    }
}

#[derive(Deserialize)]
struct Tags {
    #[serde(default)]
    tags: Option<Vec<String>>,
}

impl Tags {
    fn names(self) -> Option<Vec<String>> {
        self.tags
    }
}
