//! The memory of unfinished request heads, and the order in which they leave it.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Instant;

/// The parked connections that have sent a part of a head.
#[derive(Default)]
pub(super) struct UnfinishedHeads {
    /// Size in bytes, start of the parking, and slot.
    heads: BTreeSet<(usize, Reverse<Instant>, usize)>,
    bytes: usize,
}

impl UnfinishedHeads {
    pub(super) fn add(&mut self, bytes: usize, since: Instant, slot: usize) {
        if bytes > 0 && self.heads.insert((bytes, Reverse(since), slot)) {
            self.bytes += bytes;
        }
    }

    pub(super) fn remove(&mut self, bytes: usize, since: Instant, slot: usize) {
        if bytes > 0 && self.heads.remove(&(bytes, Reverse(since), slot)) {
            self.bytes -= bytes;
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the slot of the largest head, and of the oldest among those. An ordinary head is smaller than that of a
    /// client that wants to fill the memory.
    pub(super) fn largest(&self) -> Option<usize> {
        self.heads.last().map(|(_, _, slot)| *slot)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn largest_head_comes_first_and_then_the_oldest() {
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        let mut heads = UnfinishedHeads::default();
        for (bytes, secs, slot) in [(100, 0, 1), (700, 2, 2), (700, 1, 3), (0, 0, 4)] {
            heads.add(bytes, at(secs), slot);
        }
        assert_eq!((heads.bytes(), heads.largest()), (1500, Some(3)));
        heads.remove(700, at(1), 3);
        assert_eq!((heads.bytes(), heads.largest()), (800, Some(2)));
        heads.remove(700, at(2), 2);
        heads.remove(100, at(0), 1);
        heads.remove(0, at(0), 4);
        assert_eq!((heads.bytes(), heads.largest()), (0, None));
    }
}
