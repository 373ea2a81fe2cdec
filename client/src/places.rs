//! The uploads of a client that wait for each other: a server refuses a new upload beside too many partial ones.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::cancel::CancelToken;

/// The longest time without a look at the cancel token.
const LOOK: Duration = Duration::from_millis(500);

/// The running uploads of a client.
#[derive(Debug, Default)]
pub(crate) struct Places {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    running: u32,
    /// The uploads that wait for the end of another one.
    waiting: u32,
    ended: u64,
}

impl Places {
    /// Runs an upload.
    pub(crate) fn run<T>(&self, upload: impl FnOnce() -> T) -> T {
        self.state().running += 1;
        let result = upload();
        let mut state = self.state();
        state.running -= 1;
        state.ended += 1;
        drop(state);
        self.ended.notify_all();
        result
    }

    /// Returns the number of uploads that have ended. Each of them may have left its place to another one.
    pub(crate) fn ended(&self) -> u64 {
        self.state().ended
    }

    /// Returns whether an upload runs besides the calling one and those that wait.
    pub(crate) fn has_others(&self) -> bool {
        let state = self.state();
        state.running > state.waiting + 1
    }

    /// Waits until more uploads have ended than `before`, for `pause`, or until `cancel` is cancelled.
    pub(crate) fn wait(&self, before: u64, pause: Duration, cancel: &CancelToken) {
        let end = Instant::now() + pause;
        let mut state = self.state();
        state.waiting += 1;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if state.ended > before || left.is_zero() || cancel.is_cancelled() {
                break;
            }
            let waited = self.ended.wait_timeout(state, left.min(LOOK));
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting -= 1;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn end_of_an_upload_ends_the_wait_of_another() {
        let places = Places::default();
        let before = places.ended();
        thread::scope(|scope| {
            scope.spawn(|| places.run(|| places.wait(before, LONG, &CancelToken::new())));
            places.run(|| {
                while places.state().waiting == 0 {
                    thread::yield_now();
                }
                assert!(!places.has_others());
            });
        });
        // An end during the refused request ends the wait too.
        places.wait(before, LONG, &CancelToken::new());
    }

    #[test]
    fn cancelled_upload_waits_no_longer() {
        let (places, cancel) = (Places::default(), CancelToken::new());
        thread::scope(|scope| {
            scope.spawn(|| places.wait(places.ended(), LONG, &cancel));
            cancel.cancel();
        });
    }
}
