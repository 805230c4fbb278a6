//! One registry in one cluster, as every command that speaks to a cluster starts from.

use std::sync::Arc;

use kreg::{Registry, Which};

use crate::args::TargetArgs;
use crate::choices::Backend;
use crate::context::App;
use crate::error::Error;
use crate::progress::Progress;
use crate::settings::Settings;
use crate::spec;

/// What every command that speaks to a cluster starts from.
pub(crate) struct Session {
    pub(crate) settings: Settings,
    pub(crate) registry: Registry,
    /// Shows what the library does.
    pub(crate) on: Progress,
    /// Whether objects and namespaces may be taken over that nobody knows to be kreg's.
    pub(crate) adopt: bool,
}

/// Which registry is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Find {
    /// One that is to be made.
    New,
    /// The only one of the cluster, unless one is named.
    Only,
    /// The one of that name, to remove it.
    Named,
}

impl Session {
    /// Connects and reads what the cluster is like. With `find`, a registry that is not where the
    /// settings' defaults point is looked for by its record.
    pub(crate) async fn open(app: &App, target: &TargetArgs, find: bool) -> Result<Self, Error> {
        Self::opened(app, target, if find { Find::Only } else { Find::New }).await
    }

    /// The same for what removes a registry.
    pub(crate) async fn open_to_remove(app: &App, target: &TargetArgs) -> Result<Self, Error> {
        Self::opened(app, target, Find::Named).await
    }

    async fn opened(app: &App, target: &TargetArgs, find: Find) -> Result<Self, Error> {
        let mut settings = Settings::new(&app.global, &app.config, target);
        // Before anything is sent, so that bad words cost nothing.
        let mut place = spec::place(app, target)?;
        let step = app.progress.step("cluster");
        let (cluster, facts) = kreg::connect(&settings.connection).await?;
        if app.config.registry.cluster_domain.is_none()
            && let Some(domain) = &facts.cluster_domain
        {
            let known = place.with_cluster_domain(domain);
            place = known.map_err(|cause| spec::invalid(&cause))?;
        }
        let cluster = Arc::new(cluster);
        let exact = is_named(app, target);
        let registry = match find {
            Find::New => Registry::claim(cluster, facts, place).await?,
            Find::Only if exact => Registry::find(cluster, facts, Which::At(place)).await?,
            Find::Only => Registry::find(cluster, facts, Which::Only(place)).await?,
            Find::Named => Registry::find(cluster, facts, Which::Named { place, exact }).await?,
        };
        // What stands in the cluster counts more than a file that may be of another registry.
        let by_file = find == Find::New && app.config.nodes.backend.is_some();
        if target.nodes_by.is_none() && !by_file && registry.agents().chosen() {
            settings.nodes.backend = Backend::DaemonSet;
        }
        let version = registry.facts().version.as_deref();
        step.done(format!(
            "Kubernetes {}, {}",
            version.unwrap_or("of unknown version"),
            count(registry.facts().nodes.len(), "node")
        ));
        Ok(Self {
            settings,
            registry,
            on: app.progress.clone(),
            adopt: false,
        })
    }
}

/// Whether the user said where the registry is.
fn is_named(app: &App, target: &TargetArgs) -> bool {
    let registry = &app.config.registry;
    target.profile.is_some()
        || target.name.is_some()
        || app.global.namespace.is_some()
        || registry.profile.is_some()
        || registry.name.is_some()
        || registry.namespace.is_some()
}

/// `1 node`, `3 nodes`.
pub(crate) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
