//! One registry in one cluster: the connection, and what is found there.

use kreg_k8s::Cluster as _;
use kreg_k8s::{
    ClusterFacts, Connection, Declared, Inventory, Kind, LiveCluster, Names, Query, RegistrySpec,
    RegistryState, names,
};

use crate::agents::Standing;
use crate::app::App;
use crate::args::{ProfileArg, TargetArgs};
use crate::config::Backend;
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
    /// The agents that stand on the nodes.
    pub(crate) agents: Standing,
    /// Whether a registry is recorded in the namespace, this one or another.
    pub(crate) is_kregs_namespace: bool,
    /// Whether objects and namespaces may be taken over that nobody knows to be kreg's.
    pub(crate) adopt: bool,
}

/// Which registry is meant where the settings' defaults point at none.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Find {
    /// One that is to be made there.
    None,
    /// The only one of the cluster.
    Only,
    /// The one of the same name, whatever its namespace and profile. What takes away does not go on to another
    /// registry because the one that was meant is gone.
    Namesake,
}

impl Session {
    /// Connects and reads what the cluster is like. With `find`, a registry that is not where the
    /// settings' defaults point is looked for by its record.
    pub(crate) async fn open(app: &App, target: &TargetArgs, find: bool) -> Result<Self, Error> {
        Self::opened(app, target, if find { Find::Only } else { Find::None }).await
    }

    /// The same for what takes a registry away.
    pub(crate) async fn open_to_remove(app: &App, target: &TargetArgs) -> Result<Self, Error> {
        Self::opened(app, target, Find::Namesake).await
    }

    async fn opened(app: &App, target: &TargetArgs, find: Find) -> Result<Self, Error> {
        let mut settings = Settings::new(&app.global, &app.config, target)?;
        // Before anything is sent, so that bad words cost nothing.
        spec::located(&settings)?;
        let step = app.progress.step("cluster");
        let cluster = connect(&settings).await?;
        let facts = ClusterFacts::read(&cluster).await.map_err(reading)?;
        let known = records(&cluster, &settings).await?;
        match find {
            Find::None => unclaimed(&known, &settings)?,
            Find::Only => locate(
                app,
                target,
                &known.iter().collect::<Vec<_>>(),
                &mut settings,
            )?,
            Find::Namesake => {
                let namesakes = known.iter().filter(|one| one.instance == settings.name);
                locate(app, target, &namesakes.collect::<Vec<_>>(), &mut settings)?;
                not_elsewhere(&known, &settings)?;
            }
        }
        let find = find != Find::None;
        earlier(&cluster, &known, &settings).await?;
        let declared = declared(&known, &settings);
        let anywhere = known.iter().filter_map(|one| one.declared.as_ref());
        let anywhere = anywhere.into_iter().any(|declared| declared.node_agent);
        let agents = Standing::read(&cluster, &settings.name, declared, anywhere).await?;
        // What stands in the cluster counts more than a file that may be of another registry.
        let free = target.nodes_by.is_none() && (find || app.config.nodes.backend.is_none());
        if free && agents.chosen() {
            settings.nodes.backend = Backend::DaemonSet;
        }
        if app.config.registry.cluster_domain.is_none()
            && let Some(domain) = &facts.cluster_domain
        {
            settings.cluster_domain.clone_from(domain);
        }
        let is_kregs_namespace = known.iter().any(|one| one.namespace == settings.namespace);
        let id = match known.iter().find(|one| is_here(one, &settings)) {
            Some(known) => Some(known.id.clone()),
            None if find => None,
            // What is put up gets it now, so that every node is judged by it from the start.
            None => Some(Inventory::new_id().tried("cannot name a new registry")?),
        };
        let spec = spec::located(&settings)?.with_id(id);
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
            agents,
            is_kregs_namespace,
            adopt: false,
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
        as_user: settings.as_user.clone(),
        as_groups: settings.as_groups.clone(),
        limit: Some(settings.timeout),
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

/// Every registry of the cluster by its record. Without the right to list records, the one that the settings name.
async fn records(cluster: &LiveCluster, settings: &Settings) -> Result<Vec<Inventory>, Error> {
    let query = Query::all(Kind::ClusterRole).labelled(format!(
        "{}=kreg,{}",
        names::LABEL_MANAGED_BY,
        names::LABEL_INSTANCE
    ));
    let mut found = match cluster.list(&query).await {
        Ok(found) => found
            .iter()
            .filter_map(|object| Inventory::from_object(object).ok())
            .collect(),
        Err(kreg_k8s::Error::Denied { .. }) => Vec::new(),
        Err(cause) => return Err(reading(cause)),
    };
    if found.iter().any(|one| one.instance == settings.name) {
        return Ok(found);
    }
    let spec = spec::located(settings)?;
    let role = match cluster.get(&Names::of(&spec).inventory).await {
        Ok(Some(role)) => Inventory::from_object(&role).map(Some),
        Ok(None) => Inventory::read(cluster, &spec).await,
        Err(cause) => Err(cause),
    };
    match role {
        Ok(named) => found.extend(named),
        Err(kreg_k8s::Error::Denied { .. }) => {}
        Err(cause) => return Err(reading(cause)),
    }
    Ok(found)
}

fn is_here(one: &Inventory, settings: &Settings) -> bool {
    one.namespace == settings.namespace && one.instance == settings.name
}

/// Where there is no record, the inventory of an earlier kreg is shown, and not believed unless the namespace is named:
/// anyone who can write a ConfigMap there could have made it.
async fn earlier(
    cluster: &LiveCluster,
    known: &[Inventory],
    settings: &Settings,
) -> Result<(), Error> {
    if settings.is_named || known.iter().any(|one| one.instance == settings.name) {
        return Ok(());
    }
    let object = names::earlier_inventory(&spec::located(settings)?);
    let live = match cluster.get(&object).await {
        Ok(Some(live)) => live,
        Ok(None) | Err(kreg_k8s::Error::Denied { .. }) => return Ok(()),
        Err(cause) => return Err(reading(cause)),
    };
    let Ok(found) = Inventory::from_object(&live) else {
        return Ok(());
    };
    let image = found
        .declared
        .as_ref()
        .map_or("not noted", |one| &one.image);
    Err(Error::usage(format!(
        "{object} says that an earlier kreg put registry {} up there, of {} objects, with image {image}; \
         no cluster-scoped record confirms it; nothing was changed",
        found.instance,
        found.entries.len(),
    ))
    .help(format!(
        "if that is your registry, say so with --namespace {}: `kreg up` then records it; if not, remove {object}",
        settings.namespace
    )))
}

/// State lives in the cluster: what stands there says which registry is meant, and its port.
fn locate(
    app: &App,
    target: &TargetArgs,
    known: &[&Inventory],
    settings: &mut Settings,
) -> Result<(), Error> {
    let here = known.iter().find(|one| is_here(one, settings)).copied();
    let found = match (known, here) {
        (_, Some(found)) => found,
        _ if is_named(app, target) => return Ok(()),
        ([], None) => return Ok(()),
        ([only], None) => only,
        (many, None) => {
            let list: Vec<_> = many
                .iter()
                .map(|one| format!("{}/{}", one.namespace, one.instance))
                .collect();
            return Err(Error::usage(format!(
                "there are {} registries: {}",
                many.len(),
                list.join(", ")
            ))
            .help("say which one with --namespace and --name"));
        }
    };
    settings.profile = profile_of(found);
    settings.namespace.clone_from(&found.namespace);
    settings.name.clone_from(&found.instance);
    if target.port.is_none()
        && app.config.registry.port.is_none()
        && let Some(port) = found.port
    {
        settings.port = port;
    }
    Ok(())
}

fn declared<'a>(known: &'a [Inventory], settings: &Settings) -> Option<&'a Declared> {
    let here = known.iter().find(|one| is_here(one, settings));
    here?.declared.as_ref()
}

/// Without a record here everything of that name on the nodes is meant, and it must not be that of a registry elsewhere.
fn not_elsewhere(known: &[Inventory], settings: &Settings) -> Result<(), Error> {
    let Some(other) = elsewhere(known, settings) else {
        return Ok(());
    };
    let (namespace, profile) = (&other.namespace, profile_of(other).name());
    Err(Error::usage(format!(
        "registry {} is not in namespace {} but in namespace {namespace}, with profile {profile}; nothing was changed",
        settings.name, settings.namespace
    ))
    .help(format!("to remove that one say --profile {profile} --namespace {namespace}")))
}

/// The registry of this name, if it is in another place or of another profile.
fn elsewhere<'a>(known: &'a [Inventory], settings: &Settings) -> Option<&'a Inventory> {
    known.iter().find(|one| {
        one.instance == settings.name
            && (one.namespace != settings.namespace || profile_of(one) != settings.profile)
    })
}

/// A name is one registry's in the whole cluster: its nodes keep their journal by it, and its
/// volume is known by it.
fn unclaimed(known: &[Inventory], settings: &Settings) -> Result<(), Error> {
    let Some(other) = elsewhere(known, settings) else {
        return Ok(());
    };
    let namespace = &other.namespace;
    let profile = profile_of(other).name();
    Err(Error::usage(format!(
        "there is a registry {} already, in namespace {namespace} with profile {profile}; nothing was changed",
        settings.name
    ))
    .help(format!(
        "to work on that one say --profile {profile} --namespace {namespace}; for a second one choose another --name; \
         to replace it run `kreg down --profile {profile} --namespace {namespace}` first"
    )))
}

fn profile_of(inventory: &Inventory) -> ProfileArg {
    match inventory.profile {
        kreg_k8s::Profile::Tutorial => ProfileArg::Tutorial,
        _ => ProfileArg::Default,
    }
}

/// `1 node`, `3 nodes`.
pub(crate) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
