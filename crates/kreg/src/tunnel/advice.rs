//! What clients on this machine need, for a person or a program that puts it there.

use std::net::IpAddr;

use kreg_nodes::{EditKind, client_files};
use serde::Serialize;

use super::tunnels::Tunnels;
use crate::error::Error;
use crate::registry::standing;

/// What clients on this machine need to use the registry.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Advice {
    /// Host and port.
    pub registry: String,
    /// The address of this machine where the registry's name leads, and a tunnel listens.
    pub address: IpAddr,
    /// The user that the cluster holds; `USER` if it holds none.
    pub user: String,
    /// Every file that some client reads.
    pub files: Vec<File>,
}

/// A file that clients read.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct File {
    /// Its path.
    pub path: String,
    /// What must be in it.
    pub content: String,
    /// Only these lines of the file are meant.
    pub block: bool,
}

impl Tunnels<'_> {
    /// What [`Tunnels::install`] would put in place.
    ///
    /// # Errors
    /// [`crate::TunnelError::NoAddress`], and [`Error::Failed`] if the CA cannot be given to clients.
    pub fn advice(&self) -> Result<Advice, Error> {
        let (trust, address) = self.trust(None)?;
        let user = standing::credentials(self.registry.place(), &self.state);
        Ok(Advice {
            registry: self.host.to_string(),
            address,
            user: user.map_or_else(|_| "USER".to_owned(), |held| held.username().to_owned()),
            files: client_files(&trust).into_iter().map(File::of).collect(),
        })
    }
}

impl File {
    fn of(kind: EditKind) -> Self {
        let path = kind.path().to_owned();
        let (content, block) = match kind {
            EditKind::Block { text, .. } => (text, true),
            EditKind::File { content, .. } => (content, false),
            _ => (String::new(), false),
        };
        File {
            path,
            content,
            block,
        }
    }
}

impl Advice {
    /// The file in that folder; empty if there is none.
    #[must_use]
    pub fn path_in(&self, folder: &str) -> &str {
        let found = self.files.iter().find(|file| file.path.starts_with(folder));
        found.map_or("", |file| file.path.as_str())
    }
}
