//! Which cluster, as whom, and which way: what kubectl makes of the same kubeconfig and environment.
//!
//! `docs/kubectl.md` compares kreg's answers with kubectl's.

mod plugin;
pub(crate) mod proxy;

use std::{
    ffi::OsString,
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
    time::Duration,
};

use kube::{
    Config,
    config::{AuthInfo, KubeConfigOptions, Kubeconfig, KubeconfigError},
};

use crate::error::Error;
use proxy::{Environment, Proxy};

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Which cluster to speak to, and as whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connection {
    /// A kubeconfig file; `None` takes the files of `$KUBECONFIG`, or else `~/.kube/config`, or else the service account
    /// of the Pod that this runs in.
    pub kubeconfig: Option<PathBuf>,
    /// A context of that file; `None` takes its current context.
    pub context: Option<String>,
    /// The user to act as, instead of the kubeconfig's `as`.
    pub as_user: Option<String>,
    /// The groups to act as, instead of the kubeconfig's `as-groups`; they need a user.
    pub as_groups: Vec<String>,
    /// The longest time for one request with all its tries; `None` leaves it to [`Retry`](crate::Retry).
    pub limit: Option<Duration>,
}

/// What a connection is made of.
pub(crate) struct Prepared {
    pub(crate) config: Config,
    /// The server and the way to it, for messages.
    pub(crate) server: String,
}

impl Connection {
    /// Reads files and environment, and decides; nothing is sent and no program is run yet.
    pub(crate) async fn prepare(&self) -> Result<Prepared, Error> {
        let failed = |source: Source| Error::Kubeconfig {
            tried: self.tried(),
            source,
        };
        let (mut config, from_file) = match self.read().map_err(failed)? {
            Found::File(file) => self.of_file(*file).await.map_err(failed)?,
            Found::Nothing(missing) => {
                let config = Config::incluster().map_err(|_| failed(missing.into()))?;
                (config, None)
            }
        };
        self.act_as(&mut config.auth_info)
            .map_err(Error::Unusable)?;
        if let Some(exec) = &mut config.auth_info.exec {
            plugin::check(exec, io::stdin().is_terminal()).map_err(Error::Unusable)?;
        }
        let environment = Environment::read(|name| std::env::var(name).ok());
        let proxy = proxy::choose(from_file.as_deref(), &environment, &config.cluster_url)
            .map_err(Error::Unusable)?;
        let server = match &proxy {
            Some(proxy) => format!("{} by way of {proxy}", root(&config)),
            None => root(&config),
        };
        config.proxy_url = proxy.map(Proxy::into_url);
        Ok(Prepared { config, server })
    }

    /// The error of a client that could not be made.
    pub(crate) fn unusable(&self, config: &Config, error: kube::Error) -> Error {
        match &config.auth_info.exec {
            Some(exec) if matches!(error, kube::Error::Auth(_)) => plugin::failed(exec, &error),
            _ => Error::Kubeconfig {
                tried: self.tried(),
                source: Box::new(error),
            },
        }
    }

    fn read(&self) -> Result<Found, Source> {
        // A file that is named must be there.
        if let Some(path) = &self.kubeconfig {
            return Ok(Found::File(Box::new(Kubeconfig::read_from(path)?)));
        }
        let files = files(
            std::env::var_os("KUBECONFIG"),
            std::env::home_dir().as_deref(),
        );
        merged(&files)
    }

    /// The configuration, and the kubeconfig's own proxy.
    async fn of_file(&self, mut file: Kubeconfig) -> Result<(Config, Option<String>), Source> {
        let context = self.context.as_ref().or(file.current_context.as_ref());
        let cluster = file
            .contexts
            .iter()
            .find(|named| Some(&named.name) == context)
            .and_then(|named| named.context.as_ref())
            .map(|context| context.cluster.clone());
        let cluster = file
            .clusters
            .iter_mut()
            .find(|named| Some(&named.name) == cluster.as_ref())
            .and_then(|named| named.cluster.as_mut());
        // kube 5.0 holds NO_PROXY against the proxy's own URL (config/file_loader.rs). With a `proxy-url` it reads no
        // environment, and what it makes of that is replaced.
        let proxy = cluster
            .and_then(|cluster| cluster.proxy_url.replace("http://unused".to_owned()))
            .filter(|proxy| !proxy.is_empty());
        let options = KubeConfigOptions {
            context: self.context.clone(),
            ..KubeConfigOptions::default()
        };
        let mut config = Config::from_custom_kubeconfig(file, &options).await?;
        // What a program for credentials reads about the cluster.
        if let Some(about) = config
            .auth_info
            .exec
            .as_mut()
            .and_then(|exec| exec.cluster.as_mut())
        {
            about.proxy_url.clone_from(&proxy);
        }
        Ok((config, proxy))
    }

    /// As kubectl: each of the two replaces the kubeconfig's, and groups without a user are refused.
    fn act_as(&self, auth: &mut AuthInfo) -> Result<(), String> {
        if let Some(user) = &self.as_user {
            auth.impersonate = Some(user.clone());
        }
        if !self.as_groups.is_empty() {
            auth.impersonate_groups = Some(self.as_groups.clone());
        }
        let others = auth
            .impersonate_groups
            .as_ref()
            .is_some_and(|all| !all.is_empty())
            || auth
                .impersonate_uid
                .as_ref()
                .is_some_and(|uid| !uid.is_empty())
            || auth
                .impersonate_user_extra
                .as_ref()
                .is_some_and(|all| !all.is_empty());
        match auth
            .impersonate
            .as_ref()
            .is_some_and(|user| !user.is_empty())
        {
            false if others => Err("there are groups, a uid or extra fields to act as, but no user; say which user to act as, \
                 and the groups are added".to_owned()),
            _ => Ok(()),
        }
    }

    fn tried(&self) -> String {
        match (&self.kubeconfig, &self.context) {
            (Some(path), Some(context)) => format!("context {context:?} of {}", path.display()),
            (Some(path), None) => path.display().to_string(),
            (None, Some(context)) => {
                format!("context {context:?} of $KUBECONFIG or ~/.kube/config")
            }
            (None, None) => {
                "$KUBECONFIG, ~/.kube/config, and the service account of a Pod".to_owned()
            }
        }
    }
}

/// `https://10.0.0.1:6443`
fn root(config: &Config) -> String {
    let url = config.cluster_url.to_string();
    url.trim_end_matches('/').to_owned()
}

enum Found {
    File(Box<Kubeconfig>),
    /// And why.
    Nothing(String),
}

/// Source: client-go, `tools/clientcmd/loader.go`, `NewDefaultClientConfigLoadingRules`.
fn files(variable: Option<OsString>, home: Option<&Path>) -> Vec<PathBuf> {
    let Some(list) = variable.filter(|list| !list.is_empty()) else {
        return home
            .map(|home| home.join(".kube/config"))
            .into_iter()
            .collect();
    };
    let mut files = Vec::new();
    for file in std::env::split_paths(&list) {
        if !file.as_os_str().is_empty() && !files.contains(&file) {
            files.push(file);
        }
    }
    files
}

/// All files as one; those that are not there are skipped.
/// Source: client-go, `tools/clientcmd/loader.go`, `Load`.
fn merged(files: &[PathBuf]) -> Result<Found, Source> {
    let mut all = Kubeconfig::default();
    for file in files {
        match Kubeconfig::read_from(file) {
            Ok(next) => all = all.merge(next)?,
            Err(KubeconfigError::ReadConfig(error, _))
                if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(
                    format!("cannot use the kubeconfig {}: {error}", file.display()).into(),
                );
            }
        }
    }
    if all.clusters.is_empty() && all.contexts.is_empty() && all.auth_infos.is_empty() {
        let names: Vec<_> = files
            .iter()
            .map(|file| file.display().to_string())
            .collect();
        return Ok(Found::Nothing(match names.is_empty() {
            true => "no file is named, and there is no home directory".to_owned(),
            false => format!("not there, or empty: {}", names.join(", ")),
        }));
    }
    Ok(Found::File(Box::new(all)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(list: &str) -> Vec<PathBuf> {
        files(Some(list.into()), Some(Path::new("/home/jane")))
    }

    #[test]
    fn the_list_replaces_the_default_and_names_each_file_once() {
        assert_eq!(paths("/a::/b:/a"), [Path::new("/a"), Path::new("/b")]);
        assert_eq!(paths(""), [Path::new("/home/jane/.kube/config")]);
        assert!(paths(":").is_empty());
        assert!(files(None, None).is_empty());
    }

    #[test]
    fn files_that_are_not_there_are_skipped_and_broken_ones_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let absent = folder.path().join("absent");
        let good = file(
            "good",
            "clusters: [{name: c, cluster: {server: 'https://c'}}]",
        );
        let broken = file("broken", "clusters: [");
        let Found::File(all) = merged(&[absent.clone(), good]).unwrap() else {
            panic!("the second file is there");
        };
        assert_eq!(all.clusters[0].name, "c");
        let Found::Nothing(why) = merged(std::slice::from_ref(&absent)).unwrap() else {
            panic!("no file is there");
        };
        assert!(why.contains(absent.to_str().unwrap()), "{why}");
        let error = merged(&[absent, broken.clone()]).err().unwrap().to_string();
        assert!(error.contains(broken.to_str().unwrap()), "{error}");
    }

    #[tokio::test]
    async fn a_program_for_credentials_reads_the_kubeconfigs_own_proxy() {
        let read = async |proxy: &str| {
            let file = format!(
                "clusters: [{{name: c, cluster: {{server: 'https://c'{proxy}}}}}]\n\
                 users: [{{name: u, user: {{exec: {{command: aws, provideClusterInfo: true}}}}}}]\n\
                 contexts: [{{name: x, context: {{cluster: c, user: u}}}}]\ncurrent-context: x\n"
            );
            let file = Kubeconfig::from_yaml(&file).unwrap();
            let (config, own) = Connection::default().of_file(file).await.unwrap();
            let read = config.auth_info.exec.unwrap().cluster.unwrap().proxy_url;
            assert_eq!(read, own);
            read
        };
        assert_eq!(read("").await, None);
        assert_eq!(read(", proxy-url: ''").await, None);
        let proxy = read(", proxy-url: 'http://p:1'").await;
        assert_eq!(proxy.as_deref(), Some("http://p:1"));
    }

    #[test]
    fn a_user_and_groups_to_act_as_replace_those_of_the_file() {
        let act = |user: Option<&str>, groups: &[&str], file: &str| {
            let connection = Connection {
                as_user: user.map(str::to_owned),
                as_groups: groups.iter().map(|&group| group.to_owned()).collect(),
                ..Connection::default()
            };
            let mut auth: AuthInfo = serde_saphyr::from_str(file).unwrap();
            connection.act_as(&mut auth).map(|()| {
                let groups = auth.impersonate_groups.unwrap_or_default().join(",");
                format!("{}/{groups}", auth.impersonate.unwrap_or_default())
            })
        };
        let file = "{as: file, as-groups: [f]}";
        assert_eq!(act(None, &[], file).unwrap(), "file/f");
        assert_eq!(act(Some("jane"), &[], file).unwrap(), "jane/f");
        assert_eq!(act(None, &["a", "b"], file).unwrap(), "file/a,b");
        assert_eq!(act(Some("jane"), &["a"], "{}").unwrap(), "jane/a");
        assert!(act(None, &["a"], "{}").is_err());
        assert!(act(None, &[], "{as-uid: '7'}").is_err());
    }
}
