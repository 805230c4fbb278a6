//! What a probe asks for.

use std::collections::BTreeSet;

use kreg_auth::RegistryHost;

use super::PROCESS;
use super::quote::{quote, quote_glob};
use crate::containerd;
use crate::containerd::{BUILT_IN_CONFIG_PATH, CONFIG_FILE, candidates, roots};
use crate::containers::Places;
use crate::facts::KUBEADM_FLAGS;
use crate::hosts_file::HOSTS;
use crate::instance::JOURNALS;
use crate::plan::{keeper, system, writes};
use crate::rancher::Rancher;
use crate::{InstanceId, Trust, containers, docker};

const PROBE: &str = include_str!("probe.sh");
const RUNTIMES: &str = include_str!("runtimes.sh");

/// What a probe asks a node for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeRequest {
    instance: InstanceId,
    host: RegistryHost,
    more: BTreeSet<String>,
    logins: BTreeSet<String>,
}

impl ProbeRequest {
    /// Everything that [`crate::NodePlan::decide`] needs, where containerd looks in its usual
    /// places.
    #[must_use]
    pub fn new(trust: &Trust) -> ProbeRequest {
        ProbeRequest {
            instance: trust.instance().clone(),
            host: trust.host().clone(),
            more: BTreeSet::new(),
            logins: BTreeSet::new(),
        }
    }

    /// Further roots of `config_path`, files and patterns, as
    /// [`crate::containerd::ContainerdConfig::unseen`] names them.
    #[must_use]
    pub fn with(mut self, paths: impl IntoIterator<Item = String>) -> ProbeRequest {
        self.more.extend(paths);
        self
    }

    /// Further files that may hold credentials for the registry. Whether they do is all that is read
    /// of them: see [`crate::NodeFacts::logins`].
    #[must_use]
    pub fn with_logins(mut self, paths: impl IntoIterator<Item = String>) -> ProbeRequest {
        self.logins.extend(paths);
        self
    }

    pub(super) fn render(&self) -> String {
        let usual = [
            "/etc/os-release",
            HOSTS,
            CONFIG_FILE,
            "/etc/containerd/conf.d/*.toml",
            "/etc/containerd/config.d/*.toml",
            docker::CONFIG_FILE,
            KUBEADM_FLAGS,
        ];
        let places = Places::usual();
        let of_places = places.paths();
        let marks = system::MARKS
            .into_iter()
            .chain(keeper::MARKS.map(|(path, _)| path))
            .chain(of_places.iter().map(String::as_str));
        let paths = usual.into_iter().chain(marks);
        let mut looks: String = paths.map(|path| look(path, "look")).collect();
        for rancher in Rancher::ALL {
            looks += &look(&rancher.registries_yaml(), "look");
            looks += &look(&rancher.containerd_config(), "look");
        }
        let rancher_roots = Rancher::ALL.map(Rancher::certs_d);
        for certs_d in [containers::CERTS_D, &places.home_certs_d()] {
            looks += &look(&format!("{certs_d}/{}", self.host), "look_in");
        }
        looks += &format!("  writable {}\n", quote(containers::CERTS_D));
        // Those of a node that says nothing, so that most need no second look.
        let mut own = roots(BUILT_IN_CONFIG_PATH);
        own.extend(containerd::places(BUILT_IN_CONFIG_PATH).into_iter().skip(1));
        let roots: Vec<&str> = own
            .iter()
            .map(String::as_str)
            .chain(rancher_roots.iter().map(String::as_str))
            .chain(self.more.iter().map(String::as_str))
            .collect();
        // The directories in /etc itself that a plan may write below.
        let certs = [docker::CERTS_D, containers::CERTS_D];
        let tops = roots
            .iter()
            .chain(&certs)
            .filter_map(|dir| writes::top(dir));
        let tops: BTreeSet<&str> = tops
            .filter(|(_, direct)| !direct)
            .map(|(top, _)| top)
            .collect();
        looks.extend(tops.into_iter().map(|top| look(top, "look")));
        for root in roots {
            looks += &look(root, "look");
            if root.contains('*') {
                continue;
            }
            looks += &look(&format!("{root}/_backup"), "look");
            for name in candidates(&self.host) {
                looks += &look(&format!("{root}/{name}"), "look_in");
            }
            looks += &format!("  writable {}\n", quote(&format!("{root}/{}", self.host)));
        }
        for login in places.logins().iter().chain(&self.logins) {
            looks += &look(login, "login");
        }
        looks += &look(&format!("{}/[0-9]*/", self.instance.journal()), "journal");
        looks += &format!("  writable /etc\n  writable {JOURNALS}\n");
        format!(
            "#!/bin/sh\n# kreg {}: read facts from this node.\nregistry={}\n{PROBE}\n{PROCESS}\n{RUNTIMES}\nlook_at_paths() {{\n{looks}}}\n\n\
             probe </dev/null\n",
            env!("CARGO_PKG_VERSION"),
            quote(&self.host.to_string())
        )
    }
}

fn look(path: &str, how: &str) -> String {
    match how {
        "journal" => {
            let folder = path.trim_end_matches("[0-9]*/");
            format!(
                "  look {0}\n  look {1}\n  for found in \"$root\"{0}[0-9]*; do\n    \
                 look \"${{found#\"$root\"}}/entry\"\n    look \"${{found#\"$root\"}}/after\"\n  done\n",
                quote(folder),
                quote(&format!("{folder}id")),
            )
        }
        _ if path.contains('*') => format!(
            "  printf 'asked %s\\n' {0}\n  for found in \"$root\"{1}; do\n    \
             look \"${{found#\"$root\"}}\"\n  done\n",
            quote(path),
            quote_glob(path)
        ),
        _ => format!("  printf 'asked %s\\n' {0}\n  {how} {0}\n", quote(path)),
    }
}
