//! The pull Secret in other namespaces, and on their service accounts.

use kreg_k8s::pull::{self, Outcome, Selection};
use kreg_k8s::rights;

use crate::error::{CopiesError, Error, Tried as _};
use crate::registry::Registry;

impl Registry {
    /// Puts the pull Secret into namespaces, and attaches it to these service accounts of each. The record lists both, so
    /// that they are renewed with the Secret, and removed with the registry.
    ///
    /// # Errors
    /// [`Error::Copies`], and [`Error::Failed`] for the step that failed. Nothing is changed without the right to change
    /// all.
    pub async fn share(
        &self,
        selection: &Selection,
        accounts: &[String],
    ) -> Result<Vec<Outcome>, Error> {
        self.existing().await?;
        let namespaces = self.selected(selection).await?;
        let (cluster, place) = (self.cluster().as_ref(), self.place());
        rights::check_to_share(cluster, place, &namespaces, accounts)
            .await
            .tried("this user may not do this in all of them; nothing was changed")?;
        pull::attach(cluster, place, &namespaces, accounts)
            .await
            .tried("cannot give the pull secret to these namespaces")
    }

    /// Removes it from these namespaces; from all that the record lists where there is no selection.
    ///
    /// # Errors
    /// As [`Registry::share`].
    pub async fn unshare(&self, selection: Option<&Selection>) -> Result<Vec<Outcome>, Error> {
        let namespaces = match selection {
            Some(selection) => Some(self.selected(selection).await?),
            None => None,
        };
        pull::detach(self.cluster().as_ref(), self.place(), namespaces.as_deref())
            .await
            .tried("cannot take the pull secret out of these namespaces")
    }

    async fn selected(&self, selection: &Selection) -> Result<Vec<String>, Error> {
        let names = pull::namespaces(self.cluster().as_ref(), selection)
            .await
            .tried("cannot find the namespaces")?;
        if names.is_empty() {
            return Err(CopiesError::NoNamespace.into());
        }
        Ok(names)
    }
}
