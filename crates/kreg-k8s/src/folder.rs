//! The folder backend: one YAML file an object, fit for a Git repository. Nothing secret is ever written.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use futures::future::BoxFuture;
use serde_json::Value;

use crate::{
    additions::without,
    cluster::{ApplyMode, Cluster, Deleted, Patcher, Query},
    digest::sha256_hex,
    error::Error,
    kind::Kind,
    object::Object,
    object_ref::ObjectRef,
    unfit::Unfit,
};

/// First line of every file; a file without it is somebody else's and is left alone.
const HEADER: &str = "# Written by kreg";

const ENDING: &str = ".yaml";
const SECRET_ENDING: &str = ".yaml.example";

/// A [`Cluster`] that is a folder of YAML files.
///
/// Of a Secret only the keys are kept, with empty values, in a file that ends in `.yaml.example`: it says what has to be
/// there, and `kubectl apply -f` of the folder passes it over (it takes `.yaml`, `.yml` and `.json`). A uid is made of kind and name, a resourceVersion of the content.
#[derive(Debug, Clone)]
pub struct FolderCluster {
    directory: PathBuf,
}

impl FolderCluster {
    /// Takes a folder, which is made if it is not there.
    ///
    /// # Errors
    /// [`Error::Unfit`] if it cannot be made.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, Error> {
        let directory = directory.into();
        fs::create_dir_all(&directory).map_err(|error| unfit("make", &directory, &error))?;
        Ok(FolderCluster { directory })
    }

    /// The file that holds an object.
    #[must_use]
    pub fn file(&self, object: &ObjectRef) -> PathBuf {
        let kind = object.kind().name().to_lowercase();
        let place = object
            .namespace()
            .map_or(String::new(), |namespace| format!("{namespace}-"));
        let ending = match object.kind() {
            Kind::Secret => SECRET_ENDING,
            _ => ENDING,
        };
        self.directory
            .join(format!("{kind}-{place}{}{ending}", object.name()))
    }

    /// Writes a text of ours (`kustomization.yaml`, notes) beside the objects.
    ///
    /// # Errors
    /// [`Error::Unfit`] if a file of somebody else is in the way, or it cannot be written.
    pub fn write_text(&self, name: &str, text: &str) -> Result<(), Error> {
        write(&self.directory.join(name), text)
    }

    fn read(&self, path: &Path) -> Result<Option<Object>, Error> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unfit("read", path, &error)),
        };
        let value: Value = serde_saphyr::from_str(&text).map_err(|error| Error::Malformed {
            what: path.display().to_string(),
            problem: error.to_string(),
        })?;
        let mut object = Object::from_value(value)?;
        let uid = sha256_hex(object.reference().to_string().as_bytes());
        let metadata = &mut object.value_mut()["metadata"];
        metadata["uid"] = uid.into();
        metadata["resourceVersion"] = sha256_hex(text.as_bytes()).into();
        Ok(Some(object))
    }

    fn put(&self, object: &Object, live: Option<&Object>, dry_run: bool) -> Result<Object, Error> {
        let path = self.file(object.reference());
        let version = |object: &Object| object.version().map(str::to_owned);
        if let Some(meant) = version(object)
            && live.and_then(version) != Some(meant)
        {
            return Err(Error::Raced {
                action: "apply",
                object: object.reference().to_string(),
                reason: "Conflict".to_owned(),
                message: format!("{} has changed meanwhile", path.display()),
            });
        }
        let mut kept = object.clone();
        if let Some(metadata) = kept.value_mut()["metadata"].as_object_mut() {
            for key in [
                "uid",
                "resourceVersion",
                "managedFields",
                "creationTimestamp",
                "generation",
            ] {
                metadata.remove(key);
            }
        }
        if object.reference().kind() == Kind::Secret {
            for key in ["data", "stringData"] {
                if let Some(map) = kept.value_mut().get_mut(key).and_then(Value::as_object_mut) {
                    map.values_mut().for_each(|value| *value = "".into());
                }
            }
        }
        if dry_run {
            return Ok(kept);
        }
        let text = serde_saphyr::to_string(kept.value()).map_err(|error| Error::Malformed {
            what: object.reference().to_string(),
            problem: error.to_string(),
        })?;
        write(&path, &text)?;
        let written = self.read(&path)?;
        written.ok_or_else(|| Unfit::FileGone(path).into())
    }
}

impl Cluster for FolderCluster {
    fn get<'a>(&'a self, object: &'a ObjectRef) -> BoxFuture<'a, Result<Option<Object>, Error>> {
        Box::pin(async move { self.read(&self.file(object)) })
    }

    fn list<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Vec<Object>, Error>> {
        Box::pin(async move {
            let entries = fs::read_dir(&self.directory)
                .and_then(Iterator::collect::<io::Result<Vec<_>>>)
                .map_err(|error| unfit("read", &self.directory, &error))?;
            let prefix = format!("{}-", query.kind.name().to_lowercase());
            let is_one = |entry: &&fs::DirEntry| {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                name.starts_with(&prefix)
                    && [ENDING, SECRET_ENDING]
                        .iter()
                        .any(|end| name.ends_with(end))
            };
            let mut paths: Vec<PathBuf> = entries
                .iter()
                .filter(is_one)
                .map(fs::DirEntry::path)
                .collect();
            paths.sort();
            let mut found = Vec::new();
            for path in paths {
                found.extend(self.read(&path)?.filter(|object| matches(object, query)));
            }
            Ok(found)
        })
    }

    fn apply<'a>(
        &'a self,
        object: &'a Object,
        mode: ApplyMode,
    ) -> BoxFuture<'a, Result<Object, Error>> {
        Box::pin(async move {
            let live = self.read(&self.file(object.reference()))?;
            self.put(object, live.as_ref(), mode.dry_run)
        })
    }

    fn create<'a>(&'a self, object: &'a Object) -> BoxFuture<'a, Result<Object, Error>> {
        Box::pin(async move {
            match self.read(&self.file(object.reference()))? {
                None => self.put(object, None, false),
                Some(_) => Err(Error::Raced {
                    action: "create",
                    object: object.reference().to_string(),
                    reason: "AlreadyExists".to_owned(),
                    message: "there is such a file".to_owned(),
                }),
            }
        })
    }

    fn remove_fields<'a>(
        &'a self,
        object: &'a Object,
        pointers: &'a [String],
        dry_run: bool,
    ) -> BoxFuture<'a, Result<Object, Error>> {
        Box::pin(async move {
            let live = self.read(&self.file(object.reference()))?;
            self.put(&without(object, pointers), live.as_ref(), dry_run)
        })
    }

    fn replace<'a>(
        &'a self,
        object: &'a Object,
        dry_run: bool,
    ) -> BoxFuture<'a, Result<Object, Error>> {
        Box::pin(async move {
            let Some(live) = self.read(&self.file(object.reference()))? else {
                return Err(absent("replace", object.reference()));
            };
            self.put(object, Some(&live), dry_run)
        })
    }

    fn patch<'a>(
        &'a self,
        object: &'a ObjectRef,
        patch: &'a Value,
        _by: Patcher,
    ) -> BoxFuture<'a, Result<Object, Error>> {
        Box::pin(async move {
            let Some(live) = self.read(&self.file(object))? else {
                return Err(absent("patch", object));
            };
            let mut patched = live.clone();
            merge(patched.value_mut(), patch);
            self.put(&patched, Some(&live), false)
        })
    }

    fn delete<'a>(
        &'a self,
        object: &'a ObjectRef,
        uid: &'a str,
    ) -> BoxFuture<'a, Result<Deleted, Error>> {
        Box::pin(async move {
            let path = self.file(object);
            match self.read(&path)? {
                None => Ok(Deleted::Absent),
                Some(live) if live.uid() != Some(uid) => Ok(Deleted::OtherUid),
                Some(_) => {
                    ours(&path)?;
                    fs::remove_file(&path).map_err(|error| unfit("remove", &path, &error))?;
                    Ok(Deleted::Yes)
                }
            }
        })
    }
}

fn absent(action: &'static str, object: &ObjectRef) -> Error {
    Error::Refused {
        action,
        object: object.to_string(),
        code: 404,
        reason: "NotFound".to_owned(),
        message: "there is no such file".to_owned(),
    }
}

/// A strategic merge of what kreg patches: `null` removes, and items of a list are the same if their names are.
fn merge(into: &mut Value, patch: &Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (key, value) in patch {
                match value {
                    Value::Null => drop(into.remove(key)),
                    value => merge(into.entry(key.as_str()).or_insert(Value::Null), value),
                }
            }
        }
        (Value::Array(into), Value::Array(patch))
            if patch.iter().all(|item| item["name"].is_string()) =>
        {
            for item in patch {
                match into.iter_mut().find(|known| known["name"] == item["name"]) {
                    Some(known) => merge(known, item),
                    None => into.push(item.clone()),
                }
            }
        }
        (into, patch) => *into = patch.clone(),
    }
}

/// Label selectors of the forms `key=value` and `key`, and the field selector `metadata.name=…`.
fn matches(object: &Object, query: &Query) -> bool {
    let terms = |text: &'_ str| -> Vec<String> {
        text.split(',')
            .filter(|term| !term.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let reference = object.reference();
    reference.kind() == query.kind
        && (query.namespace.is_none() || reference.namespace() == query.namespace.as_deref())
        && terms(&query.labels)
            .iter()
            .all(|term| match term.split_once('=') {
                Some((key, value)) => object.label(key) == Some(value.trim_start_matches('=')),
                None => object.label(term).is_some(),
            })
        && terms(&query.fields)
            .iter()
            .all(|term| term.split_once('=') == Some(("metadata.name", reference.name())))
}

/// Whole or not at all.
fn write(path: &Path, text: &str) -> Result<(), Error> {
    ours(path)?;
    let temporary = path.with_extension(format!("tmp{}", std::process::id()));
    fs::write(&temporary, format!("{HEADER}\n{text}"))
        .and_then(|()| fs::rename(&temporary, path))
        .map_err(|error| unfit("write", path, &error))
}

fn ours(path: &Path) -> Result<(), Error> {
    match fs::read_to_string(path) {
        Ok(text) if !text.starts_with(HEADER) => Err(Unfit::OtherFile(path.to_owned()).into()),
        _ => Ok(()),
    }
}

fn unfit(action: &'static str, path: &Path, error: &io::Error) -> Error {
    let unfit = Unfit::File {
        action,
        path: path.to_owned(),
        problem: error.to_string(),
    };
    unfit.into()
}
