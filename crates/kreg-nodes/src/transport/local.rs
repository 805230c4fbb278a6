//! A directory as a node.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{NodeTransport, Output, TransportError, process};
use crate::Node;

/// A directory that holds a node's file tree: an image being built, or a test. Every path
/// that kreg reads or writes lies below it (the script's `KREG_ROOT`).
///
/// With `/` it is this machine itself.
#[derive(Clone, Debug)]
pub struct LocalRoot {
    root: PathBuf,
    shell: Vec<String>,
    env: Vec<(String, String)>,
}

impl LocalRoot {
    /// The file tree below `root`.
    pub fn new(root: impl Into<PathBuf>) -> LocalRoot {
        LocalRoot {
            root: root.into(),
            shell: vec!["sh".to_owned()],
            env: Vec::new(),
        }
    }

    /// Another shell than `sh`, with its leading arguments: `["busybox", "sh"]`.
    #[must_use]
    pub fn shell<S: Into<String>>(mut self, command: impl IntoIterator<Item = S>) -> LocalRoot {
        self.shell = command.into_iter().map(Into::into).collect();
        self
    }

    /// One more environment variable for the shell.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> LocalRoot {
        self.env.push((name.into(), value.into()));
        self
    }

    fn command(&self) -> Command {
        let program = self.shell.first().map_or("sh", String::as_str);
        let mut command = Command::new(program);
        command.args(self.shell.iter().skip(1)).arg("-s");
        if self.root != Path::new("/") {
            command.env("KREG_ROOT", &self.root);
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl NodeTransport for LocalRoot {
    fn run(&self, node: &Node, script: &str, timeout: Duration) -> Result<Output, TransportError> {
        let failed = |kind| TransportError::new(node, kind);
        let ran = process::run(&mut self.command(), script.as_bytes(), timeout).map_err(failed)?;
        Ok(Output {
            stdout: ran.stdout,
            stderr: ran.stderr,
            status: ran.end.map_err(failed)?.code(),
        })
    }
}
