//! The recently published files, in memory.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::store::Completed;

/// The maximum number of files kept for each owner.
const FILES_MAX: usize = 50;

/// The maximum number of owners with files. An embedding program can name any number of owners.
const OWNERS_MAX: usize = 1000;

/// The files published since the start of the server, in memory.
#[derive(Default)]
pub(super) struct RecentFiles {
    by_owner: Mutex<HashMap<Vec<u8>, VecDeque<RecentFile>>>,
}

#[derive(Clone)]
pub(super) struct RecentFile {
    pub(super) at: Instant,
    pub(super) completed: Completed,
}

impl RecentFiles {
    pub(super) fn add(&self, completed: &Completed) {
        let mut by_owner = self.by_owner();
        if by_owner.len() >= OWNERS_MAX && !by_owner.contains_key(completed.id.owner()) {
            let newest = |files: &VecDeque<RecentFile>| files.front().map(|file| file.at);
            let idlest = by_owner.iter().min_by_key(|(_, files)| newest(files));
            let idlest = idlest.map(|(owner, _)| owner.clone());
            idlest.and_then(|owner| by_owner.remove(&owner));
        }
        let files = by_owner.entry(completed.id.owner().to_vec()).or_default();
        files.truncate(FILES_MAX - 1);
        files.push_front(RecentFile {
            at: Instant::now(),
            completed: completed.clone(),
        });
    }

    /// Returns the files of `owner`, newest first. Of several files at one path, only the newest still exists.
    pub(super) fn of(&self, owner: &str) -> VecDeque<RecentFile> {
        let by_owner = self.by_owner();
        let mut files = by_owner.get(owner.as_bytes()).cloned().unwrap_or_default();
        drop(by_owner);
        let mut seen = HashSet::new();
        files.retain(|file| seen.insert(file.completed.path.clone()));
        files
    }

    fn by_owner(&self) -> MutexGuard<'_, HashMap<Vec<u8>, VecDeque<RecentFile>>> {
        self.by_owner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
