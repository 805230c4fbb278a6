//! Changing one entry of a Secret of the registry's, without losing what others write at the same time.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::{
    cluster::{ApplyMode, Cluster},
    error::Error,
    names::{is_ours, labels},
    object::{Object, ObjectRef},
    spec::RegistrySpec,
};

/// How often a write that lost a race is tried again.
const TRIES: u32 = 8;

/// Reads the entry `key` of `secret`, lets `edit` say what it should be, and writes that if it differs. Returns
/// whether anything was written.
///
/// The write holds only if nobody else wrote meanwhile (`metadata.resourceVersion`); otherwise the entry is read and
/// edited anew, so that two operators who each add a user lose none.
///
/// # Errors
/// [`Error::Unfit`] if the Secret or the entry is not there or not this instance's; what `edit` returns, as it is;
/// otherwise what the server says.
pub async fn edit<E: From<Error>>(
    cluster: &dyn Cluster,
    spec: &RegistrySpec,
    secret: &ObjectRef,
    key: &str,
    mut edit: impl FnMut(&SecretString) -> Result<SecretString, E>,
) -> Result<bool, E> {
    for attempt in 1.. {
        let live = cluster.get(secret).await?;
        let live = live
            .filter(|live| is_ours(live, spec.instance()))
            .ok_or_else(|| absent(secret, key))?;
        let before = entry(&live, key)?;
        let after = edit(&before)?;
        if after.expose_secret() == before.expose_secret() {
            return Ok(false);
        }
        match cluster
            .apply(
                &with_entry(&live, spec, key, &after),
                ApplyMode {
                    dry_run: false,
                    force: true,
                },
            )
            .await
        {
            Ok(_) => return Ok(true),
            Err(Error::Refused { code: 409, .. }) if attempt < TRIES => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}

fn entry(live: &Object, key: &str) -> Result<SecretString, Error> {
    let encoded = live
        .value()
        .get("data")
        .and_then(|data| data.get(key))
        .and_then(Value::as_str);
    let encoded = encoded.ok_or_else(|| absent(live.reference(), key))?;
    STANDARD
        .decode(encoded)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .map(SecretString::from)
        .ok_or_else(|| Error::Malformed {
            what: format!("{key} in {}", live.reference()),
            problem: "it is not text; restore it, or delete this Secret: `kreg up` makes it anew"
                .to_owned(),
        })
}

/// The complete intent of kreg for this Secret: every entry it has, one of them changed.
fn with_entry(live: &Object, spec: &RegistrySpec, key: &str, value: &SecretString) -> Object {
    let mut data = live
        .value()
        .get("data")
        .cloned()
        .unwrap_or_else(|| json!({}));
    data[key] = STANDARD.encode(value.expose_secret()).into();
    let body = json!({ "type": live.text("/type"), "data": data });
    let mut object = Object::build(
        live.reference().clone(),
        &labels(spec.instance()),
        Value::Null,
        body,
    );
    if let Some(version) = live.text("/metadata/resourceVersion") {
        object.value_mut()["metadata"]["resourceVersion"] = version.into();
    }
    object
}

fn absent(secret: &ObjectRef, key: &str) -> Error {
    Error::Unfit {
        what: format!("there is no {secret} of this registry's with an entry {key}"),
        advice: "run `kreg up`, which makes it".to_owned(),
    }
}
