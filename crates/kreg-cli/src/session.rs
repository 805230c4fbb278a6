//! One registry in one cluster: the connection, and what is found there.

use kreg_k8s::Cluster as _;
use kreg_k8s::{
    ClusterFacts, Connection, Inventory, Kind, LiveCluster, Query, RegistrySpec, RegistryState,
    names,
};

use crate::app::App;
use crate::args::{ProfileArg, TargetArgs};
use crate::error::{Ending, Error, Tried as _};
use crate::settings::Settings;
use crate::spec;

/// What every command that speaks to a cluster starts from.
pub(crate) struct Session {
    pub(crate) settings: Settings,
    pub(crate) cluster: LiveCluster,
    pub(crate) facts: ClusterFacts,
    /// The registry by name and place; `up` adds the rest.
    pub(crate) spec: RegistrySpec,
}

impl Session {
    /// Connects and reads what the cluster is like. With `find`, a registry that is not where the
    /// settings' defaults point is looked for by its inventory.
    pub(crate) async fn open(app: &App, target: &TargetArgs, find: bool) -> Result<Self, Error> {
        let mut settings = Settings::new(&app.global, &app.config, target)?;
        // Before anything is sent, so that bad words cost nothing.
        spec::located(&settings)?;
        let step = app.progress.step("cluster");
        let cluster = connect(&settings).await?;
        let facts = ClusterFacts::read(&cluster).await.map_err(reading)?;
        if find && !is_named(app, target) {
            locate(&cluster, &mut settings).await?;
        }
        if app.config.registry.cluster_domain.is_none()
            && let Some(domain) = &facts.cluster_domain
        {
            settings.cluster_domain.clone_from(domain);
        }
        let spec = spec::located(&settings)?;
        let version = facts.version.as_deref().unwrap_or("of unknown version");
        step.done(format!(
            "Kubernetes {version}, {}",
            count(facts.nodes.len(), "node")
        ));
        Ok(Self {
            settings,
            cluster,
            facts,
            spec,
        })
    }

    /// What is there of the registry.
    pub(crate) async fn state(&self) -> Result<RegistryState, Error> {
        RegistryState::read(&self.cluster, &self.spec)
            .await
            .tried(format!(
                "cannot read the registry {} back from the cluster",
                self.spec.instance()
            ))
    }

    /// What is there, for commands that need a registry that is up.
    pub(crate) async fn existing(&self) -> Result<RegistryState, Error> {
        let state = self.state().await?;
        if state.exists() {
            return Ok(state);
        }
        Err(Error::failed(format!(
            "there is no registry {} in namespace {}",
            self.spec.instance(),
            self.spec.namespace()
        ))
        .help("run `kreg up`, or name the right one with --name, --namespace and --profile"))
    }
}

async fn connect(settings: &Settings) -> Result<LiveCluster, Error> {
    let connection = Connection {
        kubeconfig: settings.kubeconfig.clone(),
        context: settings.context.clone(),
    };
    LiveCluster::connect(&connection)
        .await
        .map_err(|cause| Error::new(Ending::Usage, "cannot connect to a cluster").because(&cause))
}

fn reading(cause: kreg_k8s::Error) -> Error {
    let ending = match cause {
        kreg_k8s::Error::Kubeconfig { .. } => Ending::Usage,
        _ => Ending::Failed,
    };
    Error::new(
        ending,
        "cannot read what the cluster is like; nothing was changed",
    )
    .because(&cause)
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

/// State lives in the cluster: one inventory there says which registry is meant.
async fn locate(cluster: &LiveCluster, settings: &mut Settings) -> Result<(), Error> {
    let query = Query::all(Kind::ConfigMap).labelled(format!(
        "{}=kreg,{}",
        names::LABEL_MANAGED_BY,
        names::LABEL_INSTANCE
    ));
    let found = match cluster.list(&query).await {
        Ok(found) => found,
        // Without the right to look everywhere, the defaults have to do.
        Err(kreg_k8s::Error::Denied { .. }) => return Ok(()),
        Err(cause) => return Err(reading(cause)),
    };
    let inventories: Vec<_> = found
        .iter()
        .filter_map(|object| {
            Some((
                object.reference().namespace()?.to_owned(),
                Inventory::from_object(object).ok()?,
            ))
        })
        .collect();
    match inventories.as_slice() {
        [] => Ok(()),
        [(namespace, inventory)] => {
            settings.profile = match inventory.profile {
                kreg_k8s::Profile::Tutorial => ProfileArg::Tutorial,
                _ => ProfileArg::Default,
            };
            settings.namespace.clone_from(namespace);
            settings.name.clone_from(&inventory.instance);
            Ok(())
        }
        many => {
            let here = |(namespace, inventory): &&(String, Inventory)| {
                *namespace == settings.namespace && inventory.instance == settings.name
            };
            if many.iter().any(|one| here(&one)) {
                return Ok(());
            }
            let list: Vec<_> = many
                .iter()
                .map(|(namespace, one)| format!("{namespace}/{}", one.instance))
                .collect();
            Err(Error::usage(format!(
                "there are {} registries: {}",
                many.len(),
                list.join(", ")
            ))
            .help("say which one with --namespace and --name"))
        }
    }
}

/// `1 node`, `3 nodes`.
pub(crate) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
