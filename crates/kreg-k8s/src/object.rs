//! One Kubernetes object as a value.

use std::fmt;

use serde_json::Value;

use crate::{error::Error, kind::Kind, object_ref::ObjectRef};

/// One object, desired or live: JSON that is known to carry a kind kreg knows and a name.
///
/// `Debug` masks the contents of Secrets; [`Object::value`] does not.
#[derive(Clone, PartialEq)]
pub struct Object {
    reference: ObjectRef,
    value: Value,
}

impl Object {
    /// Wraps JSON as read from an API server or a YAML file.
    ///
    /// # Errors
    /// [`Error::Malformed`] if it is no object of a known kind with a name.
    pub fn from_value(value: Value) -> Result<Self, Error> {
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or("");
        let (api_version, kind_name) = (text("/apiVersion"), text("/kind"));
        let kind = Kind::find(api_version, kind_name).ok_or_else(|| Error::Malformed {
            what: format!("an object of kind {kind_name:?} ({api_version:?})"),
            problem: "kreg does not know this kind at this API version".to_owned(),
        })?;
        let name = text("/metadata/name");
        if name.is_empty() {
            return Err(Error::Malformed {
                what: format!("a {kind}"),
                problem: "it has no metadata.name".to_owned(),
            });
        }
        let reference = ObjectRef::new(kind, text("/metadata/namespace"), name);
        Ok(Object { reference, value })
    }

    /// Builds a desired object: `body` is everything but apiVersion, kind and metadata.
    pub(crate) fn build(
        reference: ObjectRef,
        labels: &Value,
        annotations: Value,
        body: Value,
    ) -> Self {
        let mut metadata = serde_json::json!({ "name": reference.name() });
        if let Some(namespace) = reference.namespace() {
            metadata["namespace"] = namespace.into();
        }
        metadata["labels"] = labels.clone();
        if annotations.as_object().is_some_and(|map| !map.is_empty()) {
            metadata["annotations"] = annotations;
        }
        let mut value = serde_json::json!({
            "apiVersion": reference.kind().api_version(),
            "kind": reference.kind().name(),
            "metadata": metadata,
        });
        if let (Some(target), Value::Object(source)) = (value.as_object_mut(), body) {
            target.extend(source);
        }
        Object { reference, value }
    }

    /// What names it.
    #[must_use]
    pub fn reference(&self) -> &ObjectRef {
        &self.reference
    }

    /// The whole object as JSON, secrets in clear.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The whole object as JSON with the values of a Secret replaced by `***`: fit for screens and logs.
    #[must_use]
    pub fn masked(&self) -> Value {
        let mut value = self.value.clone();
        if self.reference.kind() == Kind::Secret {
            for key in ["data", "stringData"] {
                if let Some(map) = value.get_mut(key).and_then(Value::as_object_mut) {
                    map.values_mut().for_each(|entry| *entry = "***".into());
                }
            }
            // kubectl writes the whole Secret once more into this annotation.
            if let Some(annotations) = value
                .pointer_mut("/metadata/annotations")
                .and_then(Value::as_object_mut)
                && let Some(copy) =
                    annotations.get_mut("kubectl.kubernetes.io/last-applied-configuration")
            {
                *copy = "***".into();
            }
        }
        value
    }

    /// The string at a JSON pointer (RFC 6901), such as `/spec/clusterIP`.
    #[must_use]
    pub fn text(&self, pointer: &str) -> Option<&str> {
        self.value.pointer(pointer).and_then(Value::as_str)
    }

    /// The number at a JSON pointer.
    #[must_use]
    pub fn number(&self, pointer: &str) -> Option<i64> {
        self.value.pointer(pointer).and_then(Value::as_i64)
    }

    /// The array at a JSON pointer; empty if there is none.
    #[must_use]
    pub fn items(&self, pointer: &str) -> &[Value] {
        self.value
            .pointer(pointer)
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }

    /// `metadata.uid`; only live objects have one.
    #[must_use]
    pub fn uid(&self) -> Option<&str> {
        self.text("/metadata/uid")
    }

    /// `metadata.resourceVersion`: another one after every write.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.text("/metadata/resourceVersion")
    }

    /// A label's value.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.value
            .get("metadata")?
            .get("labels")?
            .get(key)?
            .as_str()
    }

    /// An annotation's value.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.value
            .get("metadata")?
            .get("annotations")?
            .get(key)?
            .as_str()
    }

    /// Whether it is already on its way out.
    #[must_use]
    pub fn is_terminating(&self) -> bool {
        self.text("/metadata/deletionTimestamp").is_some()
    }

    pub(crate) fn value_mut(&mut self) -> &mut Value {
        &mut self.value
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.reference, self.masked())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn debug_of_a_secret_shows_no_value() {
        let secret = Object::from_value(json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "s", "namespace": "n", "annotations":
                {"kubectl.kubernetes.io/last-applied-configuration": "{\"data\":{\"k\":\"aHVudGVyMg==\"}}"}},
            "data": {"k": "aHVudGVyMg=="}, "stringData": {"k": "hunter2"},
        }))
        .unwrap();
        let shown = format!("{secret:?}");
        assert!(
            !shown.contains("hunter2") && !shown.contains("aHVudGVyMg"),
            "{shown}"
        );
        assert!(shown.starts_with("Secret n/s "), "{shown}");
    }

    #[test]
    fn an_unknown_kind_is_refused_by_name() {
        let error = Object::from_value(
            json!({"apiVersion": "v9", "kind": "Thing", "metadata": {"name": "x"}}),
        )
        .unwrap_err()
        .to_string();
        assert!(error.contains("Thing"), "{error}");
    }
}
