//! One node: what it holds, compared with what it must hold, and what runs there.

use std::collections::BTreeMap;

use kreg_nodes::containerd::ContainerdConfig;
use kreg_nodes::docker::CONFIG_FILE;
use kreg_nodes::hosts_file::{HOSTS, other_addresses};
use kreg_nodes::{
    Node, NodeAccess, NodeFacts, NodePlan, Reach, Receipt, Refusal, RunningRuntime, State, Trust,
};
use kreg_verify::doctor::{Contact, NodeFile, NodeRefusal, NodeSeen, Route, RuntimeSeen};

/// What a node holds against what it should.
pub(super) fn held(
    nodes: &dyn NodeAccess,
    node: &Node,
    facts: &NodeFacts,
    trust: &Trust,
    seen: &mut NodeSeen,
) {
    seen.contact = Contact::Entered;
    seen.journal = !facts.journal(trust.instance()).is_empty();
    match NodePlan::decide(facts, trust) {
        Ok(plan) => {
            let text = |path: &str| {
                let content = facts.content(path)?;
                Some(String::from_utf8_lossy(content).into_owned())
            };
            let files = plan.edits().iter().map(|edit| NodeFile {
                path: edit.path().to_owned(),
                wanted: edit.after().to_owned(),
                now: text(edit.path()),
            });
            seen.files = files.collect();
        }
        Err(refused) => {
            let refusals = refused.0.into_iter().map(|one| refusal(nodes, node, one));
            seen.refusals = refusals.collect();
        }
    }
    if let (Some(file), Some(address)) = (facts.content(HOSTS), trust.endpoint()) {
        seen.other_addresses = other_addresses(file, trust.host().name(), address);
    }
    // Of which kind it is, the API server knows.
    let runtime = match seen.kubelet_runtime.split("://").next() {
        Some("docker") => None,
        Some("cri-o") => facts.kubelet_runtime().filter(|name| *name == "crio"),
        _ => facts.kubelet_runtime().filter(|name| *name != "crio"),
    };
    let program = runtime.and_then(|name| facts.program(name));
    seen.kubelet_unit = program.and_then(|one| one.unit.clone());
    let started = program
        .filter(|_| runtime == Some("containerd"))
        .and_then(|one| one.started);
    if let (Some(started), Ok(config)) = (started, ContainerdConfig::of(facts)) {
        // A second's grace: both times are rounded.
        seen.config_not_loaded = config.modified > started + 1;
    }
}

fn refusal(nodes: &dyn NodeAccess, node: &Node, one: Refusal) -> NodeRefusal {
    let kind = serde_json::to_value(one.kind).unwrap_or_default();
    let mut receipt = Receipt::new(node, State::Refused);
    receipt.remedy = Some(one.remedy);
    receipt.advice = one.advice;
    NodeRefusal {
        kind: kind.as_str().unwrap_or_default().to_owned(),
        reason: one.reason,
        remedy: nodes.worded(receipt).remedy.unwrap_or_default(),
    }
}

/// A runtime with the proxies that hold for it. Docker's own file stands above its environment.
pub(super) fn running(
    runtime: &RunningRuntime,
    docker: Option<&BTreeMap<String, String>>,
) -> RuntimeSeen {
    let docker = docker.filter(|file| runtime.name == "dockerd" && !file.is_empty());
    let mut proxy = runtime.environment.clone();
    for (variable, value) in docker.into_iter().flatten() {
        proxy.insert(variable.clone(), value.clone());
        proxy.insert(variable.to_lowercase(), value.clone());
    }
    RuntimeSeen {
        name: runtime.name.clone(),
        unit: runtime.unit.clone(),
        proxy,
        proxy_file: docker.map(|_| CONFIG_FILE.to_owned()),
        // containerd is led to the address by its hosts.toml; Docker and CRI-O ask for the name.
        by_name: runtime.name != "containerd",
    }
}

pub(super) fn route(route: Reach) -> Option<Route> {
    match route {
        Reach::Open => Some(Route::Open),
        Reach::Refused => Some(Route::Refused),
        Reach::Silent => Some(Route::Silent),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use kreg_nodes::{Advice, LocalRoot, NodeTransport, RefusalKind, Worded};

    use super::*;

    /// A tree, reached in no way of its own.
    struct Tree(LocalRoot);

    impl NodeAccess for Tree {
        fn name(&self) -> &'static str {
            "tree"
        }
        fn nodes(&self) -> &[Node] {
            &[]
        }
        fn transport(&self) -> &dyn NodeTransport {
            &self.0
        }
    }

    #[test]
    fn a_refusal_has_the_word_that_rules_know_and_the_words_of_the_program() {
        let tree = tempfile::tempdir().unwrap();
        let tree = Box::new(Tree(LocalRoot::new(tree.path())));
        // Its program calls every setting `--it`.
        let nodes = Worded::new(tree, |remedy, _| format!("{remedy}: --it"));
        let refused = |kind: RefusalKind, advice: Option<Advice>| {
            let json = serde_json::json!({
                "kind": kind, "reason": "why", "remedy": "do it", "advice": advice,
            });
            let one = serde_json::from_value(json).unwrap();
            refusal(&nodes, &Node::new("w1", "192.0.2.1"), one)
        };
        let one = refused(RefusalKind::NoConfigPath, None);
        assert_eq!((&*one.kind, &*one.remedy), ("no-config-path", "do it"));
        let one = refused(RefusalKind::Foreign, Some(Advice::Adopt));
        assert_eq!((&*one.kind, &*one.remedy), ("foreign", "do it: --it"));
    }

    #[test]
    fn dockers_own_file_stands_above_its_environment() {
        let pairs = |value: &str| BTreeMap::from([("HTTPS_PROXY".to_owned(), value.to_owned())]);
        let runtime = |name: &str| {
            let mut runtime = RunningRuntime::default();
            runtime.name = name.to_owned();
            runtime.environment = pairs("environment");
            runtime
        };
        let file = pairs("file");
        let seen = running(&runtime("dockerd"), Some(&file));
        assert_eq!(seen.proxy["HTTPS_PROXY"], "file");
        assert_eq!(seen.proxy["https_proxy"], "file");
        assert_eq!(seen.proxy_file.as_deref(), Some(CONFIG_FILE));
        let seen = running(&runtime("containerd"), Some(&file));
        assert_eq!(seen.proxy["HTTPS_PROXY"], "environment");
        assert!(seen.proxy_file.is_none() && !seen.by_name);
    }
}
