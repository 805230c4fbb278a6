//! Removing from a registry's storage what no image needs any more.
//!
//! distribution's own collector must not run beside pushes: it would remove what was pushed and is not yet named by a
//! manifest. So the collector runs in a turn of its own ([`Turn`](kreg_k8s::Turn)): it begins when every process that
//! can write is proved to have ended, and pushes are taken again when the collector is proved to have ended. A run that
//! was killed leaves the registry read-only; the next collection, or putting it up again, gives it back.

mod blobs;
mod collected;
mod collector;
mod pods;
mod storage;
mod switch;

use std::future::Future;
use std::time::{Duration, Instant};

use kreg_k8s::{Names, Profile, Serving, WorkloadState, rights};

pub use self::blobs::Blobs;
pub use self::collected::Collected;
use self::collector::Collector;
use self::switch::{Back, Switch};
use crate::error::{CollectionError, Error, Tried as _};
use crate::event::Observer;
use crate::registry::{Registry, Standing};
use crate::words::count;

/// A look at what could be collected, and the way to do it.
pub struct Collection<'a> {
    registry: &'a Registry,
    switch: Switch<'a>,
    was: Serving,
    /// What no image needs.
    pub found: Blobs,
    /// How long that took: a collection takes three such passes.
    pub pass: Duration,
}

impl Registry {
    /// Looks for what no image needs. Removes nothing.
    ///
    /// # Errors
    /// [`Error::Collection`], [`Error::NotUp`], and [`Error::Failed`] where something cannot be read.
    pub async fn collection(&self, timeout: Duration) -> Result<Collection<'_>, Error> {
        let place = self.place();
        rights::require(self.cluster().as_ref(), rights::needed_to_collect(place))
            .await
            .tried("cannot collect; nothing was changed")?;
        let state = self.existing().await?;
        if place.profile() == Profile::Tutorial {
            return Err(CollectionError::BarePod.into());
        }
        let was = self.serving().await?;
        if !matches!(state.workload, WorkloadState::Ready { .. }) && was == Serving::Usual {
            return Err(CollectionError::NotReady(state.workload).into());
        }
        let standing = Standing::of(place, state)?;
        let switch = Switch::new(self, standing, timeout, was);
        let begun = Instant::now();
        let found = Collector::of(self, None).await?.blobs(self, was).await?;
        Ok(Collection {
            registry: self,
            switch,
            was,
            found,
            pass: begun.elapsed(),
        })
    }

    /// How it serves before anything was done. Read-only means that a collection was cut short, or runs now.
    async fn serving(&self) -> Result<Serving, Error> {
        let names = Names::of(self.place());
        let live = self.cluster().get(&names.workload).await;
        let live = live.tried(format!("cannot read {}", names.workload))?;
        let config = match &names.config {
            Some(config) => {
                let config = self.cluster().get(config).await;
                config.tried("cannot read the registry's configuration")?
            }
            None => None,
        };
        let has_both = config.is_some_and(|config| {
            let file = config.value().get("data");
            file.is_some_and(|data| data.get(Serving::ReadOnly.key()).is_some())
        });
        match live.as_ref().and_then(Serving::of) {
            Some(serving) if has_both => Ok(serving),
            _ => Err(CollectionError::NotPrepared.into()),
        }
    }
}

impl Collection<'_> {
    /// Whether an earlier collection left the registry read-only, or one runs now.
    #[must_use]
    pub fn was_left_read_only(&self) -> bool {
        self.was == Serving::ReadOnly
    }

    /// What would be removed now.
    #[must_use]
    pub fn outlook(&self) -> Collected {
        Collected {
            registry: self.registry.place().registry_name(),
            dry_run: true,
            blobs: self.found.clone(),
            refused_for: None,
            taken_up: false,
            failed: None,
        }
    }

    /// Removes what no image needs. From the call on pushes are refused, and no pushes are lost. `stop` gives a future
    /// that ends when somebody wants an end: the first one ends the collection, the second one leaves the registry
    /// read-only, which is safe.
    ///
    /// What goes wrong is in [`Collected::failed`]; that pushes are not taken again comes before all else.
    pub async fn collect<S: Future<Output = ()>>(
        mut self,
        stop: impl Fn() -> S,
        on: &dyn Observer,
    ) -> Collected {
        // It counts from here on.
        let first = stop();
        let mut removed = self.found.clone();
        let done = match self.switch.begin().await {
            Err(error) => Err(error),
            Ok(()) => tokio::select! {
                done = self.remove(&mut removed, on) => done,
                () = first => Err(CollectionError::Interrupted.into()),
            },
        };
        let begun = self.switch.has_begun();
        let back = if begun {
            self.give_back(stop(), on).await
        } else {
            Ok(())
        };
        let failed = match (back, done) {
            (Err(back), Err(before)) => {
                on.note(before);
                Some(back)
            }
            (back, done) => back.and(done).err(),
        };
        Collected {
            dry_run: false,
            blobs: removed,
            refused_for: begun.then(|| self.switch.refused_for()),
            taken_up: self.was_left_read_only(),
            failed,
            ..self.outlook()
        }
    }

    /// The part between the two switches.
    async fn remove(&mut self, removed: &mut Blobs, on: &dyn Observer) -> Result<(), Error> {
        let stage = on.stage("registry read-only");
        self.switch.read_only(&stage).await?;
        stage.done("pulls go on, pushes are refused");
        let stage = on.stage("collection");
        let collector = Collector::of(self.registry, self.switch.turn()).await?;
        // Pushes may have come since the first look.
        *removed = collector.blobs(self.registry, Serving::ReadOnly).await?;
        collector.collect(&mut self.switch).await?;
        let left = collector.look(Serving::ReadOnly).await?;
        if !self.switch.is_on().await? {
            return Err(CollectionError::Changed.into());
        }
        if !left.is_empty() {
            return Err(CollectionError::Left(left.len()).into());
        }
        stage.done(match removed.digests.len() {
            0 => "nothing to remove".to_owned(),
            some => format!("{} removed", count(some, "blob")),
        });
        Ok(())
    }

    /// Pushes again, whatever became of the collection.
    async fn give_back(
        &mut self,
        again: impl Future<Output = ()>,
        on: &dyn Observer,
    ) -> Result<(), Error> {
        let stage = on.stage("registry as usual");
        if self.switch.may_be_collecting() {
            on.note(
                "the collector may still run: pushes are refused until it is proved to have ended; a second \
                 interruption leaves the registry read-only",
            );
        }
        let back = tokio::select! {
            back = self.switch.back(&stage) => back,
            () = again => Err(CollectionError::StaysReadOnly {
                tried: "interrupted again; the registry stays read-only".to_owned(),
                source: None,
            }
            .into()),
        };
        let refused = format!("{:.1} s", self.switch.refused_for().as_secs_f64());
        match back {
            Ok(Back::Here) => stage.done(format!(
                "it takes pushes again; they were refused for {refused}"
            )),
            Ok(Back::Elsewhere) => stage.partly(
                "another run of kreg took the registry over and ended this collection; it will enable pushes again",
            ),
            Err(error) => {
                stage.failed(format!("pushes have been refused for {refused} by now"));
                return Err(error);
            }
        }
        Ok(())
    }
}
