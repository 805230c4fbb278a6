//! One registry in one cluster: the connection, and what is found there.

use kreg_k8s::Cluster as _;
use kreg_k8s::rights::Extras;
use kreg_k8s::{
    ClusterFacts, Connection, Declared, Inventory, Kind, LiveCluster, Names, Place, Query,
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
    /// Which registry.
    pub(crate) place: Place,
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
        let mut settings = Settings::new(&app.global, &app.config, target);
        // Before anything is sent, so that bad words cost nothing.
        let mut place = spec::place(app, target)?;
        let step = app.progress.step("cluster");
        let cluster = connect(&settings).await?;
        let facts = ClusterFacts::read(&cluster).await.map_err(reading)?;
        let known = records(&cluster, &place).await?;
        match find {
            Find::None => unclaimed(&known, &place)?,
            Find::Only => {
                let all: Vec<_> = known.iter().collect();
                place = locate(app, target, &all, place)?;
            }
            Find::Namesake => {
                let namesakes = known.iter().filter(|one| one.instance == place.instance());
                let namesakes: Vec<_> = namesakes.collect();
                place = locate(app, target, &namesakes, place)?;
                not_elsewhere(&known, &place)?;
            }
        }
        let find = find != Find::None;
        earlier(&cluster, &known, &place).await?;
        let declared = declared(&known, &place);
        let anywhere = known.iter().filter_map(|one| one.declared.as_ref());
        let anywhere = anywhere.into_iter().any(|declared| declared.node_agent);
        let agents = Standing::read(&cluster, place.instance(), declared, anywhere).await?;
        // What stands in the cluster counts more than a file that may be of another registry.
        let free = target.nodes_by.is_none() && (find || app.config.nodes.backend.is_none());
        if free && agents.chosen() {
            settings.nodes.backend = Backend::DaemonSet;
        }
        if app.config.registry.cluster_domain.is_none()
            && let Some(domain) = &facts.cluster_domain
        {
            place = place
                .with_cluster_domain(domain)
                .map_err(|cause| spec::invalid(&cause))?;
        }
        let is_kregs_namespace = known.iter().any(|one| one.namespace == place.namespace());
        let id = match known.iter().find(|one| is_here(one, &place)) {
            Some(known) => Some(known.id.clone()),
            None if find => None,
            // What is put up gets it now, so that every node is judged by it from the start.
            None => Some(Inventory::new_id().tried("cannot name a new registry")?),
        };
        let place = place.with_id(id);
        let version = facts.version.as_deref().unwrap_or("of unknown version");
        step.done(format!(
            "Kubernetes {version}, {}",
            count(facts.nodes.len(), "node")
        ));
        Ok(Self {
            settings,
            cluster,
            facts,
            place,
            agents,
            is_kregs_namespace,
            adopt: false,
        })
    }

    pub(crate) fn profile(&self) -> ProfileArg {
        self.place.profile().into()
    }

    /// What the rights of daily use depend on besides.
    pub(crate) fn extras(&self) -> Extras {
        Extras {
            node_agent: self.settings.nodes.backend == Backend::DaemonSet,
            ..Extras::default()
        }
    }

    /// What is there of the registry.
    pub(crate) async fn state(&self) -> Result<RegistryState, Error> {
        RegistryState::read(&self.cluster, &self.place)
            .await
            .tried(format!(
                "cannot read the registry {} back from the cluster",
                self.place.instance()
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
            self.place.instance(),
            self.place.namespace()
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
async fn records(cluster: &LiveCluster, place: &Place) -> Result<Vec<Inventory>, Error> {
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
    if found.iter().any(|one| one.instance == place.instance()) {
        return Ok(found);
    }
    let role = match cluster.get(&Names::of(place).inventory).await {
        Ok(Some(role)) => Inventory::from_object(&role).map(Some),
        Ok(None) => Inventory::read(cluster, place).await,
        Err(cause) => Err(cause),
    };
    match role {
        Ok(named) => found.extend(named),
        Err(kreg_k8s::Error::Denied { .. }) => {}
        Err(cause) => return Err(reading(cause)),
    }
    Ok(found)
}

fn is_here(one: &Inventory, place: &Place) -> bool {
    one.namespace == place.namespace() && one.instance == place.instance()
}

/// Where there is no record, the inventory of an earlier kreg is shown, and not believed unless the namespace is named:
/// anyone who can write a ConfigMap there could have made it.
async fn earlier(cluster: &LiveCluster, known: &[Inventory], place: &Place) -> Result<(), Error> {
    if place.earlier() || known.iter().any(|one| one.instance == place.instance()) {
        return Ok(());
    }
    let object = names::earlier_inventory(place);
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
        place.namespace()
    )))
}

/// State lives in the cluster: what stands there says which registry is meant, and its port.
fn locate(
    app: &App,
    target: &TargetArgs,
    known: &[&Inventory],
    place: Place,
) -> Result<Place, Error> {
    let here = known.iter().find(|one| is_here(one, &place)).copied();
    let found = match (known, here) {
        (_, Some(found)) => found,
        _ if is_named(app, target) => return Ok(place),
        ([], None) => return Ok(place),
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
    let is_free = target.port.is_none() && app.config.registry.port.is_none();
    let port = found.port.filter(|_| is_free).unwrap_or(place.port());
    found
        .place()
        .and_then(|found| {
            found
                .with_port(port)?
                .with_cluster_domain(place.cluster_domain())
        })
        .map(|found| found.with_earlier(place.earlier()))
        .map_err(|cause| spec::invalid(&cause))
}

fn declared<'a>(known: &'a [Inventory], place: &Place) -> Option<&'a Declared> {
    let here = known.iter().find(|one| is_here(one, place));
    here?.declared.as_ref()
}

/// Without a record here everything of that name on the nodes is meant, and it must not be that of a registry elsewhere.
fn not_elsewhere(known: &[Inventory], place: &Place) -> Result<(), Error> {
    let Some(other) = elsewhere(known, place) else {
        return Ok(());
    };
    let (namespace, profile) = (&other.namespace, ProfileArg::from(other.profile).name());
    Err(Error::usage(format!(
        "registry {} is not in namespace {} but in namespace {namespace}, with profile {profile}; nothing was changed",
        place.instance(), place.namespace()
    ))
    .help(format!("to remove that one say --profile {profile} --namespace {namespace}")))
}

/// The registry of this name, if it is in another place or of another profile.
fn elsewhere<'a>(known: &'a [Inventory], place: &Place) -> Option<&'a Inventory> {
    known.iter().find(|one| {
        one.instance == place.instance()
            && (one.namespace != place.namespace() || one.profile != place.profile())
    })
}

/// A name is one registry's in the whole cluster: its nodes keep their journal by it, and its
/// volume is known by it.
fn unclaimed(known: &[Inventory], place: &Place) -> Result<(), Error> {
    let Some(other) = elsewhere(known, place) else {
        return Ok(());
    };
    let namespace = &other.namespace;
    let profile = ProfileArg::from(other.profile).name();
    Err(Error::usage(format!(
        "there is a registry {} already, in namespace {namespace} with profile {profile}; nothing was changed",
        place.instance()
    ))
    .help(format!(
        "to work on that one say --profile {profile} --namespace {namespace}; for a second one choose another --name; \
         to replace it run `kreg down --profile {profile} --namespace {namespace}` first"
    )))
}

/// `1 node`, `3 nodes`.
pub(crate) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
