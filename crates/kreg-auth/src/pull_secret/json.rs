//! JSON as the kubelet reads it, and no copies of it left in memory.
//!
//! Go's `encoding/json` takes the names of fields without regard to case, and where a key stands
//! twice it reads both; `serde_json` keeps the last alone, so that writing it back would lose
//! the first.

use std::fmt;
use std::io;

use secrecy::SecretString;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::PullSecretError;

/// Any JSON value whose objects hold each key once.
pub(super) fn read(json: &[u8]) -> Result<Value, PullSecretError> {
    match serde_json::from_slice(json) {
        Ok(Once(value)) => Ok(value),
        Err(error) if error.classify() == Category::Data => Err(PullSecretError::Twice(error)),
        Err(error) => Err(PullSecretError::NotJson(error)),
    }
}

/// JSON without spaces, written into memory of the right size, so that growing leaves no copies.
pub(super) fn write(document: &Map<String, Value>) -> SecretString {
    let mut size = Count(0);
    // A map with text keys always has a JSON form.
    let _ = serde_json::to_writer(&mut size, document);
    let mut bytes = Zeroizing::new(Vec::with_capacity(size.0));
    let _ = serde_json::to_writer(&mut *bytes, document);
    String::from_utf8(std::mem::take(&mut *bytes))
        .unwrap_or_default()
        .into()
}

/// Go's `foldName` in `encoding/json`: case does not count, nor do the two letters beyond ASCII
/// that fold into it.
pub(super) fn is_field(key: &str, field: &str) -> bool {
    let fold = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    key.chars().map(fold).eq(field.chars().map(fold))
}

/// The value of a field, in whatever case it is written.
pub(super) fn field<'a>(
    object: &'a Map<String, Value>,
    field: &'static str,
    at: &str,
) -> Result<Option<&'a Value>, PullSecretError> {
    let mut found = object.iter().filter(|(key, _)| is_field(key, field));
    match (found.next(), found.next()) {
        (only, None) => Ok(only.map(|(_, value)| value)),
        _ => Err(PullSecretError::TwoCases {
            at: at.to_owned(),
            field,
        }),
    }
}

/// The field's key as it is written.
pub(super) fn key_of<'a>(object: &'a Map<String, Value>, field: &str) -> Option<&'a str> {
    let mut keys = object.keys().map(String::as_str);
    keys.find(|key| is_field(key, field))
}

/// The value of a field, to be changed.
pub(super) fn named<'a>(object: &'a mut Map<String, Value>, field: &str) -> Option<&'a mut Value> {
    let mut entries = object.iter_mut();
    entries.find_map(|(key, value)| is_field(key, field).then_some(value))
}

/// Takes out every spelling of a field but the one to be kept.
pub(super) fn remove_all_but(
    object: &mut Map<String, Value>,
    field: &str,
    kept: &str,
) -> Vec<Value> {
    let spellings: Vec<String> = object
        .keys()
        .filter(|key| is_field(key, field) && *key != kept)
        .cloned()
        .collect();
    let removed = spellings.iter().filter_map(|key| object.shift_remove(key));
    removed.collect()
}

/// Counts what is written.
struct Count(usize);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Once(Value);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Once, D::Error> {
        deserializer.deserialize_any(OnceVisitor).map(Once)
    }
}

struct OnceVisitor;

impl<'de> Visitor<'de> for OnceVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Once(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            let Once(value) = fields.next_value()?;
            if object.contains_key(&key) {
                return Err(A::Error::custom("this key stood there before"));
            }
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}
