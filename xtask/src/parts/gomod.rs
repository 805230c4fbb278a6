//! A module of our own that builds a program of another module as its own repository would.
//!
//! `go install module@version` refuses a module whose go.mod has `replace` lines, and Kubernetes
//! and etcd point theirs at directories of their repositories. Those directories are published as
//! modules too, so the same lines with versions instead of directories give the same program.
//! Rules: the Go modules reference, "replace directive" and "minimal version selection".

use std::fmt::Write as _;

use serde::Deserialize;

/// What `go mod edit -json` says of a go.mod, as far as it decides how a program comes out.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Upstream {
    go: Option<String>,
    #[serde(default)]
    go_debug: Option<Vec<Setting>>,
    #[serde(default)]
    replace: Option<Vec<Replace>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Setting {
    key: String,
    value: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Replace {
    old: Module,
    new: Module,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Module {
    path: String,
    #[serde(default)]
    version: Option<String>,
}

/// The one module that is required, and what is said about its company.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// Module path, as in an import.
    pub(super) module: &'a str,
    /// Its version, with the `v`.
    pub(super) version: &'a str,
    /// Version of the modules that its repository holds beside it, if it has such.
    pub(super) siblings: Option<&'a str>,
    /// Modules that must be at least this new, because the old ones break under a current Go.
    pub(super) at_least: &'a [(&'a str, &'a str)],
}

impl Upstream {
    /// The oldest Go that may build it (`1.24.0`); Go 1.16 where nothing is said, as Go itself has it.
    pub(super) fn go(&self) -> &str {
        self.go.as_deref().unwrap_or("1.16")
    }

    /// The text of a go.mod for a module named `name`.
    ///
    /// It requires nothing else: the required module's own list is part of the graph, and minimal
    /// version selection takes the same versions from it.
    pub(super) fn standalone(&self, name: &str, wanted: Wanted<'_>) -> String {
        let mut text = format!("module {name}\n\ngo {}\n", self.go());
        for Setting { key, value } in self.go_debug.iter().flatten() {
            let _ = write!(text, "\ngodebug {key}={value}\n");
        }
        let _ = write!(text, "\nrequire {} {}\n", wanted.module, wanted.version);
        for (module, version) in wanted.at_least {
            let _ = writeln!(text, "require {module} {version}");
        }
        for replace in self.replace.iter().flatten() {
            let _ = writeln!(text, "replace {}", replace.line(wanted.siblings));
        }
        text
    }
}

impl Replace {
    fn line(&self, siblings: Option<&str>) -> String {
        let target = match siblings {
            Some(version) if self.is_sibling() => format!("{} {version}", self.old.path),
            _ => self.new.to_string(),
        };
        format!("{} => {target}", self.old)
    }

    /// A directory of the same repository that is named like the module it stands for. Others are
    /// guards (`go.etcd.io/etcd => ./FORBIDDEN_DEPENDENCY`) and stay what they are.
    fn is_sibling(&self) -> bool {
        let directory = self
            .new
            .path
            .trim_start_matches("../")
            .trim_start_matches("./");
        let is_local = directory.len() < self.new.path.len();
        let last = |path: &str| path.rsplit('/').next().map(str::to_owned);
        is_local && {
            let module = without_major(&self.old.path);
            last(module) == last(without_major(directory))
        }
    }
}

impl std::fmt::Display for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.version {
            Some(version) => write!(f, "{} {version}", self.path),
            None => f.write_str(&self.path),
        }
    }
}

/// `a/b/v3` → `a/b`; the suffix is a major version, not a directory's name.
fn without_major(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some((front, last))
            if last.strip_prefix('v').is_some_and(|digits| {
                !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
            }) =>
        {
            front
        }
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(json: serde_json::Value) -> Upstream {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn siblings_become_versions_and_the_rest_stays() {
        let etcd = upstream(serde_json::json!({
            "Module": {"Path": "go.etcd.io/etcd/server/v3"}, "Go": "1.24", "Exclude": null,
            "Replace": [
                {"Old": {"Path": "go.etcd.io/etcd/client/v3"}, "New": {"Path": "../client/v3"}},
                {"Old": {"Path": "go.etcd.io/etcd/api/v3"}, "New": {"Path": "../api"}},
                {"Old": {"Path": "go.etcd.io/etcd"}, "New": {"Path": "./FORBIDDEN_DEPENDENCY"}},
                {"Old": {"Path": "a.io/x", "Version": "v1.0.0"}, "New": {"Path": "b.io/x", "Version": "v1.0.1"}},
            ],
        }));
        let text = etcd.standalone(
            "kreg.dev/etcd",
            Wanted {
                module: "go.etcd.io/etcd/server/v3",
                version: "v3.6.5",
                siblings: Some("v3.6.5"),
                at_least: &[],
            },
        );
        assert_eq!(
            text,
            "module kreg.dev/etcd\n\
             \n\
             go 1.24\n\
             \n\
             require go.etcd.io/etcd/server/v3 v3.6.5\n\
             replace go.etcd.io/etcd/client/v3 => go.etcd.io/etcd/client/v3 v3.6.5\n\
             replace go.etcd.io/etcd/api/v3 => go.etcd.io/etcd/api/v3 v3.6.5\n\
             replace go.etcd.io/etcd => ./FORBIDDEN_DEPENDENCY\n\
             replace a.io/x v1.0.0 => b.io/x v1.0.1\n"
        );
    }

    #[test]
    fn kubernetes_keeps_its_godebug_and_loses_its_staging_directories() {
        let kubernetes = upstream(serde_json::json!({
            "Go": "1.24.0", "GoDebug": [{"Key": "default", "Value": "go1.24"}],
            "Replace": [{"Old": {"Path": "k8s.io/api"}, "New": {"Path": "./staging/src/k8s.io/api"}}],
        }));
        let text = kubernetes.standalone(
            "kreg.dev/kubernetes",
            Wanted {
                module: "k8s.io/kubernetes",
                version: "v1.34.4",
                siblings: Some("v0.34.4"),
                at_least: &[("golang.org/x/sys", "v0.31.0")],
            },
        );
        assert!(text.contains("\ngodebug default=go1.24\n"), "{text}");
        assert!(
            text.contains("\nrequire golang.org/x/sys v0.31.0\n"),
            "{text}"
        );
        assert!(
            text.ends_with("\nreplace k8s.io/api => k8s.io/api v0.34.4\n"),
            "{text}"
        );
    }

    #[test]
    fn a_plain_module_needs_no_replacement() {
        let text = Upstream::default().standalone(
            "kreg.dev/x",
            Wanted {
                module: "a.io/x",
                version: "v1.0.0",
                siblings: None,
                at_least: &[],
            },
        );
        assert_eq!(
            text,
            "module kreg.dev/x\n\ngo 1.16\n\nrequire a.io/x v1.0.0\n"
        );
    }

    #[test]
    fn major_version_is_no_directory() {
        assert_eq!(without_major("a/b/v3"), "a/b");
        assert_eq!(without_major("a/vault"), "a/vault");
        assert_eq!(without_major("a/v"), "a/v");
    }
}
