//! The names by which kreg knows what is its own, found in its code: a new one without a row here fails.

use std::collections::BTreeSet;
use std::path::Path;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::failure::{Failure, Result, Tried as _};

/// Names that the code has and no tenant's object needs to carry, each with the reason.
const NOT_READ: &[(&str, &str)] = &[
    (
        "kreg.dev/secrets-refreshed",
        "written to a Pod so that the kubelet looks again; never read",
    ),
    (
        "kreg.dev/untrusted",
        "a taint on nodes, which no tenant can write",
    ),
    ("kreg.dev/key", "an example in a comment"),
    ("kreg.dev/x", "an example in a test"),
];

/// Objects of names that the recorded registry does not have.
pub(super) fn volunteers(namespace: &str) -> Vec<Value> {
    let labels = |component: &str| {
        json!({ "app.kubernetes.io/managed-by": "kreg", "kreg.dev/instance": "docker-registry",
                "app.kubernetes.io/component": component })
    };
    let record = json!({ "schema": "kreg/v1", "id": "0", "namespace": namespace, "instance": "docker-registry",
        "profile": "default", "objects": [], "sharedWith": { namespace: ["default"] } });
    let secret = |name: &str| {
        json!({ "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
            "metadata": { "name": name, "namespace": namespace, "labels": labels("pull-secret") },
            "stringData": { ".dockerconfigjson": "{\"auths\":{}}" } })
    };
    vec![
        secret("anything-i-like"),
        json!({ "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": { "name": "volunteer", "namespace": namespace,
                "labels": { "pull.kreg.dev/docker-registry": "attached" } },
            "imagePullSecrets": [{ "name": "docker-registry-pull" }] }),
        json!({ "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": "kreg.docker-registry", "namespace": namespace, "labels": labels("registry"),
                "annotations": { "kreg.dev/inventory": record.to_string(), "kreg.dev/adopted": "true",
                    "kreg.dev/s3-keys-checksum": "0" } } }),
        json!({ "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": "a-check-that-was-cut-short", "namespace": namespace,
                "labels": { "kreg.dev/verify-run": "0", "kreg.dev/instance": "docker-registry" } } }),
    ]
}

/// Fails if the code of a library or program has a name that is neither in `forged` nor in [`NOT_READ`].
pub(super) fn all_are_there(forged: &str) -> Result<()> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let mut known = BTreeSet::new();
    collect(&crates, &mut known)?;
    if known.len() < 10 {
        return Err(Failure::new(
            "find names in the code",
            format!("only {known:?}"),
        ));
    }
    let missing: Vec<&String> = known
        .iter()
        .filter(|name| !is_carried(name, forged))
        .filter(|name| {
            NOT_READ
                .iter()
                .all(|(left_out, _)| left_out != &name.as_str())
        })
        .collect();
    match missing.as_slice() {
        [] => Ok(()),
        missing => Err(Failure::new(
            "find every name of the code in an object of the tenant's",
            format!("{missing:?}"),
        )
        .next("add it to an object in stories/forged/names.rs, or to NOT_READ with the reason")),
    }
}

/// As a key of a label or annotation. One that goes on with an instance's name ends with a slash in the code.
fn is_carried(name: &str, forged: &str) -> bool {
    match name.ends_with('/') {
        true => forged.contains(&format!("\"{name}")),
        false => forged.contains(&format!("\"{name}\":")),
    }
}

/// Labels and annotations of kreg's own and of `app.kubernetes.io` in the source files of crates, those of their tests left out.
fn collect(folder: &Path, known: &mut BTreeSet<String>) -> Result<()> {
    let listed = std::fs::read_dir(folder).tried(|| format!("list {}", folder.display()))?;
    for entry in listed {
        let path = entry.tried(|| format!("list {}", folder.display()))?.path();
        if path.is_dir() {
            if !path.ends_with("tests") && !path.ends_with("target") {
                collect(&path, known)?;
            }
        } else if path
            .extension()
            .is_some_and(|kind| kind == "rs" || kind == "sh")
        {
            let text =
                std::fs::read_to_string(&path).tried(|| format!("read {}", path.display()))?;
            known.extend(names_in(&text));
        }
    }
    Ok(())
}

fn names_in(text: &str) -> impl Iterator<Item = String> {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '/' | '_');
    text.split(move |c| !word(c))
        .filter(|word| word.contains("kreg.dev/") || word.starts_with("app.kubernetes.io/"))
        .map(|word| word.trim_end_matches('.').to_owned())
        .filter(|word| !word.contains("//"))
}

pub(super) fn decoded(text: &str) -> String {
    let bytes = base64::prelude::BASE64_STANDARD
        .decode(text)
        .unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_wherever_it_stands() {
        let text = "const A: &str = \"kreg.dev/a-b\"; // app.kubernetes.io/name, pull.kreg.dev/{x}, https://kreg.dev//no\n`kreg.dev/c`.";
        let found: Vec<String> = names_in(text).collect();
        assert_eq!(
            found,
            [
                "kreg.dev/a-b",
                "app.kubernetes.io/name",
                "pull.kreg.dev/",
                "kreg.dev/c"
            ]
        );
        assert!(
            is_carried("kreg.dev/a", "{\"kreg.dev/a\":1}")
                && !is_carried("kreg.dev/a", "{\"kreg.dev/a-b\":1}")
        );
    }
}
