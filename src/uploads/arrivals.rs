//! What has arrived since the server was started: of each owner the newest, in memory.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::store::Completed;

/// How many are remembered of each owner.
const ARRIVALS_MAX: usize = 50;

/// There are only as many owners as there are users.
#[derive(Default)]
pub(super) struct Arrivals {
    by_owner: Mutex<HashMap<Vec<u8>, VecDeque<Arrival>>>,
}

/// A file that arrived.
#[derive(Clone)]
pub(super) struct Arrival {
    pub(super) at: Instant,
    pub(super) completed: Completed,
}

impl Arrivals {
    pub(super) fn add(&self, completed: &Completed) {
        let mut by_owner = self.by_owner();
        let arrivals = by_owner.entry(completed.id.owner().to_vec()).or_default();
        arrivals.truncate(ARRIVALS_MAX - 1);
        arrivals.push_front(Arrival {
            at: Instant::now(),
            completed: completed.clone(),
        });
    }

    /// Those of `owner`, the newest first. Of several at one path only the newest is there still.
    pub(super) fn of(&self, owner: &str) -> VecDeque<Arrival> {
        let by_owner = self.by_owner();
        let mut arrivals = by_owner.get(owner.as_bytes()).cloned().unwrap_or_default();
        drop(by_owner);
        let mut seen = HashSet::new();
        arrivals.retain(|arrival| seen.insert(arrival.completed.path.clone()));
        arrivals
    }

    fn by_owner(&self) -> MutexGuard<'_, HashMap<Vec<u8>, VecDeque<Arrival>>> {
        self.by_owner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
