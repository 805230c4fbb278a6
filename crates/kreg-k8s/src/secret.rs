//! Reading and changing entries of the registry's Secrets, without losing what others write at the same time.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};

use crate::{
    cluster::{ApplyMode, Cluster, Deleted},
    error::Error,
    inventory::Inventory,
    names::labels,
    object::Object,
    object_ref::ObjectRef,
    place::Place,
    unfit::Unfit,
};

/// How often a write that lost a race is tried again.
const TRIES: u32 = 8;

/// What a Secret holds, by key, decoded.
pub type Entries = BTreeMap<String, SecretString>;

/// Reads every entry of `secret`; `None` if there is none of this instance's.
///
/// # Errors
/// [`Error::Unreadable`] if an entry is not text; otherwise what the server says.
pub async fn read(
    cluster: &dyn Cluster,
    place: &Place,
    secret: &ObjectRef,
) -> Result<Option<Entries>, Error> {
    let live = ours(cluster, place, secret).await?;
    live.map(|live| entries(&live)).transpose()
}

/// The Secret, if it is the registry's.
async fn ours(
    cluster: &dyn Cluster,
    place: &Place,
    secret: &ObjectRef,
) -> Result<Option<Object>, Error> {
    let Some(known) = Inventory::read(cluster, place).await? else {
        return Ok(None);
    };
    Ok(cluster.get(secret).await?.filter(|live| known.owns(live)))
}

/// An entry of any Secret, decoded; `None` if it is not there or is no text.
#[must_use]
pub fn value(secret: &Object, key: &str) -> Option<SecretString> {
    let encoded = secret.value().get("data")?.get(key)?.as_str()?;
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    Some(text.into())
}

/// Makes an `Opaque` Secret of this instance with exactly these entries, or brings an existing one to them.
///
/// It carries the instance's labels, by which [`crate::down::down`] finds it; it is not in the inventory, so that
/// no later apply takes it away.
///
/// # Errors
/// What the server says.
pub async fn put(
    cluster: &dyn Cluster,
    place: &Place,
    secret: &ObjectRef,
    entries: &Entries,
) -> Result<(), Error> {
    let object = declared(secret, place, "Opaque", entries, None);
    cluster.apply(&object, WRITE).await.map(drop)
}

/// Deletes `secret` if it is this instance's. Returns whether it was there.
///
/// # Errors
/// What the server says.
pub async fn remove(
    cluster: &dyn Cluster,
    place: &Place,
    secret: &ObjectRef,
) -> Result<bool, Error> {
    match ours(cluster, place, secret).await? {
        Some(live) => Ok(cluster
            .delete(secret, live.uid().unwrap_or_default())
            .await?
            == Deleted::Yes),
        None => Ok(false),
    }
}

/// Reads the entry `key` of `secret`, lets `edit` say what it should be, and writes that if it differs. Returns
/// whether anything was written. See [`edit_all`].
///
/// # Errors
/// [`Error::Unfit`] if the Secret or the entry is not there or not this instance's; what `edit` returns, as it is;
/// otherwise what the server says.
pub async fn edit<E: From<Error>>(
    cluster: &dyn Cluster,
    place: &Place,
    secret: &ObjectRef,
    key: &str,
    mut edit: impl FnMut(&SecretString) -> Result<SecretString, E>,
) -> Result<bool, E> {
    edit_all(cluster, place, secret, |entries| {
        let entry = entries.get_mut(key).ok_or_else(|| absent(secret, key))?;
        *entry = edit(entry)?;
        Ok(())
    })
    .await
}

/// Reads all entries of `secret`, lets `edit` change them, and writes them in one step if they differ. Returns whether
/// anything was written.
///
/// The write holds only if nobody else wrote meanwhile (`metadata.resourceVersion`); otherwise the entries are read
/// and edited again, so that two operators who each add a user lose none.
///
/// # Errors
/// [`Error::Unfit`] if the Secret is not there or not this instance's; what `edit` returns, as it is; otherwise what
/// the server says.
pub async fn edit_all<E: From<Error>>(
    cluster: &dyn Cluster,
    place: &Place,
    secret: &ObjectRef,
    mut edit: impl FnMut(&mut Entries) -> Result<(), E>,
) -> Result<bool, E> {
    let mut lost = 0;
    let mut tried: Option<Entries> = None;
    loop {
        let live = ours(cluster, place, secret).await?;
        let live = live.ok_or_else(|| absent(secret, "any"))?;
        let before = entries(&live)?;
        // A write whose answer was lost comes back as a lost race; to edit it again would be to do it twice.
        if tried.as_ref().is_some_and(|tried| same(tried, &before)) {
            return Ok(true);
        }
        let mut after = before.clone();
        edit(&mut after)?;
        if same(&before, &after) {
            return Ok(false);
        }
        let kind = live.text("/type").unwrap_or("Opaque");
        let version = live.version();
        let object = declared(secret, place, kind, &after, version);
        match cluster.apply(&object, WRITE).await {
            Ok(_) => return Ok(true),
            Err(Error::Raced { .. }) if lost < TRIES => lost += 1,
            Err(error) => return Err(error.into()),
        }
        tried = Some(after);
    }
}

/// The Secrets are kreg's alone: a hand edit of another entry survives as an entry, not as an owner.
const WRITE: ApplyMode = ApplyMode {
    dry_run: false,
    force: true,
};

fn same(one: &Entries, other: &Entries) -> bool {
    one.len() == other.len()
        && one.iter().all(|(key, value)| {
            other
                .get(key)
                .is_some_and(|there| there.expose_secret() == value.expose_secret())
        })
}

/// All entries of a Secret as it was read.
///
/// # Errors
/// [`Error::Unreadable`] if one of them is not text.
pub fn entries(live: &Object) -> Result<Entries, Error> {
    let data = live.value().get("data").and_then(Value::as_object);
    data.into_iter()
        .flatten()
        .map(|(key, value)| {
            let text = value
                .as_str()
                .and_then(|encoded| STANDARD.decode(encoded).ok())
                .and_then(|bytes| String::from_utf8(bytes).ok());
            let text = text.ok_or_else(|| Error::Unreadable {
                secret: live.reference().clone(),
                key: key.clone(),
                encoding: "text",
            })?;
            Ok((key.clone(), SecretString::from(text)))
        })
        .collect()
}

/// The complete intent of kreg for this Secret.
fn declared(
    secret: &ObjectRef,
    place: &Place,
    kind: &str,
    entries: &Entries,
    version: Option<&str>,
) -> Object {
    let encoded = |(key, value): (&String, &SecretString)| {
        (key.clone(), STANDARD.encode(value.expose_secret()).into())
    };
    let data: Map<String, Value> = entries.iter().map(encoded).collect();
    let body = json!({ "type": kind, "data": data });
    let labels = labels(place.instance());
    let mut object = Object::build(secret.clone(), &labels, Value::Null, body);
    if let Some(version) = version {
        object.value_mut()["metadata"]["resourceVersion"] = version.into();
    }
    object
}

fn absent(secret: &ObjectRef, key: &str) -> Error {
    let unfit = Unfit::NoEntry {
        secret: secret.clone(),
        key: key.to_owned(),
    };
    unfit.into()
}
