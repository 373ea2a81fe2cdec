//! The locks, atomics and threads of the engine and the store: those of `std`.
//!
//! With `--cfg shuttle` they are those of the crate `shuttle`, which runs one thread at a time, and chooses the next one
//! at each lock, wait and atomic access. [`explore`] runs a test in many such orders.

#[cfg(shuttle)]
pub(crate) mod explore;

use std::sync::PoisonError;

#[cfg(shuttle)]
pub(crate) use self::explore::{ThreadPool, is_planted};
#[cfg(shuttle)]
pub(crate) use shuttle::{
    sync::{Condvar, Mutex, MutexGuard, Once, atomic},
    thread,
};
#[cfg(not(shuttle))]
pub(crate) use std::{
    sync::{Condvar, Mutex, MutexGuard, Once, atomic},
    thread,
};
#[cfg(not(shuttle))]
pub(crate) use threadpool::ThreadPool;

/// Locks a mutex whose contents stay valid after a panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A fault that a test plants, to show that the tests find such faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Planted {
    /// A worker unlocks the queues between its look at them and its wait.
    UnlockedWait,
    /// A worker that parks a connection does not wake the event loop for an earlier timer.
    SilentTimer,
    /// A request publishes without another check of the phase after it has locked out other changes.
    StalePhase,
}

/// Returns whether a test has planted the fault. Always false without shuttle.
#[cfg(not(shuttle))]
#[inline]
pub(crate) const fn is_planted(_: Planted) -> bool {
    false
}
