//! Ctrl-C and the other signals that ask a program to end.

use std::future::poll_fn;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;

use rustix::process::Signal;
use tokio::signal::unix::{self, SignalKind};
use tokio::task::AbortHandle;

/// As a shell has it for a program that a signal ended.
const INTERRUPTED: i32 = 130;

/// Tokio cannot uninstall the handler of a signal. So what follows a proof is ended by the first signal as what was before
/// it, and the next proof by itself.
fn end_by_signals(end: bool) {
    static WAITING: Mutex<Option<AbortHandle>> = Mutex::new(None);
    let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(before) = waiting.take() {
        before.abort();
    }
    if end {
        let signalled = shutdown_signal();
        let task = tokio::spawn(async {
            signalled.await;
            std::process::exit(INTERRUPTED);
        });
        *waiting = Some(task.abort_handle());
    }
}

/// The first signal of a proof, which then clears up by itself. When this is dropped, signals end the program again.
pub(crate) fn signalled_in_proof() -> impl Future<Output = ()> {
    struct Proof;
    impl Drop for Proof {
        fn drop(&mut self) {
            end_by_signals(true);
        }
    }
    end_by_signals(false);
    let (proof, mut signalled) = (Proof, Box::pin(shutdown_signal()));
    poll_fn(move |context| {
        let _until_dropped = &proof;
        signalled.as_mut().poll(context)
    })
}

/// Ends with the first signal that asks a program to end, from this call on.
pub(crate) fn shutdown_signal() -> impl Future<Output = ()> {
    let hangup = (!is_hangup_ignored()).then_some(Signal::HUP);
    let mut signals = Signals::of([Signal::INT, Signal::TERM].into_iter().chain(hangup));
    async move {
        signals.next().await;
    }
}

/// Signals that do not end the program by themselves any more.
pub(crate) struct Signals(Vec<(Signal, unix::Signal)>);

impl Signals {
    /// All that ask a program to end.
    pub(crate) fn all() -> Self {
        Self::of([Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT])
    }

    /// One that cannot be listened to ends the program as before.
    fn of(signals: impl IntoIterator<Item = Signal>) -> Self {
        let listening = signals.into_iter().filter_map(|signal| {
            let kind = SignalKind::from_raw(signal.as_raw());
            Some((signal, unix::signal(kind).ok()?))
        });
        Self(listening.collect())
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> Signal {
        let next = poll_fn(|context| {
            let mut all = self.0.iter_mut();
            let came = all.find_map(|(signal, listening)| {
                let is_here = listening.poll_recv(context).is_ready();
                is_here.then_some(*signal)
            });
            came.map_or(Poll::Pending, Poll::Ready)
        });
        next.await
    }
}

/// Under nohup(1) a closing terminal must not end the program. Where that cannot be seen, it does.
pub(crate) fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 != 0) // the lowest bit is signal 1
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::process::{getpid, kill_process};

    use super::*;

    #[tokio::test]
    async fn ctrl_c_a_service_manager_and_a_closed_terminal_end_it() {
        for one in [Signal::INT, Signal::TERM, Signal::HUP] {
            if one == Signal::HUP && is_hangup_ignored() {
                continue; // by nohup, and so it is to stay
            }
            let end = shutdown_signal();
            // Before anybody waits for it, as it may come at any time.
            kill_process(getpid(), one).unwrap();
            let ended = tokio::time::timeout(Duration::from_secs(30), end).await;
            assert!(ended.is_ok(), "{one:?}");
        }
    }
}
