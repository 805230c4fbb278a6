//! Plain progress lines on stderr, each with the seconds since the start.

use std::io::Write as _;
use std::sync::OnceLock;
use std::time::Instant;

static START: OnceLock<Instant> = OnceLock::new();

/// Starts the clock; the first call counts.
pub(crate) fn start() {
    START.get_or_init(Instant::now);
}

/// Prints one line, `[  12.3 s] text`.
pub(crate) fn say(text: impl AsRef<str>) {
    let seconds = START.get_or_init(Instant::now).elapsed().as_secs_f64();
    // A closed stderr is no reason to stop building a cluster.
    let _ = writeln!(
        std::io::stderr().lock(),
        "[{seconds:6.1} s] {}",
        text.as_ref()
    );
}
