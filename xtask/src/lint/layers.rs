//! Which crate may know which: the program, what it does, its parts, and what these stand on.

use proc_macro2::TokenTree;

use super::modules::Module;
use super::packages::Package;
use super::tokens::{inside, is_ident};
use crate::failure::{Failure, Result};

/// The lowest first. A crate needs only crates of lower layers.
const LAYERS: &[&[&str]] = &[
    &["kreg-auth", "kreg-pki", "kreg-stream"],
    // The client of a registry logs in.
    &["kreg-registry"],
    &["kreg-k8s", "kreg-nodes", "kreg-verify"],
    &["kreg"],
    &["kreg-cli"],
];

pub(super) fn point_down(packages: &[Package]) -> Result<()> {
    let layer = |name: &str| LAYERS.iter().position(|layer| layer.contains(&name));
    let mut wrong = Vec::new();
    for package in packages.iter().filter(|package| package.name != "xtask") {
        let Some(own) = layer(&package.name) else {
            wrong.push(format!("{} is in no layer", package.name));
            continue;
        };
        let beside = |need: &&String| layer(need).is_none_or(|other| other >= own);
        let beside = package.needs.iter().filter(beside);
        wrong.extend(beside.map(|need| format!("{} needs {need}", package.name)));
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(
        Failure::new("see every crate need only lower ones", wrong.join(", "))
            .next("LAYERS in xtask/src/lint/layers.rs says which is lower"),
    )
}

/// Uses of the Kubernetes client itself, or of its types, by whatever path.
pub(super) fn direct(modules: &[Module]) -> Vec<String> {
    fn count(tokens: &[TokenTree]) -> usize {
        let one = |token: &TokenTree| {
            let own = ["kube", "k8s_openapi"]
                .iter()
                .any(|name| is_ident(token, name));
            usize::from(own) + inside(token).map_or(0, |inside| count(&inside))
        };
        tokens.iter().map(one).sum()
    }
    let all = modules.iter().flat_map(|module| {
        let file = module.file.display().to_string();
        std::iter::repeat_n(file, count(&module.tokens))
    });
    all.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::tokens;

    fn package(name: &str, needs: &[&str]) -> Package {
        Package {
            name: name.to_owned(),
            roots: Vec::new(),
            needs: needs.iter().map(|need| (*need).to_owned()).collect(),
        }
    }

    #[test]
    fn a_need_beside_or_above_is_named() {
        let good = [
            package("kreg-cli", &["kreg-k8s", "kreg-auth"]),
            package("xtask", &[]),
        ];
        assert!(point_down(&good).is_ok());
        for (name, need) in [
            ("kreg-verify", "kreg-k8s"),
            ("kreg-auth", "kreg"),
            ("kreg", "kreg-new"),
        ] {
            let failure = point_down(&[package(name, &[need])]).unwrap_err();
            assert!(failure.to_string().contains(need), "{failure}");
        }
        assert!(point_down(&[package("kreg-new", &[])]).is_err());
    }

    #[test]
    fn the_client_is_seen_by_whatever_path() {
        let source = "use kreg_k8s::kube::Api; fn f() { k8s_openapi::x(\"kube::y\") } // kube::z";
        let module = Module {
            path: Vec::new(),
            file: "f".into(),
            tokens: tokens::of(source).unwrap(),
        };
        assert_eq!(direct(&[module]).len(), 2);
    }
}
