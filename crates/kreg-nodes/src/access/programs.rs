//! The programs that nodes run to trust a registry, for a person who reads them or runs them.

use crate::{NodeProgram, PlanOutcome, Receipt};

/// What each node must run to trust a registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Programs {
    /// Each program, and the names of the nodes that need it.
    pub programs: Vec<(String, Vec<String>)>,
    /// Nodes that have no program, and why.
    pub refused: Vec<Receipt>,
}

impl Programs {
    /// The programs that put these plans in place. Equal ones stand once.
    #[must_use]
    pub fn of(plans: impl IntoIterator<Item = PlanOutcome>) -> Programs {
        let mut all = Programs::default();
        for outcome in plans {
            let plan = match outcome.result {
                Ok(plan) => plan,
                Err(receipt) => {
                    all.refused.push(*receipt);
                    continue;
                }
            };
            let apply = NodeProgram::apply(&plan).script().to_owned();
            // Each ends the shell that runs it.
            let program = match NodeProgram::restart(&plan) {
                Some(restart) => format!("(\n{}\n) && (\n{apply}\n)", restart.script()),
                None => apply,
            };
            let name = outcome.node.name;
            match all.programs.iter_mut().find(|(text, _)| *text == program) {
                Some((_, names)) => names.push(name),
                None => all.programs.push((program, vec![name])),
            }
        }
        all
    }

    /// For each node that has no program, what to set there by its system's own means, if that is known: as a comment for
    /// a shell.
    pub fn remarks(&self) -> impl Iterator<Item = String> {
        self.refused.iter().filter_map(|receipt| {
            let lines = receipt.snippet.as_ref()?.lines();
            let lines: String = lines.map(|line| format!("\n#   {line}")).collect();
            let node = &receipt.node;
            Some(format!("# for {node}, to be set by its own means:{lines}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fleet, LocalRoot, Node, State, Trust};

    const CA: &str = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n";

    #[test]
    fn nodes_with_the_same_program_share_it_and_those_without_say_why() {
        let plans = |host: &str, config: Option<&str>, names: &[&str]| {
            let dir = tempfile::tempdir().unwrap();
            if let Some(config) = config {
                let etc = dir.path().join("etc/containerd");
                std::fs::create_dir_all(&etc).unwrap();
                std::fs::write(etc.join("config.toml"), config).unwrap();
            }
            let instance = crate::InstanceId::new("docker-registry").unwrap();
            let trust = Trust::new(instance, host.parse().unwrap(), CA)
                .unwrap()
                .with_endpoint("10.96.0.50".parse().unwrap());
            let nodes: Vec<_> = names.iter().map(|name| Node::new(*name, "")).collect();
            Fleet::new(&LocalRoot::new(dir.path())).plan(&nodes, &trust)
        };
        let config = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\n\
                      config_path = \"/etc/containerd/certs.d\"\n";
        let mut all = plans("a:5000", Some(config), &["n1", "n2"]);
        all.extend(plans("b:5000", Some(config), &["n3"]));
        all.extend(plans("a:5000", None, &["n4"]));
        let programs = Programs::of(all);
        let names: Vec<_> = programs.programs.iter().map(|(_, names)| names).collect();
        assert_eq!(names, [&vec!["n1", "n2"], &vec!["n3"]]);
        assert!(programs.programs[0].0.starts_with("#!/bin/sh"));
        assert_eq!(programs.refused.len(), 1);
        assert_eq!(programs.refused[0].node, "n4");
        assert_eq!(programs.remarks().count(), 0);
    }

    #[test]
    fn what_is_to_be_set_by_hand_is_a_comment_for_a_shell() {
        let mut programs = Programs::default();
        let mut receipt = Receipt::new(&Node::new("n1", ""), State::Refused);
        receipt.snippet = Some("a = 1\nb = 2".to_owned());
        programs.refused.push(receipt);
        assert_eq!(
            programs.remarks().collect::<Vec<_>>(),
            ["# for n1, to be set by its own means:\n#   a = 1\n#   b = 2"]
        );
    }
}
