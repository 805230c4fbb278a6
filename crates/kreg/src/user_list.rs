//! Who is in a registry's users file.

use kreg_auth::{ExposeSecret as _, Htpasswd, User};
use serde::Serialize;

use crate::error::Error;
use crate::registry::Registry;

/// A user, and whether the registry lets an entry of this kind log in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Login {
    /// The user's name.
    pub name: String,
    /// Whether the registry accepts the hash.
    pub usable: bool,
}

impl From<User> for Login {
    fn from(user: User) -> Self {
        Self {
            usable: user.hash.is_accepted_by_registry(),
            name: user.name,
        }
    }
}

/// The users file, entry by entry.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct UserList {
    /// Its entries, in its order.
    pub users: Vec<Listed>,
    /// What is wrong with the file.
    #[serde(skip)]
    pub findings: Vec<String>,
}

/// An entry of the users file.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Listed {
    /// The line, counted from 1.
    pub line: usize,
    /// What kind of hash stands there.
    pub hash: String,
    /// Who may log in by it.
    #[serde(flatten)]
    pub login: Login,
}

impl Registry {
    /// Who is in the registry's users file. The registry itself is not asked.
    ///
    /// # Errors
    /// As [`Registry::existing`].
    pub async fn user_list(&self) -> Result<UserList, Error> {
        let state = self.existing().await?;
        let text = state.htpasswd.as_ref();
        let file = Htpasswd::parse(text.map_or("", |text| text.expose_secret()));
        let listed = |user: User| Listed {
            line: user.line,
            hash: user.hash.to_string(),
            login: user.into(),
        };
        Ok(UserList {
            users: file.users().into_iter().map(listed).collect(),
            findings: file.findings().iter().map(ToString::to_string).collect(),
        })
    }
}
