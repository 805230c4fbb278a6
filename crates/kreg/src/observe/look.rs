//! The cluster, and a list of what could not be looked at there: the diagnosis goes on without it.

use kreg_k8s::{Cluster, Kind, Object, ObjectRef, Query};

use super::unseen::Unseen;
use crate::error::Error;
use crate::registry::Registry;

pub(super) struct Look<'a> {
    pub(super) registry: &'a Registry,
    pub(super) unseen: Vec<Unseen>,
}

impl<'a> Look<'a> {
    pub(super) fn new(registry: &'a Registry) -> Self {
        Look {
            registry,
            unseen: Vec::new(),
        }
    }

    pub(super) fn cluster(&self) -> &'a dyn Cluster {
        self.registry.cluster().as_ref()
    }

    /// `None` if this account may not look there.
    pub(super) fn allowed<T>(
        &mut self,
        answer: Result<T, kreg_k8s::Error>,
    ) -> Result<Option<T>, Error> {
        match answer {
            Ok(found) => Ok(Some(found)),
            Err(kreg_k8s::Error::Denied { message, .. }) => {
                self.unseen.push(Unseen::Denied(message));
                Ok(None)
            }
            Err(other) => Err(other.into()),
        }
    }

    /// `None` if it may not be looked at; else what is there.
    pub(super) async fn get(
        &mut self,
        object: &ObjectRef,
    ) -> Result<Option<Option<Object>>, Error> {
        let answer = self.cluster().get(object).await;
        self.allowed(answer)
    }

    pub(super) async fn list(&mut self, query: &Query) -> Result<Vec<Object>, Error> {
        let answer = self.cluster().list(query).await;
        Ok(self.allowed(answer)?.unwrap_or_default())
    }

    /// The warning and other events of an object, newest last.
    pub(super) async fn events(&mut self, object: &Object) -> Result<Vec<String>, Error> {
        let Some(uid) = object.uid() else {
            return Ok(Vec::new());
        };
        let query = Query::all(Kind::Event)
            .within(object.reference().namespace().unwrap_or("default"))
            .with_fields(format!("involvedObject.uid={uid}"));
        let mut events = self.list(&query).await?;
        events.sort_by_key(|event| {
            let times = [
                "/series/lastObservedTime",
                "/lastTimestamp",
                "/eventTime",
                "/metadata/creationTimestamp",
            ];
            let seen = times.iter().find_map(|time| event.text(time));
            seen.unwrap_or_default().to_owned()
        });
        let line = |event: &Object| {
            let text = |at| event.text(at).unwrap_or_default().trim().to_owned();
            format!("{}: {}", text("/reason"), text("/message"))
        };
        Ok(events.iter().map(line).collect())
    }
}
