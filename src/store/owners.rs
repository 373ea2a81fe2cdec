//! The index of partial uploads by owner, in memory: a limit per owner needs their number and size before a request is
//! admitted.
//!
//! A sweep fills the index, and removes entries without an upload. Each change of an upload updates it. An entry takes
//! about 60 bytes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::store::id::{Id, Key};
use crate::store::mutex::lock;

/// The partial uploads of one owner.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// The number of partial uploads.
    pub uploads: u64,
    /// The sum of their declared lengths in bytes; of an upload without one, its received bytes.
    pub bytes: u64,
}

#[derive(Default)]
pub(crate) struct Owners {
    index: Mutex<Index>,
}

#[derive(Default)]
struct Index {
    partials: BTreeMap<Key, Partial>,
    owners: BTreeMap<Arc<[u8]>, Usage>,
    /// The number of sweeps so far.
    sweep: u32,
}

struct Partial {
    owner: Arc<[u8]>,
    bytes: u64,
    /// The number of the last sweep before the last update.
    sweep: u32,
}

impl Owners {
    /// Adds a partial upload, or updates its size.
    pub(crate) fn set(&self, id: &Id, bytes: u64) {
        let mut index = lock(&self.index);
        if !index.update(id.key(), bytes) {
            index.add(id, bytes);
        }
    }

    /// Removes an upload that is complete or deleted.
    pub(crate) fn remove(&self, key: Key) {
        lock(&self.index).remove(key);
    }

    pub(crate) fn usage(&self, owner: &[u8]) -> Usage {
        let index = lock(&self.index);
        index.owners.get(owner).copied().unwrap_or_default()
    }

    /// Begins a sweep, which calls [`set`](Self::set) for every upload on the disk.
    pub(crate) fn begin_sweep(&self) {
        lock(&self.index).sweep += 1;
    }

    /// Removes the entries that were not updated during the sweep: another server has removed their uploads.
    pub(crate) fn end_sweep(&self) {
        let mut index = lock(&self.index);
        let current = index.sweep;
        let old = index.partials.iter().filter(|(_, it)| it.sweep != current);
        let old: Vec<_> = old.map(|(key, _)| *key).collect();
        old.into_iter().for_each(|key| index.remove(key));
    }
}

impl Index {
    /// Updates the size of a known upload, without an allocation: each window of a body calls this.
    fn update(&mut self, key: Key, bytes: u64) -> bool {
        let Some(partial) = self.partials.get_mut(&key) else {
            return false;
        };
        if let Some(usage) = self.owners.get_mut(&partial.owner) {
            usage.bytes -= partial.bytes;
            partial.bytes = bytes.min(u64::MAX - usage.bytes);
            usage.bytes += partial.bytes;
        }
        partial.sweep = self.sweep;
        true
    }

    fn add(&mut self, id: &Id, bytes: u64) {
        let known = self.owners.get_key_value(id.owner());
        let owner = known.map_or_else(|| id.owner().into(), |(owner, _)| Arc::clone(owner));
        let usage = self.owners.entry(Arc::clone(&owner)).or_default();
        usage.uploads += 1;
        // The sum of declared lengths may overflow. `remove` subtracts what was added.
        let bytes = bytes.min(u64::MAX - usage.bytes);
        usage.bytes += bytes;
        let sweep = self.sweep;
        let partial = Partial {
            owner,
            bytes,
            sweep,
        };
        self.partials.insert(id.key(), partial);
    }

    fn remove(&mut self, key: Key) {
        let Some(Partial { owner, bytes, .. }) = self.partials.remove(&key) else {
            return;
        };
        if let Some(usage) = self.owners.get_mut(&owner) {
            usage.uploads -= 1;
            usage.bytes -= bytes;
            if usage.uploads == 0 {
                self.owners.remove(&owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(owners: &Owners, owner: &[u8]) -> (u64, u64) {
        let Usage { uploads, bytes } = owners.usage(owner);
        (uploads, bytes)
    }

    #[test]
    fn usage_is_the_sum_of_the_partial_uploads() {
        let owners = Owners::default();
        let ann = [b"1", b"2"].map(|id| Id::new(b"ann", id));
        owners.set(&ann[0], 5);
        owners.set(&ann[1], 7);
        owners.set(&Id::new(b"bob", b"1"), 100);
        assert_eq!(usage(&owners, b"ann"), (2, 12));
        owners.set(&ann[0], 6);
        assert_eq!(usage(&owners, b"ann"), (2, 13));
        owners.remove(ann[1].key());
        owners.remove(ann[1].key());
        assert_eq!(usage(&owners, b"ann"), (1, 6));
        owners.remove(ann[0].key());
        assert_eq!(usage(&owners, b"ann"), (0, 0));
        assert_eq!(usage(&owners, b"bob"), (1, 100));
        assert_eq!(lock(&owners.index).owners.len(), 1);
    }

    #[test]
    fn sum_of_huge_lengths_does_not_overflow() {
        let owners = Owners::default();
        let ids = [b"1", b"2"].map(|id| Id::new(b"", id));
        ids.iter().for_each(|id| owners.set(id, u64::MAX));
        assert_eq!(usage(&owners, b""), (2, u64::MAX));
        ids.iter().for_each(|id| owners.remove(id.key()));
        assert_eq!(usage(&owners, b""), (0, 0));
    }

    #[test]
    fn sweep_removes_entries_without_upload() {
        let owners = Owners::default();
        let ids = [b"1", b"2"].map(|id| Id::new(b"", id));
        ids.iter().for_each(|id| owners.set(id, 1));
        owners.begin_sweep();
        owners.set(&ids[0], 1);
        owners.end_sweep();
        assert_eq!(usage(&owners, b""), (1, 1));
    }
}
