//! Lists of repositories and tags, page by page.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;

use super::client::RegistryClient;
use super::error::RegistryError;
use super::location::next_page;
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
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            repositories: Option<Vec<String>>,
        }
        self.pages("/v2/_catalog", |page: Page| page.repositories)
            .await
    }

    /// The tags of a repository, in the registry's order; none if it has no tag left.
    ///
    /// # Errors
    /// [`RegistryError`], as [`RegistryError::Refused`] with 404 and `NAME_UNKNOWN`.
    pub async fn tags(&self, repository: &Repository) -> Result<Vec<String>, RegistryError> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            tags: Option<Vec<String>>,
        }
        let path = format!("/v2/{repository}/tags/list");
        self.pages(&path, |page: Page| page.tags).await
    }

    async fn pages<P: for<'a> Deserialize<'a>>(
        &self,
        path: &str,
        names: impl Fn(P) -> Option<Vec<String>>,
    ) -> Result<Vec<String>, RegistryError> {
        let mut all = Vec::new();
        let mut path = format!("{path}?n={PAGE}");
        for _ in 0..PAGES_MAX {
            let answer = self
                .ask(Method::GET, &path, HeaderMap::new(), Bytes::new())
                .await?
                .expect(&[StatusCode::OK])?;
            let page = serde_json::from_slice(&answer.body).map_err(|error| {
                answer.unexpected(format!("the list is no such JSON document: {error}"))
            })?;
            all.extend(names(page).unwrap_or_default());
            match next_page(&answer) {
                Some(next) if next != path => path = next,
                _ => return Ok(all),
            }
        }
        Ok(all)
    }
}
