//! The pull secret in other namespaces, and on service accounts, without ever losing an entry that is not ours.
//!
//! Which namespaces have a copy, and which service accounts it was attached to, is in the registry's record
//! ([`Inventory::shared`]); a label only confirms it. A Secret is copied under the same name, with the instance's labels. A service account gets one more entry in
//! `imagePullSecrets` and the label [`label`], both in one guarded write, so that what kreg added can be told from what
//! was there. `imagePullSecrets` is one value to server-side apply and to patches (`listType=atomic`): a client that sends a
//! list replaces the list. So it is read, changed and put back under its `resourceVersion`.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    cluster::{ApplyMode, Cluster, Query},
    error::{Error, ForeignObject},
    inventory::Inventory,
    kind::Kind,
    names::{LABEL_COMPONENT, Names, is_labelled, labels, selector},
    object::Object,
    object_ref::ObjectRef,
    place::Place,
    record::{TRIES, pause, remember, uid_of},
    unfit::Unfit,
};

pub use crate::names::pull_label as label;

/// Value of the label `app.kubernetes.io/component` on copies.
pub const COMPONENT: &str = "pull-secret";
/// How long a new namespace may take to get its service account `default`.
const ACCOUNT_PATIENCE: Duration = Duration::from_secs(15);

/// Which namespaces are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// These.
    Named(Vec<String>),
    /// Those whose labels match, in Kubernetes' syntax; empty selects all. Namespaces that are being deleted are left
    /// out, and so are `kube-system`, `kube-public` and `kube-node-lease`.
    Labelled(String),
}

/// What was done to one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// A Secret or a service account.
    pub object: ObjectRef,
    /// What happened to it.
    pub state: State,
}

/// See [`Outcome`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum State {
    /// It was written.
    Changed,
    /// It was so already.
    Unchanged,
    /// It is gone.
    Removed,
}

/// The namespaces that are meant, by name.
///
/// # Errors
/// [`Error::Unfit`] naming those that do not exist; otherwise what the server says.
pub async fn namespaces(
    cluster: &dyn Cluster,
    selection: &Selection,
) -> Result<Vec<String>, Error> {
    const SYSTEM: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];
    match selection {
        Selection::Named(names) => {
            let mut absent: Vec<String> = Vec::new();
            for name in names {
                let reference = ObjectRef::new(Kind::Namespace, "", name);
                let live = cluster.get(&reference).await?;
                if live.is_none_or(|live| live.is_terminating()) {
                    absent.push(name.clone());
                }
            }
            if absent.is_empty() {
                Ok(names.clone())
            } else {
                Err(Unfit::NoNamespaces(absent).into())
            }
        }
        Selection::Labelled(labels) => {
            let query = Query::all(Kind::Namespace).labelled(labels.clone());
            let found = cluster.list(&query).await?;
            let mut names: Vec<String> = found
                .iter()
                .filter(|namespace| !namespace.is_terminating())
                .map(|namespace| namespace.reference().name().to_owned())
                .filter(|name| !SYSTEM.contains(&name.as_str()))
                .collect();
            names.sort();
            Ok(names)
        }
    }
}

/// Puts the pull secret into these namespaces and attaches it to these service accounts in each.
///
/// Foreign Secrets of that name are looked for in every namespace before anything is written anywhere. A namespace that
/// goes meanwhile is passed over. Safe to repeat.
///
/// # Errors
/// [`Error::Foreign`]; [`Error::Unfit`] if the registry has no pull secret or an account does not exist; otherwise what
/// the server says.
pub async fn attach(
    cluster: &dyn Cluster,
    place: &Place,
    namespaces: &[String],
    accounts: &[String],
) -> Result<Vec<Outcome>, Error> {
    let source = source(cluster, place).await?;
    let known = Inventory::read(cluster, place).await?;
    let elsewhere: Vec<ObjectRef> = namespaces
        .iter()
        .filter(|namespace| *namespace != place.namespace())
        .map(|namespace| copy_in(place, namespace))
        .collect();
    let mut foreign = Vec::new();
    for copy in &elsewhere {
        if let Some(live) = cluster.get(copy).await?
            && !known.as_ref().is_some_and(|known| known.owns(&live))
        {
            foreign.push(ForeignObject {
                object: copy.clone(),
                owner: "of somebody else".to_owned(),
            });
        }
    }
    if !foreign.is_empty() {
        return Err(Error::Foreign { objects: foreign });
    }
    let mut uids = Vec::new();
    for namespace in namespaces {
        uids.push(uid_of(cluster, namespace).await?);
    }
    remember(cluster, place, |inventory| {
        for (namespace, uid) in namespaces.iter().zip(&uids) {
            let shared = inventory.shared.entry(namespace.clone()).or_default();
            shared.uid.clone_from(uid);
            shared.service_accounts.extend(accounts.iter().cloned());
        }
    })
    .await?;
    let mut done = Vec::new();
    let mut gone = Vec::new();
    for copy in elsewhere {
        match write_copy(cluster, place, &source, &copy).await {
            Ok(state) => done.push(Outcome {
                object: copy,
                state,
            }),
            Err(error) => passed_over(cluster, copy, error, &mut gone).await?,
        }
    }
    for namespace in namespaces {
        for account in accounts {
            let object = ObjectRef::new(Kind::ServiceAccount, namespace, account);
            if gone
                .iter()
                .any(|copy: &ObjectRef| copy.namespace() == object.namespace())
            {
                continue;
            }
            match attach_to(cluster, place, &object).await {
                Ok(state) => done.push(Outcome { object, state }),
                Err(error) => {
                    passed_over(cluster, copy_in(place, namespace), error, &mut gone).await?
                }
            }
        }
    }
    let places = gone.iter().filter_map(ObjectRef::namespace);
    forget(cluster, place, places).await?;
    Ok(done)
}

/// Takes these namespaces out of the record.
async fn forget<'a>(
    cluster: &dyn Cluster,
    place: &Place,
    namespaces: impl Iterator<Item = &'a str>,
) -> Result<(), Error> {
    let gone: Vec<&str> = namespaces.collect();
    remember(cluster, place, |inventory| {
        inventory
            .shared
            .retain(|place, _| !gone.contains(&place.as_str()));
    })
    .await
}

/// What fails in a namespace that is gone, or going, is no failure.
async fn passed_over(
    cluster: &dyn Cluster,
    copy: ObjectRef,
    error: Error,
    gone: &mut Vec<ObjectRef>,
) -> Result<(), Error> {
    let namespace = ObjectRef::new(Kind::Namespace, "", copy.namespace().unwrap_or_default());
    match cluster.get(&namespace).await {
        Ok(Some(live)) if !live.is_terminating() => Err(error),
        Ok(_) => {
            gone.push(copy);
            Ok(())
        }
        Err(_) => Err(error),
    }
}

/// Brings every copy to what the pull secret holds now. A copy that cannot be written, because somebody made it immutable
/// for example, keeps no other from being written; it is returned with the reason.
///
/// # Errors
/// What the server says when the copies are looked for.
pub async fn refresh(
    cluster: &dyn Cluster,
    place: &Place,
) -> Result<(Vec<Outcome>, Vec<(ObjectRef, Error)>), Error> {
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    let copies = copies(cluster, place).await?;
    if copies.is_empty() {
        return Ok((done, failed));
    }
    let source = source(cluster, place).await?;
    for copy in copies {
        let object = copy.reference().clone();
        match write_copy(cluster, place, &source, &object).await {
            Ok(state) => done.push(Outcome { object, state }),
            Err(error) => failed.push((object, error)),
        }
    }
    Ok((done, failed))
}

/// Takes the pull secret out of these namespaces (`None`: out of all), service accounts first. The registry's own stays.
///
/// # Errors
/// What the server says.
pub async fn detach(
    cluster: &dyn Cluster,
    place: &Place,
    namespaces: Option<&[String]>,
) -> Result<Vec<Outcome>, Error> {
    let meant = |object: &ObjectRef| {
        namespaces.is_none_or(|named| {
            named
                .iter()
                .any(|name| Some(name.as_str()) == object.namespace())
        })
    };
    let mut done = Vec::new();
    for account in attached(cluster, place).await? {
        let object = account.reference().clone();
        if meant(&object) && detach_from(cluster, place, &object).await? {
            done.push(Outcome {
                object,
                state: State::Removed,
            });
        }
    }
    for copy in copies(cluster, place).await? {
        let object = copy.reference().clone();
        if meant(&object) {
            cluster.delete(&object, copy.uid().unwrap_or("")).await?;
            done.push(Outcome {
                object,
                state: State::Removed,
            });
        }
    }
    let known = Inventory::read(cluster, place).await?;
    let shared = known.iter().flat_map(|known| known.shared.keys());
    let places: Vec<&str> = shared
        .map(String::as_str)
        .filter(|one| namespaces.is_none_or(|named| named.iter().any(|name| name == one)))
        .collect();
    forget(cluster, place, places.into_iter()).await?;
    Ok(done)
}

/// Every copy that the record lists and whose label confirms it. What went with its namespace, or was put there by
/// somebody else since, is not among them, nor is one in a namespace that was made again since.
pub(crate) async fn copies(cluster: &dyn Cluster, place: &Place) -> Result<Vec<Object>, Error> {
    let Some(known) = Inventory::read(cluster, place).await? else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for copy in known.copies() {
        let Some(live) = get_there(cluster, &copy).await? else {
            continue;
        };
        let namespace = copy.namespace().unwrap_or_default();
        let recorded = known.shared.get(namespace);
        let recorded = recorded.and_then(|one| one.uid.as_ref());
        if let (Some(recorded), Some(uid)) = (recorded, uid_of(cluster, namespace).await?)
            && *recorded != uid
        {
            continue;
        }
        if is_labelled(&live, place.instance()) {
            found.push(live);
        }
    }
    Ok(found)
}

/// The object, or `None` where its namespace is gone: an account with rights only in that namespace lost them with it.
async fn get_there(cluster: &dyn Cluster, object: &ObjectRef) -> Result<Option<Object>, Error> {
    match cluster.get(object).await {
        Err(Error::Denied { .. }) if is_gone(cluster, object).await? => Ok(None),
        outcome => outcome,
    }
}

/// Whether an object's namespace is not there (any more). One that may not be looked at may be.
async fn is_gone(cluster: &dyn Cluster, object: &ObjectRef) -> Result<bool, Error> {
    let reference = ObjectRef::new(Kind::Namespace, "", object.namespace().unwrap_or_default());
    match cluster.get(&reference).await {
        Ok(live) => Ok(live.is_none()),
        Err(Error::Denied { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The namespaces whose copies [`refresh`] will write, as far as it may be seen by now.
pub(crate) async fn places(cluster: &dyn Cluster, place: &Place) -> Result<Vec<String>, Error> {
    let known = match Inventory::read(cluster, place).await {
        // The right to read the record is among those that are asked about.
        Err(Error::Denied { .. }) => None,
        known => known?,
    };
    let mut places = Vec::new();
    for copy in known.iter().flat_map(Inventory::copies) {
        if !is_gone(cluster, &copy).await? {
            places.extend(copy.namespace().map(str::to_owned));
        }
    }
    Ok(places)
}

/// Secrets that carry the labels of a copy and that the record does not list: kreg did not make them, and they get
/// nothing. Empty without the right to look.
///
/// # Errors
/// What the server says.
pub async fn unlisted(cluster: &dyn Cluster, place: &Place) -> Result<Vec<ObjectRef>, Error> {
    let query = Query::all(Kind::Secret).labelled(format!(
        "{},{LABEL_COMPONENT}={COMPONENT}",
        selector(place.instance())
    ));
    let labelled = match cluster.list(&query).await {
        Err(Error::Denied { .. }) => return Ok(Vec::new()),
        labelled => labelled?,
    };
    let known = Inventory::read(cluster, place).await?;
    let listed = |object: &ObjectRef| known.as_ref().is_some_and(|known| known.is_copy(object));
    let all = labelled.iter().map(Object::reference);
    Ok(all.filter(|object| !listed(object)).cloned().collect())
}

/// Service accounts that the record lists and that have kreg's label.
pub(crate) async fn attached(cluster: &dyn Cluster, place: &Place) -> Result<Vec<Object>, Error> {
    let known = Inventory::read(cluster, place).await?;
    let mut found = Vec::new();
    for (namespace, shared) in known.iter().flat_map(|known| &known.shared) {
        for account in &shared.service_accounts {
            let account = ObjectRef::new(Kind::ServiceAccount, namespace, account);
            let live = get_there(cluster, &account).await?;
            found.extend(live.filter(|live| live.label(&label(place.instance())).is_some()));
        }
    }
    Ok(found)
}

/// Takes our entry and our label off a service account. Returns whether there was anything to take.
pub(crate) async fn detach_from(
    cluster: &dyn Cluster,
    place: &Place,
    account: &ObjectRef,
) -> Result<bool, Error> {
    let (key, secret) = (label(place.instance()), Names::of(place).pull_secret);
    let edit = |value: &mut Value| {
        let Some(labels) = value
            .pointer_mut("/metadata/labels")
            .and_then(Value::as_object_mut)
        else {
            return false;
        };
        if labels.remove(&key).is_none() {
            return false;
        }
        let bare = labels.is_empty();
        if bare && let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("labels");
        }
        if let Some(list) = value
            .get_mut("imagePullSecrets")
            .and_then(Value::as_array_mut)
        {
            list.retain(|entry| entry.get("name").and_then(Value::as_str) != Some(secret.name()));
            if list.is_empty()
                && let Some(map) = value.as_object_mut()
            {
                map.remove("imagePullSecrets");
            }
        }
        true
    };
    Ok(edit_account(cluster, account, edit).await? == Some(true))
}

async fn attach_to(
    cluster: &dyn Cluster,
    place: &Place,
    account: &ObjectRef,
) -> Result<State, Error> {
    let (key, secret) = (label(place.instance()), Names::of(place).pull_secret);
    let edit = |value: &mut Value| {
        let listed = value
            .get("imagePullSecrets")
            .and_then(Value::as_array)
            .is_some_and(|list| {
                list.iter()
                    .any(|entry| entry.get("name").and_then(Value::as_str) == Some(secret.name()))
            });
        // Listed without our label: somebody else put it there, and it stays when kreg goes.
        if listed {
            return false;
        }
        match value
            .get_mut("imagePullSecrets")
            .and_then(Value::as_array_mut)
        {
            Some(list) => list.push(json!({ "name": secret.name() })),
            None => value["imagePullSecrets"] = json!([{ "name": secret.name() }]),
        }
        value["metadata"]["labels"][&key] = "attached".into();
        true
    };
    let begun = std::time::Instant::now();
    loop {
        match edit_account(cluster, account, edit).await? {
            Some(true) => return Ok(State::Changed),
            Some(false) => return Ok(State::Unchanged),
            // A controller makes `default` a moment after the namespace.
            None if account.name() == "default" && begun.elapsed() < ACCOUNT_PATIENCE => {
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
            None => {
                return Err(Unfit::NoAccount(account.clone()).into());
            }
        }
    }
}

/// `None` if the account does not exist; else whether `edit` changed it.
async fn edit_account(
    cluster: &dyn Cluster,
    account: &ObjectRef,
    edit: impl Fn(&mut Value) -> bool,
) -> Result<Option<bool>, Error> {
    let mut lost = 0;
    loop {
        let Some(mut live) = cluster.get(account).await? else {
            return Ok(None);
        };
        if !edit(live.value_mut()) {
            return Ok(Some(false));
        }
        match cluster.replace(&live, false).await {
            Ok(_) => return Ok(Some(true)),
            Err(Error::Refused { code: 404, .. }) => return Ok(None),
            Err(Error::Raced { .. }) if lost < TRIES => lost += 1,
            Err(error) => return Err(error),
        }
        tokio::time::sleep(pause(lost)).await;
    }
}

fn copy_in(place: &Place, namespace: &str) -> ObjectRef {
    ObjectRef::new(Kind::Secret, namespace, Names::of(place).pull_secret.name())
}

async fn source(cluster: &dyn Cluster, place: &Place) -> Result<Object, Error> {
    let secret = Names::of(place).pull_secret;
    let known = Inventory::read(cluster, place).await?;
    let live = cluster.get(&secret).await?;
    live.filter(|live| known.is_some_and(|known| known.owns(live)))
        .ok_or_else(|| Unfit::NoSecret(secret).into())
}

async fn write_copy(
    cluster: &dyn Cluster,
    place: &Place,
    source: &Object,
    copy: &ObjectRef,
) -> Result<State, Error> {
    let mut labels = labels(place.instance());
    labels[LABEL_COMPONENT] = COMPONENT.into();
    let body = json!({ "type": "kubernetes.io/dockerconfigjson", "data": source.value()["data"] });
    let desired = Object::build(copy.clone(), &labels, Value::Null, body);
    if let Some(live) = cluster.get(copy).await? {
        let same = live.value()["data"] == desired.value()["data"]
            && live.label(LABEL_COMPONENT) == Some(COMPONENT);
        if same && is_labelled(&live, place.instance()) {
            return Ok(State::Unchanged);
        }
    }
    let mode = ApplyMode {
        dry_run: false,
        force: true,
    };
    cluster.apply(&desired, mode).await?;
    Ok(State::Changed)
}
