//! Nodes over SSH, which needs nothing on them but an account.

use std::fmt;
use std::time::Duration;

use super::{ByHand, NodeAccess};
use crate::ssh::{Ssh, SshConfig, SystemSsh};
use crate::{Fleet, Node, NodeTransport, Receipt, State};

/// All nodes over SSH (feature `ssh`), by libssh2 or by the system's `ssh` program.
pub struct BySsh {
    nodes: Vec<Node>,
    config: SshConfig,
    transport: Box<dyn NodeTransport>,
    parallel: usize,
    timeout: Duration,
}

impl BySsh {
    /// By libssh2: 64 nodes at a time, 60 s a step. Connects to none yet.
    #[must_use]
    pub fn libssh2(nodes: Vec<Node>, config: SshConfig) -> BySsh {
        let transport = Box::new(Ssh::new(config.clone()));
        BySsh::over(transport, nodes, config)
    }

    /// The same by the system's `ssh` program, which takes no passphrase of `config`.
    #[must_use]
    pub fn system(nodes: Vec<Node>, config: SshConfig) -> BySsh {
        let transport = Box::new(SystemSsh::new(config.clone()));
        BySsh::over(transport, nodes, config)
    }

    fn over(transport: Box<dyn NodeTransport>, nodes: Vec<Node>, config: SshConfig) -> BySsh {
        BySsh {
            nodes,
            config,
            transport,
            parallel: 64,
            timeout: Duration::from_secs(60),
        }
    }

    /// See [`Fleet::parallel`].
    #[must_use]
    pub fn parallel(mut self, nodes: usize) -> BySsh {
        self.parallel = nodes;
        self
    }

    /// See [`Fleet::timeout`].
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> BySsh {
        self.timeout = timeout;
        self
    }

    /// None for a node that OpenSSH's configuration leads nowhere.
    fn way_to(&self, receipt: &Receipt) -> Option<ByHand> {
        let node = self.nodes.iter().find(|node| node.name == receipt.node)?;
        let ssh = self.config.command_line(node).ok()?;
        let sudo = self.config.needs_sudo(node).ok()?;
        let name = node.name.clone();
        Some(match (sudo, receipt.step.as_deref()) {
            // A sudo that asks for a password needs a terminal, so the program goes first.
            (true, Some("sudo")) => ByHand::Terminal {
                node: name,
                put: format!("{ssh} 'cat >{PROGRAM}'"),
                run: format!("{} sudo sh {PROGRAM}", ssh.replacen("ssh ", "ssh -t ", 1)),
            },
            (true, _) => ByHand::Pipe {
                node: name,
                command: format!("{ssh} sudo sh"),
            },
            (false, _) => ByHand::Pipe {
                node: name,
                command: format!("{ssh} sh"),
            },
        })
    }
}

/// The program as it lies in the home directory of the account.
const PROGRAM: &str = "kreg-program.sh";

impl NodeAccess for BySsh {
    fn name(&self) -> &'static str {
        "ssh"
    }

    fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    fn transport(&self) -> &dyn NodeTransport {
        self.transport.as_ref()
    }

    fn fleet(&self) -> Fleet<'_, dyn NodeTransport + '_> {
        Fleet::new(self.transport())
            .parallel(self.parallel)
            .timeout(self.timeout)
    }

    fn by_hand(&self, receipts: &[Receipt]) -> Vec<ByHand> {
        let lost = receipts.iter();
        lost.filter(|receipt| receipt.state == State::Unreachable)
            .filter_map(|receipt| self.way_to(receipt))
            .collect()
    }
}

impl fmt::Debug for BySsh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BySsh")
            .field("nodes", &self.nodes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(step: &str) -> Receipt {
        let node = Node::new("n1", "192.0.2.1");
        Receipt::new(&node, State::Unreachable).because(step, "why", "")
    }

    #[test]
    fn a_person_goes_the_same_way_and_gives_sudo_a_terminal_where_it_asks() {
        let by = |user: &str| BySsh::libssh2(lost_nodes(), SshConfig::new(user));
        let pipe = |command: &str| ByHand::Pipe {
            node: "n1".to_owned(),
            command: command.to_owned(),
        };
        let root = by("root").by_hand(&[lost("connect")]);
        assert_eq!(root, [pipe("ssh root@192.0.2.1 sh")]);
        let admin = by("admin").by_hand(&[lost("connect")]);
        assert_eq!(admin, [pipe("ssh admin@192.0.2.1 sudo sh")]);
        let asked = by("admin").by_hand(&[lost("sudo")]);
        let terminal = ByHand::Terminal {
            node: "n1".to_owned(),
            put: "ssh admin@192.0.2.1 'cat >kreg-program.sh'".to_owned(),
            run: "ssh -t admin@192.0.2.1 sudo sh kreg-program.sh".to_owned(),
        };
        assert_eq!(asked, [terminal]);
        let done = Receipt::new(&lost_nodes()[0], State::Changed);
        assert!(by("root").by_hand(&[done]).is_empty());
    }

    fn lost_nodes() -> Vec<Node> {
        vec![Node::new("n1", "192.0.2.1")]
    }
}
