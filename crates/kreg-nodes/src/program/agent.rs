//! The program that decides on the node itself, and what runs it in a loop.

use std::time::Duration;

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
const ROUND: &str = include_str!("round.sh");
const READY: &str = include_str!("ready.sh");
const PULSE: &str = include_str!("pulse.sh");

/// How often an agent's readiness is asked for. A probe costs more than the agent itself, so it is not asked more often.
pub(crate) const PERIOD: Duration = Duration::from_secs(10);

/// The age of its last round from which on an agent counts as one that hangs: three periods.
pub(crate) const STALE: Duration = Duration::from_secs(3 * PERIOD.as_secs());

/// The longest that one round may take, so that one that is ended does not make the agent unready by its age; and the
/// longest that it waits in it for another program's lock.
const LONGEST_ROUND: Duration = Duration::from_secs(25);
const LOCK_WAIT: Duration = Duration::from_secs(15);

impl NodeProgram {
    /// Brings a node to `trust` with nobody there to plan: the script reads what
    /// [`crate::NodePlan::decide`] is told by facts, decides as that does, and then works as
    /// [`NodeProgram::apply`] does. What it is not sure of it refuses, with the reason in its answer
    /// (state [`crate::State::Refused`]), and writes nothing.
    ///
    /// One program for every node of a cluster, those that join later too. In its environment it
    /// takes `KREG_RUNTIME` (such as `containerd 1.7`: what the cluster says of the node, where its
    /// processes are not seen), `KREG_TREES` (the only trees of the node that are in sight),
    /// `KREG_WRITES` (the only trees that it may write), and `KREG_WATCH` (a file to write the paths to that the decision
    /// hangs on).
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

    /// Runs the program `check.sh` beside it again and again: at once when a file that its decision hangs on was touched,
    /// and every ten minutes. Between these it costs one `stat` every two seconds. A check that takes longer than 25 s is
    /// ended, where there is timeout(1). After each round it writes down the time. For the inside of a Pod.
    #[must_use]
    pub fn watch() -> NodeProgram {
        let (longest, lock_wait) = (LONGEST_ROUND.as_secs(), LOCK_WAIT.as_secs());
        NodeProgram {
            script: format!(
                "#!/bin/sh\nlongest=${{KREG_LONGEST-{longest}}}\nlock_wait={lock_wait}\n\n{RUNTIME}\n{WATCH}"
            ),
        }
    }

    /// Ends with 0 if the agent of [`NodeProgram::watch`] keeps its node: its last round went well, and ended 30 s ago at
    /// most. For the readiness of its Pod.
    #[must_use]
    pub fn ready() -> NodeProgram {
        let stale = STALE.as_secs();
        NodeProgram {
            script: format!("#!/bin/sh\nstale={stale}\n{ROUND}\n{READY}"),
        }
    }

    /// Says how the agent in whose Pod it runs stands: see `daemonset::Pulse`.
    #[must_use]
    pub fn pulse() -> NodeProgram {
        NodeProgram {
            script: format!("#!/bin/sh\n{ROUND}\n{PULSE}"),
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
