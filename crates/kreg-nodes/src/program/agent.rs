//! The program that decides on the node itself, and what runs it in a loop.

use super::{ANSWER, APPLY, FILES, JOURNAL, LOCK, NodeProgram, PUT, TAKE_BACK, head, quote};
use crate::containerd::{candidates, hosts_toml};
use crate::hosts_file::Block;
use crate::plan::{keeper, system};
use crate::{NameMode, Trust};

const TOML: &str = include_str!("toml.sh");
const SYSTEM: &str = include_str!("system.sh");
const DOCKER: &str = include_str!("docker.sh");
const CONTAINERD: &str = include_str!("containerd.sh");
const DECIDE: &str = include_str!("decide.sh");
const RUNTIME: &str = include_str!("runtime.sh");
const WATCH: &str = include_str!("agent.sh");
const RUN: &str = include_str!("run.sh");

impl NodeProgram {
    /// Brings a node to `trust` with nobody there to plan: the script reads what
    /// [`crate::NodePlan::decide`] is told by facts, decides as that does, and then works as
    /// [`NodeProgram::apply`] does. What it is not sure of it refuses, with the reason in its answer
    /// (state [`crate::State::Refused`]), and writes nothing.
    ///
    /// One program for every node of a cluster, those that join later too. In its environment it
    /// takes `KREG_RUNTIME` (such as `containerd 1.7`: what the cluster says of the node, where its
    /// processes are not seen), `KREG_TREES` (the only trees of the node that are in sight), and
    /// `KREG_WATCH` (a file to write the paths to that the decision hangs on).
    #[must_use]
    pub fn agent(trust: &Trust) -> NodeProgram {
        let title = format!("trust {} on this node, if it is fit", trust.host());
        let head = head("agent", trust.instance(), &title);
        let own = trust.host().to_string();
        let hiding: Vec<String> = candidates(trust.host())
            .into_iter()
            .take_while(|name| *name != own)
            .collect();
        let yes = |yes: bool| if yes { "yes" } else { "''" };
        let block = trust
            .endpoint()
            .map(|address| Block::new(trust.instance(), address, trust.host().name()).text());
        let wishes = format!(
            "own={}\nhiding={}\naddress={}\nby_name={}\nname_is_address={}\ndocker_certs_d={}\nadopt={}\nmarks={}\n\
             other_containerds={}\n",
            quote(&own),
            quote(&hiding.join(" ")),
            quote(
                &trust
                    .endpoint()
                    .map(|ip| ip.to_string())
                    .unwrap_or_default()
            ),
            yes(trust.names() == NameMode::HostsFile),
            yes(trust.host().ip().is_some()),
            yes(trust.docker_certs_d()),
            if trust.adopt() { "yes" } else { "no" },
            quote(&system::MARKS.join(" ")),
            quote(&keeper::MARKS.map(|(path, _)| path).join(" ")),
        );
        let contents = [
            ("content_ca", trust.ca_pem()),
            ("content_toml", &hosts_toml(trust)),
            ("content_hosts", &block.unwrap_or_default()),
        ]
        .map(|(name, content)| quote::printer(name, content))
        .concat();
        NodeProgram {
            script: format!(
                "{head}{wishes}\n{ANSWER}\n{LOCK}\n{FILES}\n{TAKE_BACK}\n{JOURNAL}\n{PUT}\n{APPLY}\n# --- What to put in place \
                 -----------------------------------------------------------------\n\n\
                 {contents}\n{TOML}\n{SYSTEM}\n{DOCKER}\n{CONTAINERD}\n{DECIDE}"
            ),
        }
    }

    /// Runs the program `check.sh` beside it again and again: at once when a file that its decision
    /// hangs on was touched, and every ten minutes. Between these it costs one `stat` every two
    /// seconds. For the inside of a Pod.
    #[must_use]
    pub fn watch() -> NodeProgram {
        NodeProgram {
            script: format!("#!/bin/sh\n{RUNTIME}\n{WATCH}"),
        }
    }

    /// Runs a script that comes on standard input: `$1` bytes of it, for `$2` seconds at most. For
    /// the inside of a Pod.
    #[must_use]
    pub fn receive() -> NodeProgram {
        NodeProgram {
            script: format!("#!/bin/sh\n{RUNTIME}\n{RUN}"),
        }
    }
}
