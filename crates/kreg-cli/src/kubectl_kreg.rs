//! `kubectl kreg`: kubectl runs a program of this name on `PATH`, and this one becomes `kreg`.
//!
//! A program of its own rather than a link, because `cargo install` installs programs and no links.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    // The one that was installed with this, not another on PATH.
    let beside = std::env::current_exe()
        .ok()
        .map(|own| own.with_file_name("kreg"))
        .filter(|kreg| kreg.is_file());
    let kreg = beside.unwrap_or_else(|| PathBuf::from("kreg"));
    // Comes back only if it could not be done.
    let error = Command::new(&kreg).args(std::env::args_os().skip(1)).exec();
    // A closed stderr is no reason for another error.
    let _ = writeln!(
        std::io::stderr(),
        "error: cannot run {}: {error}\n  help: install kreg beside kubectl-kreg, or on PATH",
        kreg.display()
    );
    ExitCode::FAILURE
}
