//! Other programs, run so that a failure says which, why, and where its output is.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Failure, Result, Tried as _};

/// Lines of a failed program's output that its error repeats.
const TAIL: usize = 12;

/// One run of one program.
#[derive(Debug)]
pub(crate) struct Run {
    program: OsString,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    directory: Option<PathBuf>,
    input: Option<Vec<u8>>,
    log: Option<PathBuf>,
    dies_with_us: bool,
}

impl Run {
    /// The program by name or path; nothing starts before one of the last three methods.
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: None,
            input: None,
            log: None,
            dies_with_us: false,
        }
    }

    /// Adds one argument.
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub(crate) fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments
            .extend(arguments.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Sets one variable of the environment.
    pub(crate) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Runs in this directory.
    pub(crate) fn cwd(mut self, directory: impl AsRef<Path>) -> Self {
        self.directory = Some(directory.as_ref().to_path_buf());
        self
    }

    /// Feeds these bytes to standard input; otherwise it is empty.
    pub(crate) fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Some(bytes.into());
        self
    }

    /// Appends all output to this file instead of holding it.
    pub(crate) fn log(mut self, file: impl AsRef<Path>) -> Self {
        self.log = Some(file.as_ref().to_path_buf());
        self
    }

    /// Has the kernel kill the program when xtask dies, however that happens; only Linux can.
    pub(crate) fn dies_with_us(mut self) -> Self {
        self.dies_with_us = true;
        self
    }

    /// Runs it; any exit code but 0 is a failure that shows the end of the output.
    pub(crate) fn run(self) -> Result<()> {
        self.checked().map(drop)
    }

    /// Runs it and returns what it wrote to standard output, without the last line break.
    pub(crate) fn read(self) -> Result<String> {
        let output = self.checked()?;
        Ok(String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned())
    }

    /// Runs it and says only whether it could be started and exited with 0.
    pub(crate) fn succeeds(self) -> bool {
        self.output().is_ok_and(|output| output.status.success())
    }

    fn checked(self) -> Result<Output> {
        let name = self.name();
        let log = self.log.clone();
        let output = self.output()?;
        if output.status.success() {
            return Ok(output);
        }
        let told = match &log {
            Some(file) => std::fs::read_to_string(file).unwrap_or_default(),
            None => {
                let mut told = String::from_utf8_lossy(&output.stdout).into_owned();
                told.push_str(&String::from_utf8_lossy(&output.stderr));
                told
            }
        };
        let failure = Failure::new(
            format!("run {name}"),
            format!("{}\n{}", output.status, tail(&told)),
        );
        Err(match log {
            Some(file) => failure.log(file),
            None => failure,
        })
    }

    fn output(&self) -> Result<Output> {
        let mut command = if self.dies_with_us && find("setpriv").is_some() {
            let mut setpriv = Command::new("setpriv");
            setpriv
                .args(["--pdeathsig", "KILL", "--"])
                .arg(&self.program);
            setpriv
        } else {
            Command::new(&self.program)
        };
        without_xtasks_own(&mut command)
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(match self.input {
                Some(_) => Stdio::piped(),
                None => Stdio::null(),
            });
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        match &self.log {
            Some(file) => {
                let log = append(file)?;
                let copy = log
                    .try_clone()
                    .tried(|| format!("open {} twice", file.display()))?;
                command.stdout(log).stderr(copy);
            }
            None => {
                command.stdout(Stdio::piped()).stderr(Stdio::piped());
            }
        }
        let mut child = command
            .spawn()
            .map_err(|why| Failure::new(format!("start {}", self.name()), why))?;
        if let (Some(bytes), Some(mut pipe)) = (&self.input, child.stdin.take()) {
            // A program that ends before it has read everything says why by its exit code.
            let _ = pipe.write_all(bytes);
        }
        child
            .wait_with_output()
            .tried(|| format!("wait for {}", self.name()))
    }

    /// The command line for messages, cut where it grows long.
    fn name(&self) -> String {
        let mut name = self.program.to_string_lossy().into_owned();
        for argument in &self.arguments {
            name.push(' ');
            name.push_str(&argument.to_string_lossy());
        }
        match name.char_indices().nth(200) {
            Some((end, _)) => format!("{}…", &name[..end]),
            None => name,
        }
    }
}

/// Takes away what `cargo run` says of xtask, such as its folder.
///
/// A cargo that inherits it builds ring anew, and all that stands on ring, whenever the folder is
/// another: ring's build script asks to be run again when `CARGO_MANIFEST_DIR` changes.
pub(crate) fn without_xtasks_own(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// Where a program of this name lies on `PATH`, or in the directories that root's `PATH` has.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
}

fn append(file: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)
        .tried(|| format!("open the log {}", file.display()))
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let from = lines.len().saturating_sub(TAIL);
    lines[from..]
        .iter()
        .map(|line| format!("    {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Waits for a program's end; one that outlives the limit is killed, and `None` is returned.
pub(crate) fn wait_at_most(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if started.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// The cargo that runs this program.
pub(crate) fn cargo_program() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_program_tells_its_last_words() {
        let failure = Run::new("sh")
            .args(["-c", "echo first; echo broken pipe valve >&2; exit 3"])
            .run()
            .unwrap_err()
            .to_string();
        assert!(failure.contains("broken pipe valve"), "{failure}");
        assert!(failure.contains("exit status: 3"), "{failure}");
    }

    #[test]
    fn input_reaches_the_program() {
        let told = Run::new("cat").input("hello\n").read().unwrap();
        assert_eq!(told, "hello");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let failure = Run::new("no-such-program").run().unwrap_err().to_string();
        assert!(failure.contains("start no-such-program"), "{failure}");
    }
}
