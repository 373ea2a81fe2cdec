//! Which uploads may have files in `.resumed`: a filter, so that nothing is looked for of one that has only begun.
//!
//! To look for what is not there costs a small upload more than its bytes do: each time the directory is locked,
//! against those who make files in it. A sweep reads all names in any case, and notes them here; the filter is of use
//! once one is through, and the next makes a new one, free of what has gone. An upload that comes in one request leaves
//! no file here, and so no trace: else a busy hour would fill the filter.
//!
//! Several servers in one directory cannot have it. Nor does it know what a hand puts into `.resumed` under a running
//! server: that is found after the next sweep.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::store::id::Key;
use crate::store::options::Sharing;

/// Bits of a map: 16 KiB. Of what has only begun one in 130 is looked for beside 1,000 uploads, half beside 90,000.
const BITS: usize = 1 << 17;

/// The filter.
pub(crate) struct Known {
    maps: Mutex<Maps>,
    sharing: Sharing,
}

#[derive(Default)]
struct Maps {
    /// Has all there is; there is none before the first count.
    asked: Option<Map>,
    /// Will have, once the count is through.
    counted: Option<Map>,
}

struct Map(Box<[u64]>);

/// All names are being read. Where that ends early, nothing has changed.
pub(crate) struct Count<'a>(&'a Known);

impl Known {
    pub(crate) fn new(sharing: Sharing) -> Self {
        let maps = Mutex::default();
        Self { maps, sharing }
    }

    /// Whether there may be files of `key`. For whoever holds the upload.
    pub(crate) fn may_have(&self, key: Key) -> bool {
        self.maps().asked.as_ref().is_none_or(|map| map.has(key))
    }

    /// There is a file of `key`. Said after it was made, before the upload leaves memory: until then it is not looked
    /// for, and a count that begins in between finds the file.
    pub(crate) fn note(&self, key: Key) {
        let maps = &mut *self.maps();
        for map in [&mut maps.asked, &mut maps.counted].into_iter().flatten() {
            map.note(key);
        }
    }

    /// Begins to count anew, before the first name is read; not while somebody else does.
    pub(crate) fn count(&self) -> Option<Count<'_>> {
        let mut maps = self.maps();
        let may_count = maps.counted.is_none() && self.sharing == Sharing::Alone;
        may_count.then(|| {
            maps.counted = Some(Map::new());
            Count(self)
        })
    }

    fn maps(&self) -> MutexGuard<'_, Maps> {
        self.maps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Count<'_> {
    /// All names were read, and noted.
    pub(crate) fn end(self) {
        let mut maps = self.0.maps();
        maps.asked = maps.counted.take();
    }
}

impl Drop for Count<'_> {
    fn drop(&mut self) {
        self.0.maps().counted = None;
    }
}

impl Map {
    fn new() -> Self {
        Self(vec![0; BITS / 64].into())
    }

    fn has(&self, key: Key) -> bool {
        let (word, bit) = place(key);
        self.0[word] & bit != 0
    }

    fn note(&mut self, key: Key) {
        let (word, bit) = place(key);
        self.0[word] |= bit;
    }
}

/// The word of a map, and the bit in it. A key is a hash already.
fn place(key: Key) -> (usize, u64) {
    let bit = key.bits() as usize % BITS;
    (bit / 64, 1 << (bit % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn until_all_was_counted_there_may_be_anything() {
        let known = Known::new(Sharing::Alone);
        let [old, new, other] = [b"old", b"new", b"etc"].map(|id| Key::of(b"", id));
        drop(known.count().unwrap());
        assert!(known.may_have(other));

        let count = known.count().unwrap();
        assert!(known.count().is_none());
        known.note(old);
        known.note(new);
        count.end();
        assert!(known.may_have(old) && known.may_have(new) && !known.may_have(other));

        let count = known.count().unwrap();
        known.note(new);
        assert!(known.may_have(old), "the count is not through");
        count.end();
        assert!(!known.may_have(old) && known.may_have(new));
    }

    #[test]
    fn where_others_make_files_too_there_may_always_be_some() {
        assert!(Known::new(Sharing::Shared).count().is_none());
    }
}
