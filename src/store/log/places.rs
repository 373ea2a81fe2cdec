//! Where the lines of the journal are, under a lock of their own: who asks whether there is one does not wait for the
//! disk to take another.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::store::id::Key;

/// Where a line is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) page: u32,
    pub(crate) at: u32,
}

impl Place {
    pub(crate) fn new(page: u32, at: u64) -> Place {
        // No page of ours gets that long, and no line is read there.
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        Place { page, at }
    }
}

/// The place of the newest line about each upload, unless that says that it is forgotten.
#[derive(Default)]
pub(crate) struct Places {
    /// `None`: nothing was read yet.
    known: Mutex<Option<BTreeMap<Key, Place>>>,
}

impl Places {
    /// The pages were read, and this is what there is.
    pub(crate) fn are(&self, read: BTreeMap<Key, Place>) {
        *self.known() = Some(read);
    }

    pub(crate) fn are_read(&self) -> bool {
        self.known().is_some()
    }

    /// Whether there is one about `key`; `None` before they are read.
    pub(crate) fn has(&self, key: Key) -> Option<bool> {
        Some(self.known().as_ref()?.contains_key(&key))
    }

    pub(crate) fn of(&self, key: Key) -> Option<Place> {
        self.known().as_ref()?.get(&key).copied()
    }

    pub(crate) fn keys(&self) -> Vec<Key> {
        self.keys_where(|_| true)
    }

    pub(crate) fn keys_in(&self, page: u32) -> Vec<Key> {
        self.keys_where(|place| place.page == page)
    }

    pub(crate) fn set(&self, key: Key, place: Place) {
        if let Some(places) = &mut *self.known() {
            places.insert(key, place);
        }
    }

    pub(crate) fn remove(&self, key: Key) {
        if let Some(places) = &mut *self.known() {
            places.remove(&key);
        }
    }

    /// Removes those in `page`, and answers how many they were.
    pub(crate) fn remove_all_in(&self, page: u32) -> usize {
        let mut known = self.known();
        let Some(places) = &mut *known else {
            return 0;
        };
        let before = places.len();
        places.retain(|_, place| place.page != page);
        before - places.len()
    }

    fn keys_where(&self, is_wanted: impl Fn(&Place) -> bool) -> Vec<Key> {
        let known = self.known();
        let places = known.iter().flatten();
        let wanted = places.filter(|(_, place)| is_wanted(place));
        wanted.map(|(key, _)| *key).collect()
    }

    fn known(&self) -> MutexGuard<'_, Option<BTreeMap<Key, Place>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
