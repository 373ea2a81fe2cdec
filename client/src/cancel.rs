//! Cancellation of an upload by another thread.

use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ureq::Agent;

/// A flag that ends uploads with [`Error::Cancelled`](crate::Error::Cancelled). Clones share the flag.
///
/// A cancelled upload ends within a second: in a pause, in a request, and while it reads the file. There are two
/// exceptions. A name lookup or a TCP connect that is in progress ends first, after 20 s at most. A read from a
/// [stream](crate::Client::stream) ends first, because only the stream can end it.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<Flag>);

#[derive(Debug, Default)]
struct Flag {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_cancelled: bool,
    /// The connections of the running uploads, each under its number.
    agents: Vec<(u64, Agent)>,
    next_number: u64,
}

impl CancelToken {
    /// Makes a token that is not cancelled.
    #[must_use]
    pub fn new() -> CancelToken {
        CancelToken::default()
    }

    /// Cancels the uploads that use this token. Cannot be undone.
    pub fn cancel(&self) {
        let agents = {
            let mut state = self.state();
            state.is_cancelled = true;
            mem::take(&mut state.agents)
        };
        self.0.changed.notify_all();
        for (_, agent) in agents {
            agent.shutdown();
        }
    }

    /// Returns whether [`cancel`](Self::cancel) was called.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.state().is_cancelled
    }

    /// Runs an upload. [`cancel`](Self::cancel) shuts down the connections of `agent` meanwhile.
    pub(crate) fn run<T>(&self, agent: Agent, upload: impl FnOnce() -> T) -> T {
        let number = {
            let mut state = self.state();
            state.next_number += 1;
            let number = state.next_number;
            state.agents.push((number, agent));
            number
        };
        let result = upload();
        self.state().agents.retain(|(other, _)| *other != number);
        result
    }

    /// Sleeps for `pause`, or until the token is cancelled.
    pub(crate) fn sleep(&self, pause: Duration) {
        let is_waiting = |state: &mut State| !state.is_cancelled;
        let waited = self
            .0
            .changed
            .wait_timeout_while(self.state(), pause, is_waiting);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
