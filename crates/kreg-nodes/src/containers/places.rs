//! Which files containers/image reads on a node: CRI-O's, or those of root's podman.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::{DROP_INS, POLICY, REGISTRIES_CONF, RegistriesConfError};
use crate::NodeFacts;
use crate::facts::Found;

/// CRI-O's own configuration, and its drop-ins; every file of that directory counts (crio(8)).
const CRIO_CONF: &str = "/etc/crio/crio.conf";
const CRIO_DROP_INS: &str = "/etc/crio/crio.conf.d";

/// Root's home where a node does not say.
const ROOT_HOME: &str = "/root";

/// Files in which the kubelet looks for credentials of every Pod, where nothing sets its `HOME`
/// (Kubernetes `pkg/credentialprovider/config.go`).
const OF_KUBELET: [&str; 4] = [
    "/var/lib/kubelet/config.json",
    "/var/lib/kubelet/.dockercfg",
    "/.docker/config.json",
    "/.dockercfg",
];

/// The files that one program with containers/image reads, as releases 5.23 to 5.39 of it choose
/// them. CRI-O gets there by its arguments, its environment (cri-o `internal/criocli/criocli.go`)
/// and the home directory of the user that runs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Places {
    /// The home directory: `HOME`, else that of root in `/etc/passwd`.
    pub home: String,
    /// The only main file, whatever else is there.
    pub registries_conf: Option<String>,
    /// The only directory of drop-ins, whatever else is there.
    pub registries_conf_dir: Option<String>,
    /// The only `policy.json`, whatever else is there.
    pub signature_policy: Option<String>,
    /// The only file of credentials, whatever else is there.
    pub global_auth_file: Option<String>,
    /// CRI-O's own configuration and the directory of its drop-ins, where the node has CRI-O.
    crio: Option<(String, String)>,
    /// `XDG_RUNTIME_DIR`, `XDG_CONFIG_HOME` and `DOCKER_CONFIG`.
    dirs: [Option<String>; 3],
}

impl Places {
    /// Those of the node's CRI-O; where it has none, those of root's podman.
    ///
    /// # Errors
    /// [`RegistriesConfError`] if CRI-O's own configuration is not TOML.
    pub fn of(facts: &NodeFacts) -> Result<Places, RegistriesConfError> {
        let mut places = Places::told(facts);
        places.read_crio(facts)?;
        Ok(places)
    }

    /// Those of a CRI-O that is started without arguments and root's home is the usual one.
    pub(crate) fn usual() -> Places {
        Places {
            home: ROOT_HOME.to_owned(),
            crio: Some((CRIO_CONF.to_owned(), CRIO_DROP_INS.to_owned())),
            ..Places::default()
        }
    }

    /// What the process says, without what its configuration says.
    fn told(facts: &NodeFacts) -> Places {
        let options = facts.program("crio").map(|program| &program.options);
        let raw = |names: &[&str]| {
            let options = options?;
            names.iter().find_map(|name| options.get(*name)).cloned()
        };
        let told = |names: &[&str]| raw(names).filter(|path| !path.is_empty());
        let crio = |names: &[&str], usual: &str| told(names).unwrap_or_else(|| usual.to_owned());
        let home = told(&["HOME"]).or_else(|| facts.home.clone());
        Places {
            home: home.unwrap_or_else(|| ROOT_HOME.to_owned()),
            registries_conf: told(&["registries-conf", "CONTAINER_REGISTRIES_CONF"]),
            registries_conf_dir: told(&["registries-conf-dir", "CONTAINER_REGISTRIES_CONF_DIR"]),
            signature_policy: raw(&["signature-policy", "CONTAINER_SIGNATURE_POLICY"]),
            global_auth_file: raw(&["global-auth-file", "CONTAINER_GLOBAL_AUTH_FILE"]),
            crio: options.map(|_| {
                (
                    crio(&["config", "c", "CONTAINER_CONFIG"], CRIO_CONF),
                    crio(&["config-dir", "d", "CONTAINER_CONFIG_DIR"], CRIO_DROP_INS),
                )
            }),
            dirs: ["XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_CONFIG"].map(|name| told(&[name])),
        }
    }

    /// What `crio.conf` and its drop-ins say; arguments and environment go before it.
    fn read_crio(&mut self, facts: &NodeFacts) -> Result<(), RegistriesConfError> {
        let mut said = (None, None);
        let Some((main, dir)) = self.crio.clone() else {
            return Ok(());
        };
        for file in std::iter::once(main.as_str()).chain(below(facts, &dir)) {
            let Some(content) = facts.content(file) else {
                continue;
            };
            let table: Table = toml::from_str(&String::from_utf8_lossy(content))
                .map_err(|e| RegistriesConfError::not_toml(file, &e))?;
            let image = table.get("crio").and_then(|crio| crio.get("image"));
            let text = |key: &str| {
                let value = image.and_then(|image| image.get(key));
                value.and_then(Value::as_str).map(str::to_owned)
            };
            said.0 = text("signature_policy").or(said.0);
            said.1 = text("global_auth_file").or(said.1);
        }
        let chosen = |own: &Option<String>, said| own.clone().or(said).filter(|p| !p.is_empty());
        self.signature_policy = chosen(&self.signature_policy, said.0);
        self.global_auth_file = chosen(&self.global_auth_file, said.1);
        Ok(())
    }

    /// A path below `.config/containers` in the home directory.
    #[must_use]
    pub fn at_home(&self, name: &str) -> String {
        let home = self.home.trim_end_matches('/');
        format!("{home}/.config/containers/{name}")
    }

    /// The main file about registries, and the directories of its drop-ins, in the order in which
    /// they are read: a main file in the home directory hides what is in `/etc`
    /// (containers/image `pkg/sysregistriesv2`, `newConfigWrapperWithHomeDir`).
    #[must_use]
    pub fn registries(&self, facts: &NodeFacts) -> (String, Vec<String>) {
        let home = self.at_home("registries.conf");
        let home_dir = self.at_home("registries.conf.d");
        let (main, hides_etc) = match &self.registries_conf {
            Some(told) => (told.clone(), false),
            None if exists(facts, &home) => (home, true),
            None => (REGISTRIES_CONF.to_owned(), false),
        };
        let dirs = match (&self.registries_conf_dir, hides_etc) {
            (Some(told), _) => vec![told.clone()],
            (None, true) => vec![home_dir],
            (None, false) => vec![DROP_INS.to_owned(), home_dir],
        };
        (main, dirs)
    }

    /// The `policy.json` that is read: none if there is none, and then every pull fails
    /// (containers-policy.json(5)).
    #[must_use]
    pub fn policy(&self, facts: &NodeFacts) -> Option<String> {
        let usual = [self.at_home("policy.json"), POLICY.to_owned()];
        let usual = usual.into_iter().find(|path| exists(facts, path));
        self.signature_policy.clone().or(usual)
    }

    /// The directory of certificates in the home directory; where it has one for a registry, that
    /// alone is read (containers/image `docker/docker_client.go`, `dockerCertDir`).
    #[must_use]
    pub fn home_certs_d(&self) -> String {
        self.at_home("certs.d")
    }

    /// Files whose credentials serve every pull that brings none (containers-auth.json(5)), and the
    /// kubelet's own.
    #[must_use]
    pub fn logins(&self) -> Vec<String> {
        let mut files: Vec<String> = OF_KUBELET.map(str::to_owned).into();
        if self.crio.is_none() {
            return files;
        }
        if let Some(told) = &self.global_auth_file {
            files.push(told.clone());
            return files;
        }
        let home = self.home.trim_end_matches('/');
        let [runtime, config, docker] = &self.dirs;
        let within = |dir: &Option<String>, usual: String| dir.clone().unwrap_or(usual);
        files.push(match runtime {
            Some(dir) => format!("{dir}/containers/auth.json"),
            None => "/run/containers/0/auth.json".to_owned(),
        });
        let config = within(config, format!("{home}/.config"));
        files.push(format!("{config}/containers/auth.json"));
        let docker = within(docker, format!("{home}/.docker"));
        files.push(format!("{docker}/config.json"));
        files.push(format!("{home}/.dockercfg"));
        files
    }

    /// Every path and pattern that may matter.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths = vec![
            REGISTRIES_CONF.to_owned(),
            format!("{DROP_INS}/*.conf"),
            POLICY.to_owned(),
            self.at_home("registries.conf"),
            self.at_home("registries.conf.d/*.conf"),
            self.at_home("policy.json"),
            self.home_certs_d(),
        ];
        if let Some((main, dir)) = &self.crio {
            paths.extend([main.clone(), format!("{dir}/*")]);
        }
        let dir = self.registries_conf_dir.as_ref();
        paths.extend(dir.map(|dir| format!("{dir}/*.conf")));
        paths.extend(self.registries_conf.clone());
        paths.extend(self.signature_policy.clone());
        paths.retain(|path| path.starts_with('/'));
        paths
    }

    /// Paths and patterns that matter on this node and that were not asked for yet.
    #[must_use]
    pub fn unseen(facts: &NodeFacts) -> BTreeSet<String> {
        if !["crio", "podman"]
            .iter()
            .any(|name| facts.program(name).is_some())
        {
            return BTreeSet::new();
        }
        Places::known(facts, |places| places.paths())
    }

    /// Files of [`Places::logins`] that were not asked for yet.
    #[must_use]
    pub fn unseen_logins(facts: &NodeFacts) -> BTreeSet<String> {
        Places::known(facts, |places| places.logins())
    }

    fn known(facts: &NodeFacts, of: impl Fn(&Places) -> Vec<String>) -> BTreeSet<String> {
        let places = Places::of(facts).unwrap_or_else(|_| Places::told(facts));
        let paths = of(&places).into_iter();
        paths
            .filter(|path| path.starts_with('/') && !facts.asked.contains(path))
            .collect()
    }
}

/// Whether something is at `path`, and not only a link that leads nowhere. What is out of sight
/// counts as not there.
pub(crate) fn exists(facts: &NodeFacts, path: &str) -> bool {
    !matches!(facts.at(path), None | Some(Found::Link | Found::Unreadable))
}

/// What lies in a directory, in the order of names.
pub(crate) fn below<'a>(facts: &'a NodeFacts, dir: &str) -> impl Iterator<Item = &'a str> {
    let start = format!("{}/", dir.trim_end_matches('/'));
    let paths = facts.found.range(start.clone()..);
    paths
        .map(|(path, _)| path.as_str())
        .take_while({
            let start = start.clone();
            move |path| path.starts_with(&start)
        })
        .filter(move |path| !path[start.len()..].contains('/'))
}

#[cfg(test)]
#[path = "places_tests.rs"]
mod tests;
