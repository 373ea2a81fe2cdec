//! Cancellation of an upload by another thread.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A flag that ends an upload with [`Error::Cancelled`](crate::Error::Cancelled). Clones share the flag.
///
/// An upload looks at its token before each read of the file and during each pause. While it waits for a response, it
/// ends with that wait: after 60 s at most.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<Flag>);

#[derive(Debug, Default)]
struct Flag {
    is_cancelled: Mutex<bool>,
    changed: Condvar,
}

impl CancelToken {
    /// Makes a token that is not cancelled.
    #[must_use]
    pub fn new() -> CancelToken {
        CancelToken::default()
    }

    /// Cancels the uploads that use this token. Cannot be undone.
    pub fn cancel(&self) {
        *self.flag() = true;
        self.0.changed.notify_all();
    }

    /// Returns whether [`cancel`](Self::cancel) was called.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        *self.flag()
    }

    /// Sleeps for `pause`, or until the token is cancelled.
    pub(crate) fn sleep(&self, pause: Duration) {
        let waited = self
            .0
            .changed
            .wait_timeout_while(self.flag(), pause, |is_cancelled| !*is_cancelled);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn flag(&self) -> MutexGuard<'_, bool> {
        let flag = self.0.is_cancelled.lock();
        flag.unwrap_or_else(PoisonError::into_inner)
    }
}
