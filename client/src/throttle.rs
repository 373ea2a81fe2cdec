//! The pause of all uploads of a client after a 429 (Too Many Requests).

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The end of the pause. A request of any upload starts after it.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<Option<Instant>>);

impl Throttle {
    /// Makes all uploads pause for `pause` from now on. A longer pause stays.
    pub(crate) fn pause(&self, pause: Duration) {
        let mut end = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *end = (*end).max(Instant::now().checked_add(pause));
    }

    /// Returns the rest of the pause.
    pub(crate) fn left(&self) -> Duration {
        let end = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        end.map_or(Duration::ZERO, |end| {
            end.saturating_duration_since(Instant::now())
        })
    }
}
