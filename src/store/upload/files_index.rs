//! The index of uploads that have files in `.resumed`, and of the parts that are durable.
//!
//! With the index a new upload needs no lookup: the lookup of a missing name costs as much as a write of 10 KB, and waits
//! while other threads create files. A status of an upload that left memory in a durable state needs no sync.

use std::collections::BTreeMap;

use crate::store::id::Key;
use crate::store::upload::durability::Confirmed;
use crate::sync::{Mutex, lock};

/// The index. Complete after the first sweep; files that another program creates are found by the next one.
#[derive(Default)]
pub(crate) struct FilesIndex(Mutex<Index>);

#[derive(Default)]
struct Index {
    keys: BTreeMap<Key, Confirmed>,
    is_complete: bool,
    /// True after the begin of the only sync of the whole file system. A second one could succeed although the first one
    /// has lost something.
    sync_has_begun: bool,
    /// True after the sync has succeeded. Before, [`FilesIndex::confirmed`] returns `Nothing` instead of `Marked`.
    is_synced: bool,
}

impl FilesIndex {
    /// Returns whether the upload `key`, which was not in memory, may have files.
    pub(crate) fn may_have(&self, key: Key) -> bool {
        let index = lock(&self.0);
        !index.is_complete || index.keys.contains_key(&key)
    }

    /// Returns the durable parts of the upload `key`, which was not in memory. An upload that is not in the index can have
    /// a record in the log.
    pub(crate) fn confirmed(&self, key: Key) -> Confirmed {
        let index = lock(&self.0);
        match index.keys.get(&key).copied().unwrap_or(Confirmed::Marked) {
            Confirmed::Marked if !index.is_synced => Confirmed::Nothing,
            confirmed => confirmed,
        }
    }

    /// Notes that the upload `key` has files. Called before the upload leaves memory.
    pub(crate) fn set(&self, key: Key, confirmed: Confirmed) {
        lock(&self.0).keys.insert(key, confirmed);
    }

    /// Notes that the upload `key` has no files. Called before the upload leaves memory.
    pub(crate) fn remove(&self, key: Key) {
        lock(&self.0).keys.remove(&key);
    }

    /// Notes that a sweep has found a file of the upload `key`.
    pub(crate) fn found(&self, key: Key) {
        let keys = &mut lock(&self.0).keys;
        keys.entry(key).or_insert(Confirmed::Nothing);
    }

    /// Notes that a sweep has read all names.
    pub(crate) fn complete(&self) {
        lock(&self.0).is_complete = true;
    }

    /// Notes that a sync of the whole file system begins. An upload that leaves memory during the sync replaces its entry.
    /// Returns false if one has begun before, or the index is not complete.
    pub(crate) fn begin_sync(&self) -> bool {
        let mut index = lock(&self.0);
        if index.sync_has_begun || !index.is_complete {
            return false;
        }
        index.sync_has_begun = true;
        for confirmed in index.keys.values_mut() {
            if *confirmed == Confirmed::Nothing {
                *confirmed = Confirmed::Marked;
            }
        }
        true
    }

    /// Notes that the sync has succeeded.
    pub(crate) fn end_sync(&self) {
        lock(&self.0).is_synced = true;
    }
}
