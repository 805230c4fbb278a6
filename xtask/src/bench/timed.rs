//! One run of one program: how long, how much memory, what it said.

use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Failure, Result, Tried as _};

/// The longest that one step may take; a step that takes it has failed.
const LIMIT: Duration = Duration::from_secs(300);

/// How a program ran.
pub(super) struct Timed {
    pub(super) seconds: f64,
    /// The most memory that it held, in KiB (`VmHWM`).
    pub(super) peak_kib: u64,
    /// Its standard output.
    pub(super) told: String,
    pub(super) status: ExitStatus,
}

/// Runs it to its end, with whatever the command has for standard input and standard error.
pub(super) fn timed(mut command: Command) -> Result<Timed> {
    let name = format!("run {}", command.get_program().display());
    let begun = Instant::now();
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .tried(|| name.clone())?;
    let stdout = child.stdout.take();
    let reader = thread::spawn(move || stdout.map(std::io::read_to_string));
    let file = format!("/proc/{}/status", child.id());
    let mut peak_kib = 0;
    let status = loop {
        // Of a process that has ended there is none; the last value stands.
        peak_kib = peak(&file).unwrap_or(peak_kib);
        if let Some(status) = child.try_wait().tried(|| name.clone())? {
            break status;
        }
        if begun.elapsed() > LIMIT {
            let _ = child.kill();
            let _ = child.wait();
            return Err(Failure::new(name, format!("took more than {LIMIT:?}")));
        }
        thread::sleep(Duration::from_millis(2));
    };
    let seconds = begun.elapsed().as_secs_f64();
    let told = reader.join().ok().flatten().and_then(|read| read.ok());
    Ok(Timed {
        seconds,
        peak_kib,
        told: told.unwrap_or_default(),
        status,
    })
}

/// Of the program that runs now: what started it by exec(2) has left its own behind.
fn peak(status: &str) -> Option<u64> {
    let text = std::fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_of_a_process_is_read() {
        let own = peak("/proc/self/status").unwrap();
        assert!(own > 500, "{own} KiB");
    }

    #[test]
    fn time_output_and_end_are_told() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; sleep 0.1; exit 3"]);
        let ran = timed(command).unwrap();
        assert!(ran.seconds >= 0.1 && ran.peak_kib > 100);
        assert_eq!((ran.told.as_str(), ran.status.code()), ("out\n", Some(3)));
    }
}
