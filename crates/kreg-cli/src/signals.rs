//! Ctrl-C, SIGTERM and SIGHUP.

use std::sync::{Mutex, PoisonError};

use futures::future::OptionFuture;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::AbortHandle;

/// As a shell has it for a program that a signal ended.
const INTERRUPTED: i32 = 130;

/// Tokio cannot uninstall the handler of a signal. So what follows a proof is ended by the first signal as what was before
/// it, and the next proof by itself.
pub(crate) fn end_by_signals(end: bool) {
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

/// Ends with the first signal that asks a program to end, from this call on. Without a signal handler it goes on until it
/// is killed; its Pods then end by themselves.
pub(crate) fn shutdown_signal() -> impl Future<Output = ()> {
    let interrupted = signalled(SignalKind::interrupt());
    let terminated = signalled(SignalKind::terminate());
    let hung_up =
        OptionFuture::from((!is_hangup_ignored()).then(|| signalled(SignalKind::hangup())));
    async {
        tokio::select! {
            () = interrupted => {}
            () = terminated => {}
            Some(()) = hung_up => {}
        }
    }
}

fn signalled(kind: SignalKind) -> impl Future<Output = ()> {
    let listening = signal(kind);
    async {
        match listening {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
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

    use rustix::process::{Signal, getpid, kill_process};

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
