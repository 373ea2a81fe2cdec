//! The index of uploads that have files in `.resumed`. With it a new upload needs no lookup: the lookup of a missing
//! name costs as much as a write of 10 KB, and waits while other threads create files.

use std::collections::BTreeSet;

use crate::store::id::Key;
use crate::sync::{Mutex, lock};

/// The index. Complete after the first sweep; files that another program creates are found by the next one.
#[derive(Default)]
pub(crate) struct FilesIndex(Mutex<Index>);

#[derive(Default)]
struct Index {
    keys: BTreeSet<Key>,
    is_complete: bool,
}

impl FilesIndex {
    /// Returns whether the upload `key`, which was not in memory, may have files.
    pub(crate) fn may_have(&self, key: Key) -> bool {
        let index = lock(&self.0);
        !index.is_complete || index.keys.contains(&key)
    }

    /// Notes whether the upload `key` has files. Called before the upload leaves memory.
    pub(crate) fn set(&self, key: Key, has_files: bool) {
        let keys = &mut lock(&self.0).keys;
        match has_files {
            true => keys.insert(key),
            false => keys.remove(&key),
        };
    }

    /// Notes that a sweep has read all names.
    pub(crate) fn complete(&self) {
        lock(&self.0).is_complete = true;
    }
}
