//! Which runtime the kubelet uses.

use serde::Deserialize;

use super::NodeFacts;

/// Where containerd listens unless it is told otherwise, and where a kubelet looks that is told
/// nothing (kubelet.config.k8s.io/v1beta1, `containerRuntimeEndpoint`).
pub(crate) const DEFAULT_SOCKET: &str = "/run/containerd/containerd.sock";
/// The kubelet's arguments on a node that kubeadm set up (kubeadm `phases/kubelet/flags.go`).
pub(crate) const KUBEADM_FLAGS: &str = "/var/lib/kubelet/kubeadm-flags.env";
const FLAG: &str = "--container-runtime-endpoint=";
/// containerd's own plugin from schema 4 on, which the socket is set in.
const SERVER_V4: &str = "io.containerd.server.v1.grpc";

impl NodeFacts {
    /// The socket of the runtime that the kubelet uses, as a path: its argument, or that of k3s or
    /// RKE2; else what its configuration says, or containerd's own where that says nothing; else, where
    /// no kubelet runs, kubeadm's arguments for it. None if none of these was seen.
    #[must_use]
    pub fn kubelet_socket(&self) -> Option<String> {
        // k3s and RKE2 have a kubelet in them, and kubeadm's file is of an earlier cluster then.
        let kubelets = ["kubelet", "k3s-server", "k3s-agent", "rke2"];
        let runs = kubelets.into_iter().any(|name| self.runs(name));
        let given = self.runtime_endpoint.as_deref().map(path_of);
        given
            .or_else(|| self.configured_socket())
            .or_else(|| match runs {
                true => self.is_told_nothing().then(|| DEFAULT_SOCKET.to_owned()),
                false => self.kubeadm_socket(),
            })
    }

    /// Whether a kubelet runs whose configuration is seen as a whole: a file or none.
    fn is_told_nothing(&self) -> bool {
        self.program("kubelet").is_some_and(|kubelet| {
            let file = kubelet.config.as_deref();
            let seen = file.is_none_or(|file| self.content(file).is_some());
            kubelet.running && kubelet.drop_ins.is_none() && seen
        })
    }

    /// By the kubelet's configuration file and the files that override it.
    fn configured_socket(&self) -> Option<String> {
        let kubelet = self.program("kubelet")?;
        let mut files: Vec<&str> = kubelet.config.as_deref().into_iter().collect();
        if let Some(folder) = &kubelet.drop_ins {
            let folder = format!("{}/", folder.trim_end_matches('/'));
            let found = self.found.range(folder.clone()..).map(|(path, _)| path);
            files.extend(
                found
                    .take_while(|path| path.starts_with(&folder))
                    .map(String::as_str),
            );
        }
        let mut said = files.into_iter().filter_map(|file| {
            let text = std::str::from_utf8(self.content(file)?).ok()?;
            let read: Configuration = serde_saphyr::from_str(text).ok()?;
            read.endpoint.filter(|endpoint| !endpoint.is_empty())
        });
        said.next_back().as_deref().map(path_of)
    }

    fn kubeadm_socket(&self) -> Option<String> {
        let text = std::str::from_utf8(self.content(KUBEADM_FLAGS)?).ok()?;
        let (_, rest) = text.split_once(FLAG)?;
        let end = rest.find(|c: char| c.is_whitespace() || c == '"');
        Some(path_of(&rest[..end.unwrap_or(rest.len())]))
    }

    /// The runtime that the kubelet uses, as [`NodeFacts::programs`] names it: the one that runs and
    /// listens where the kubelet looks; where none does, the only one that runs.
    #[must_use]
    pub fn kubelet_runtime(&self) -> Option<&str> {
        let running = self.programs.iter().filter(|(_, program)| program.running);
        let runtimes: Vec<&str> = running
            .map(|(name, _)| name.as_str())
            .filter(|name| {
                let own = ["crio", "k3s-containerd", "rke2-containerd"].contains(name);
                own || is_containerd(name)
            })
            .collect();
        let socket = self.kubelet_socket();
        let mut listening = runtimes.iter().filter(|name| match &socket {
            Some(socket) if **name == "crio" => socket.contains("crio"),
            Some(socket) => self.listens_on(name) == *socket,
            // Without an endpoint, k3s and RKE2 use their own.
            None => name.ends_with("-containerd"),
        });
        match (listening.next(), listening.next(), &runtimes[..]) {
            (Some(one), None, _) | (None, _, [one]) => Some(one),
            _ => None,
        }
    }

    /// The socket that this containerd listens on: its argument, else its configuration file.
    pub(crate) fn listens_on(&self, containerd: &str) -> String {
        let program = self.program(containerd);
        let argument = program.and_then(|program| program.address.clone());
        let file = || {
            let file = program.and_then(|program| program.config.as_deref());
            let text = self.content(file.unwrap_or("/etc/containerd/config.toml"))?;
            let table: toml::Table = toml::from_str(std::str::from_utf8(text).ok()?).ok()?;
            socket_in(&table).map(str::to_owned)
        };
        let socket = argument.or_else(file);
        path_of(socket.as_deref().unwrap_or(DEFAULT_SOCKET))
    }

    /// Each containerd that runs and that neither k3s, RKE2 nor Docker started.
    pub(crate) fn containerds(&self) -> Vec<&str> {
        let named = self
            .programs
            .iter()
            .filter(|(_, program)| program.running)
            .map(|(name, _)| name.as_str());
        named.filter(|name| is_containerd(name)).collect()
    }

    /// Which of several is the kubelet's, if exactly one listens where the kubelet looks.
    pub(crate) fn kubelet_containerd(&self) -> Option<&str> {
        let socket = self.kubelet_socket();
        let socket = socket.as_deref().unwrap_or(DEFAULT_SOCKET);
        let mut those = self
            .containerds()
            .into_iter()
            .filter(|name| self.listens_on(name) == socket);
        match (those.next(), those.next()) {
            (Some(name), None) => Some(name),
            _ => None,
        }
    }

    /// Gives the name `containerd` to the one that the kubelet uses.
    pub(super) fn name_containerds(&mut self) {
        let name = self
            .kubelet_containerd()
            .filter(|name| *name != "containerd");
        let Some(name) = name.map(str::to_owned) else {
            return;
        };
        if let Some(chosen) = self.programs.remove(&name)
            && let Some(other) = self.programs.insert("containerd".to_owned(), chosen)
        {
            self.programs.insert(name, other);
        }
    }
}

/// Whether a program of this name among the facts is a containerd that neither k3s, RKE2 nor Docker
/// started.
fn is_containerd(name: &str) -> bool {
    name == "containerd" || name.starts_with("containerd.")
}

/// The socket that this file sets for containerd.
pub(crate) fn socket_in(config: &toml::Table) -> Option<&str> {
    let plugin = || config.get("plugins")?.get(SERVER_V4)?.get("address");
    let old = || config.get("grpc")?.get("address");
    let socket = plugin().or_else(old)?.as_str()?;
    (!socket.is_empty()).then_some(socket)
}

#[derive(Deserialize)]
struct Configuration {
    #[serde(rename = "containerRuntimeEndpoint")]
    endpoint: Option<String>,
}

/// `unix:///var/run/x.sock` and `/run/x.sock` are one socket: `/var/run` is a link to `/run`.
fn path_of(endpoint: &str) -> String {
    let path = endpoint.strip_prefix("unix:").unwrap_or(endpoint);
    let path = format!("/{}", path.trim_start_matches('/'));
    match path.strip_prefix("/var/run/") {
        Some(rest) => format!("/run/{rest}"),
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_socket_has_many_spellings() {
        for spelling in [
            "unix:///run/a/b.sock",
            "unix:///var/run/a/b.sock",
            "/run/a/b.sock",
            "unix:/run/a/b.sock",
        ] {
            assert_eq!(path_of(spelling), "/run/a/b.sock", "{spelling}");
        }
    }

    #[test]
    fn an_argument_wins_over_files_and_a_later_file_over_an_earlier_one() {
        let mut facts = NodeFacts::default();
        facts.put(
            KUBEADM_FLAGS,
            "KUBELET_KUBEADM_ARGS=\"--a=b --container-runtime-endpoint=unix:///run/flags.sock\"\n",
        );
        let now = |facts: &NodeFacts| facts.kubelet_socket().unwrap_or_default();
        assert_eq!(now(&facts), "/run/flags.sock");
        let k3s = facts.programs.entry("k3s-agent".to_owned()).or_default();
        k3s.running = true;
        assert_eq!(now(&facts), "", "kubeadm's file is of an earlier cluster");
        facts.programs.clear();
        let kubelet = facts.programs.entry("kubelet".to_owned()).or_default();
        kubelet.running = true;
        kubelet.config = Some("/c.yaml".to_owned());
        kubelet.drop_ins = Some("/d".to_owned());
        assert_eq!(now(&facts), "");
        facts.put(
            "/c.yaml",
            "kind: K\ncontainerRuntimeEndpoint: unix:///run/c.sock\nx: {y: [1]}\n",
        );
        assert_eq!(now(&facts), "/run/c.sock");
        facts.put("/d/1.conf", "containerRuntimeEndpoint: \"\"\n");
        facts.put(
            "/d/2.conf",
            "{\"containerRuntimeEndpoint\": \"/var/run/d.sock\"}\n",
        );
        assert_eq!(now(&facts), "/run/d.sock");
        facts.runtime_endpoint = Some("unix:///run/argument.sock".to_owned());
        assert_eq!(now(&facts), "/run/argument.sock");
    }

    #[test]
    fn the_kubelets_runtime_listens_where_it_looks_or_is_the_only_one() {
        let mut facts = NodeFacts::default();
        let now = |facts: &NodeFacts| facts.kubelet_runtime().map(str::to_owned);
        assert_eq!(now(&facts), None);
        let runs = |facts: &mut NodeFacts, name: &str, address: Option<&str>| {
            let program = facts.programs.entry(name.to_owned()).or_default();
            program.running = true;
            program.address = address.map(str::to_owned);
        };
        runs(&mut facts, "docker-containerd", None);
        assert_eq!(now(&facts), None);
        runs(&mut facts, "containerd", None);
        assert_eq!(now(&facts).as_deref(), Some("containerd"));
        runs(&mut facts, "k3s-containerd", Some("/run/k3s/c.sock"));
        assert_eq!(now(&facts).as_deref(), Some("k3s-containerd"));
        facts.runtime_endpoint = Some(DEFAULT_SOCKET.to_owned());
        assert_eq!(now(&facts).as_deref(), Some("containerd"));
        runs(&mut facts, "crio", None);
        facts.runtime_endpoint = Some("unix:///var/run/crio/crio.sock".to_owned());
        assert_eq!(now(&facts).as_deref(), Some("crio"));
        facts.runtime_endpoint = Some("/run/other.sock".to_owned());
        assert_eq!(now(&facts), None);
    }
}
