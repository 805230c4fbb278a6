//! How a person runs a program on a node that could not be entered from here.

/// How a person runs a node program as root on a node that could not be entered from here, such as
/// [`crate::NodeProgram::undo`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ByHand {
    /// The program is piped into a command.
    Pipe {
        /// The node's name.
        node: String,
        /// The command, as a shell takes it.
        command: String,
    },
    /// The program is piped into one command, and another one runs it: `sudo` asks for a password,
    /// for which it needs a terminal.
    Terminal {
        /// The node's name.
        node: String,
        /// What puts the program on the node.
        put: String,
        /// What runs it there.
        run: String,
    },
    /// The program runs on the node itself; how a person gets there is not known here.
    Unknown {
        /// The node's name.
        node: String,
    },
}

impl ByHand {
    /// For a node of this name that nothing is known about.
    #[must_use]
    pub fn unknown(node: &str) -> ByHand {
        ByHand::Unknown {
            node: node.to_owned(),
        }
    }

    /// The line that a person types, where `program` is the command that prints the program; `None` if nothing is known.
    #[must_use]
    pub fn line(&self, program: &str) -> Option<String> {
        match self {
            ByHand::Pipe { command, .. } => Some(format!("{program} | {command}")),
            ByHand::Terminal { put, run, .. } => Some(format!("{program} | {put} && {run}")),
            ByHand::Unknown { .. } => None,
        }
    }

    /// The node's name.
    #[must_use]
    pub fn node(&self) -> &str {
        match self {
            ByHand::Pipe { node, .. }
            | ByHand::Terminal { node, .. }
            | ByHand::Unknown { node } => node,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_pipes_the_program_where_it_runs() {
        let node = || "n1".to_owned();
        let pipe = ByHand::Pipe {
            node: node(),
            command: "ssh n1 sh".to_owned(),
        };
        let terminal = ByHand::Terminal {
            node: node(),
            put: "ssh n1 'cat >p'".to_owned(),
            run: "ssh -t n1 sudo sh p".to_owned(),
        };
        assert_eq!(pipe.line("undo").unwrap(), "undo | ssh n1 sh");
        assert_eq!(
            terminal.line("undo").unwrap(),
            "undo | ssh n1 'cat >p' && ssh -t n1 sudo sh p"
        );
        assert_eq!(ByHand::unknown("n1").line("undo"), None);
    }
}
