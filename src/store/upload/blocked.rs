//! Full uploads that wait until an obstacle to their publishing is gone.

use std::collections::BTreeMap;

use crate::store::fs::record::Record;
use crate::store::id::Key;
use crate::store::obstacle::Obstacle;
use crate::sync::{Mutex, MutexGuard, lock};

/// The maximum number of uploads stored with their obstacle. Further ones are logged at each failure.
const BLOCKED_MAX: usize = 1000;

/// The full uploads whose last publish failed.
#[derive(Default)]
pub(crate) struct Blocked {
    all: Mutex<BTreeMap<Key, (Record, String)>>,
    /// The reason last logged for each upload.
    logged: Mutex<BTreeMap<Key, String>>,
}

impl Blocked {
    pub(crate) fn add(&self, key: Key, record: &Record, obstacle: &Obstacle) {
        let mut all = self.all();
        if all.len() < BLOCKED_MAX || all.contains_key(&key) {
            all.insert(key, (record.clone(), obstacle.to_string()));
        }
    }

    /// Logs the obstacle to an upload, each reason once.
    pub(crate) fn warn(&self, key: Key, obstacle: &Obstacle) {
        let reason = obstacle.logged();
        let mut logged = lock(&self.logged);
        if logged.get(&key) == Some(&reason) {
            return;
        }
        if logged.len() >= BLOCKED_MAX {
            logged.clear();
        }
        log::warn!("{key}: {reason}; the received bytes are kept");
        logged.insert(key, reason);
    }

    /// Removes the obstacle of an upload that is published or gone.
    pub(crate) fn forget(&self, key: Key) {
        self.all().remove(&key);
        lock(&self.logged).remove(&key);
    }

    /// Returns the record and the obstacle of each upload.
    pub(crate) fn all(&self) -> MutexGuard<'_, BTreeMap<Key, (Record, String)>> {
        lock(&self.all)
    }
}
