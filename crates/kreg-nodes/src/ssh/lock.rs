//! A mutex whose holder may have panicked.

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is guarded is whole between any two of its statements.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
