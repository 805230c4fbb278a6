//! `kreg.toml`: its shape, where it is found, and the commented one that `init` writes.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::choices::Backend;
use crate::error::Error;
use crate::progress::Progress;

use self::sections::{Auth, Registry, Ssh, Storage, Tls};

mod implicit;
pub(crate) mod sections;

/// What `kreg init` writes: every key, commented out at its default.
pub(crate) const TEMPLATE: &str = include_str!("kreg.toml");

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) registry: Registry,
    pub(crate) storage: Storage,
    pub(crate) auth: Auth,
    pub(crate) tls: Tls,
    pub(crate) cluster: Cluster,
    pub(crate) nodes: Nodes,
    /// Whether it is a `./kreg.toml` that nobody named: what it says is not what the operator said.
    #[serde(skip)]
    pub(crate) implicit: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Cluster {
    pub(crate) kubeconfig: Option<PathBuf>,
    pub(crate) context: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Nodes {
    pub(crate) backend: Option<Backend>,
    pub(crate) skip: Vec<String>,
    pub(crate) parallel: Option<usize>,
    /// Key of a taint; see [`crate::startup_taint`].
    pub(crate) startup_taint: Option<String>,
    pub(crate) ssh: Ssh,
}

impl Config {
    /// Reads the file that `--config` names; without it `./kreg.toml`, if there is one and nobody
    /// else can change it, and says so.
    pub(crate) fn load(named: Option<&Path>, progress: &Progress) -> Result<Self, Error> {
        let Some(path) = named else {
            let Some(text) = implicit::read()? else {
                return Ok(Self::default());
            };
            let mut config = Self::of_file(Path::new(implicit::FILE), &text)?;
            config.implicit = true;
            implicit::only_harmless(&text)?;
            progress.note(format!("the settings are those of {}", implicit::FILE));
            return Ok(config);
        };
        let text = std::fs::read_to_string(path).map_err(|cause| {
            Error::usage(format!(
                "cannot read the configuration file {}",
                path.display()
            ))
            .because(&cause)
            .help("name an existing file with --config, or write one with `kreg init`")
        })?;
        Self::of_file(path, &text)
    }

    fn of_file(path: &Path, text: &str) -> Result<Self, Error> {
        let mut config = Self::parse(text).map_err(|cause| {
            Error::usage(format!(
                "the configuration file {} is not valid",
                path.display()
            ))
            .because(&cause)
            .help("`kreg init -` prints every key that kreg knows, with its meaning")
        })?;
        config.resolve(path.parent().unwrap_or(Path::new("")));
        Ok(config)
    }

    pub(crate) fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// Relative paths in the file are relative to the file, not to the caller.
    fn resolve(&mut self, base: &Path) {
        for path in [
            &mut self.storage.s3.ca_file,
            &mut self.storage.s3.credentials_file,
            &mut self.auth.password_file,
            &mut self.tls.ca_key,
            &mut self.tls.cert,
            &mut self.tls.key,
            &mut self.tls.ca,
            &mut self.cluster.kubeconfig,
            &mut self.nodes.ssh.identity,
            &mut self.nodes.ssh.known_hosts,
            &mut self.nodes.ssh.passphrase_file,
        ]
        .into_iter()
        .flatten()
        {
            *path = base.join(&*path);
        }
        // `none` is a word, not a file.
        if let Some(file) = &mut self.nodes.ssh.config
            && file.as_os_str() != "none"
        {
            *file = base.join(&*file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The template is the documentation: each key, uncommented, must be one that kreg reads.
    #[test]
    fn every_key_of_the_template_is_known() {
        let uncommented: String = TEMPLATE
            .lines()
            .map(|line| {
                line.strip_prefix("#")
                    .filter(|rest| !rest.starts_with(' '))
                    .unwrap_or(line)
            })
            .map(|line| format!("{line}\n"))
            .collect();
        assert!(Config::parse(TEMPLATE).is_ok());
        let config = Config::parse(&uncommented).expect("template, uncommented");
        assert_eq!(config.registry.port, Some(5000));
        assert_eq!(config.nodes.ssh.port, Some(22));
    }

    #[test]
    fn a_misspelt_key_is_named() {
        let error = Config::parse("[registry]\nprot = 5000\n").expect_err("unknown key");
        assert!(error.to_string().contains("prot"), "{error}");
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let mut config = Config::parse("[tls]\nca_key = \"keys/ca.key\"\n").expect("valid");
        config.resolve(Path::new("/etc/kreg"));
        assert_eq!(
            config.tls.ca_key,
            Some(PathBuf::from("/etc/kreg/keys/ca.key"))
        );
    }
}
