//! One call of one program, bounded in time, with everything it said kept for the check to judge.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::failure::{Failure, Result, Tried as _};
use crate::process::wait_at_most;

/// No call in a story may take longer, unless it says so.
const LIMIT: Duration = Duration::from_secs(300);

/// A program, its arguments, its environment and its patience.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    program: OsString,
    arguments: Vec<OsString>,
    set: Vec<(OsString, OsString)>,
    unset: Vec<OsString>,
    directory: Option<PathBuf>,
    input: Vec<u8>,
    limit: Duration,
}

/// How a call ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) line: String,
    /// `None`: killed by a signal.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

impl Call {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            set: Vec::new(),
            unset: Vec::new(),
            directory: None,
            input: Vec::new(),
            limit: LIMIT,
        }
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments
            .extend(arguments.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    pub(crate) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.unset.retain(|unset| unset != name.as_ref());
        self.set
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    pub(crate) fn without_env(mut self, name: impl AsRef<OsStr>) -> Self {
        self.set.retain(|(set, _)| set != name.as_ref());
        self.unset.push(name.as_ref().to_owned());
        self
    }

    pub(crate) fn cwd(mut self, directory: impl AsRef<Path>) -> Self {
        self.directory = Some(directory.as_ref().to_path_buf());
        self
    }

    pub(crate) fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = bytes.into();
        self
    }

    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it to its end, whatever that is; a call that outlives its limit is killed and fails.
    pub(crate) fn ran(self) -> Result<Ran> {
        self.start(None)?.wait()
    }

    /// Runs it and wants exit code 0.
    pub(crate) fn good(self) -> Result<Ran> {
        self.ends_with(0)
    }

    /// Runs it and wants this exit code.
    pub(crate) fn ends_with(self, code: i32) -> Result<Ran> {
        self.ran()?.ended_with(code)
    }

    /// Runs it, wants exit code 0, and returns its standard output without the last line break.
    pub(crate) fn read(self) -> Result<String> {
        Ok(self.good()?.stdout.trim_end().to_owned())
    }

    /// Starts it; each line on its standard error is also sent to `watcher` as it appears.
    pub(crate) fn start(self, watcher: Option<mpsc::Sender<String>>) -> Result<Running> {
        let line = self.line();
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .envs(self.set.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for name in &self.unset {
            command.env_remove(name);
        }
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        let started = Instant::now();
        let mut child = command.spawn().tried(|| format!("start {line}"))?;
        if let Some(mut pipe) = child.stdin.take() {
            // A program that does not read its input says why by its exit code.
            thread::spawn(move || pipe.write_all(&self.input));
        }
        Ok(Running {
            stdout: collect(child.stdout.take(), None),
            stderr: collect(child.stderr.take(), watcher),
            child,
            line,
            started,
            limit: self.limit,
        })
    }

    fn line(&self) -> String {
        let mut line = self.program.to_string_lossy().into_owned();
        for argument in &self.arguments {
            let argument = argument.to_string_lossy();
            let plain = !argument.is_empty() && !argument.contains(char::is_whitespace);
            let _ = if plain {
                write!(line, " {argument}")
            } else {
                write!(line, " '{argument}'")
            };
        }
        line
    }
}

/// A call under way.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    line: String,
    stdout: thread::JoinHandle<String>,
    stderr: thread::JoinHandle<String>,
    started: Instant,
    limit: Duration,
}

impl Running {
    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, as a power cut or an impatient administrator would do it.
    pub(crate) fn kill(mut self) -> Result<Ran> {
        self.child.kill().tried(|| format!("kill {}", self.line))?;
        self.wait()
    }

    /// SIGINT, as Ctrl-C sends it, and its end.
    pub(crate) fn interrupt(self) -> Result<Ran> {
        self.signalled("INT")
    }

    /// A signal, such as `TERM`, and its end.
    pub(crate) fn signalled(self, signal: &str) -> Result<Ran> {
        Call::new("kill")
            .args(["-s", signal, &self.child.id().to_string()])
            .good()?;
        self.wait()
    }

    pub(crate) fn wait(mut self) -> Result<Ran> {
        let left = self.limit.saturating_sub(self.started.elapsed());
        let Some(status) =
            wait_at_most(&mut self.child, left).tried(|| format!("wait for {}", self.line))?
        else {
            let told = self.stderr.join().unwrap_or_default();
            return Err(Failure::new(
                format!("run {}", self.line),
                format!(
                    "it did not end within {} s\n{told}",
                    self.limit.as_secs_f64()
                ),
            ));
        };
        Ok(Ran {
            took: self.started.elapsed(),
            line: self.line,
            code: status.code(),
            stdout: self.stdout.join().unwrap_or_default(),
            stderr: self.stderr.join().unwrap_or_default(),
        })
    }
}

impl Ran {
    /// Fails, showing everything, unless it ended with this exit code.
    pub(crate) fn ended_with(self, code: i32) -> Result<Self> {
        if self.code == Some(code) {
            return Ok(self);
        }
        let ended = match self.code {
            Some(other) => format!("it ended with {other}"),
            None => "a signal ended it".to_owned(),
        };
        Err(self.wrong(format!("see exit code {code}"), ended))
    }

    /// Fails, showing everything, unless standard error has each of these texts.
    pub(crate) fn says(self, needles: &[&str]) -> Result<Self> {
        match absent(&self.stderr, needles) {
            None => Ok(self),
            Some(missing) => {
                let why = "standard error does not have it";
                Err(self.wrong(format!("read `{missing}`"), why))
            }
        }
    }

    /// Fails, showing everything, unless standard output has each of these texts.
    pub(crate) fn shows(self, needles: &[&str]) -> Result<Self> {
        match absent(&self.stdout, needles) {
            None => Ok(self),
            Some(missing) => {
                let why = "standard output does not have it";
                Err(self.wrong(format!("read `{missing}`"), why))
            }
        }
    }

    /// Fails, showing everything, unless standard error has one of these texts.
    pub(crate) fn says_one_of(self, needles: &[&str]) -> Result<Self> {
        if needles.iter().any(|needle| self.stderr.contains(needle)) {
            return Ok(self);
        }
        let tried = format!("read one of {needles:?}");
        Err(self.wrong(tried, "standard error has none"))
    }

    /// The one JSON document on standard output.
    pub(crate) fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.stdout)
            .map_err(|why| self.wrong("read its output as one JSON document", why))
    }

    /// A failure that shows the command, how it ended, and all it said: what people read first.
    pub(crate) fn wrong(&self, tried: impl Into<String>, why: impl std::fmt::Display) -> Failure {
        let code = self
            .code
            .map_or("none (signal)".to_owned(), |c| c.to_string());
        let mut all = format!("{why}\n    $ {}\n    exit code {code}", self.line);
        for (name, text) in [("stderr", &self.stderr), ("stdout", &self.stdout)] {
            for line in text.lines() {
                let _ = write!(all, "\n    {name}: {line}");
            }
        }
        Failure::new(tried, all)
    }
}

fn collect(
    pipe: Option<impl Read + Send + 'static>,
    watcher: Option<mpsc::Sender<String>>,
) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut all = String::new();
        let Some(pipe) = pipe else { return all };
        for line in BufReader::new(pipe)
            .split(b'\n')
            .map_while(|line| line.ok())
        {
            let line = String::from_utf8_lossy(&line).into_owned();
            all.push_str(&line);
            all.push('\n');
            if let Some(watcher) = &watcher {
                // Nobody may be watching any more.
                let _ = watcher.send(line);
            }
        }
        all
    })
}

fn absent<'a>(text: &str, needles: &[&'a str]) -> Option<&'a str> {
    needles
        .iter()
        .copied()
        .find(|needle| !text.contains(needle))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Call {
        Call::new("sh").args(["-c", script])
    }

    #[test]
    fn a_wrong_exit_code_shows_everything() {
        let failure = sh("echo out; echo err >&2; exit 3")
            .ends_with(0)
            .unwrap_err()
            .to_string();
        for part in [
            "exit code 0",
            "ended with 3",
            "stdout: out",
            "stderr: err",
            "$ sh -c",
        ] {
            assert!(failure.contains(part), "{part}: {failure}");
        }
    }

    #[test]
    fn a_call_that_hangs_is_ended() {
        let failure = sh("echo hanging >&2; exec sleep 60")
            .limit(Duration::from_millis(100))
            .good()
            .unwrap_err()
            .to_string();
        assert!(
            failure.contains("did not end") && failure.contains("hanging"),
            "{failure}"
        );
    }

    #[test]
    fn lines_are_seen_as_they_appear_and_kill_is_seen_as_a_signal() {
        let (send, lines) = mpsc::channel();
        let running = sh("echo ready >&2; exec sleep 60")
            .start(Some(send))
            .unwrap();
        let line = lines.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(line, "ready");
        assert_eq!(running.kill().unwrap().code, None);
    }

    #[test]
    fn of_setting_and_unsetting_a_variable_the_last_word_counts() {
        let call = sh("echo ${KREG_TEST-none}").env("KREG_TEST", "one");
        assert_eq!(call.clone().read().unwrap(), "one");
        let call = call.without_env("KREG_TEST");
        assert_eq!(call.clone().read().unwrap(), "none");
        assert_eq!(call.env("KREG_TEST", "two").read().unwrap(), "two");
    }

    #[test]
    fn input_reaches_the_program() {
        assert_eq!(Call::new("cat").input("hello\n").read().unwrap(), "hello");
    }
}
