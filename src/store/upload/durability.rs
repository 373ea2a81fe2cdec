//! Bytes, marker, directory entries and record of one upload: what is written, and what a power loss leaves.

use std::mem;

/// The lengths in the marker of a loaded data file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marker {
    /// The file system has no user extended attributes: lengths are trusted.
    Unsupported,
    /// The synced length, and the greatest length. Both are 0 if the file has no marker.
    Lengths { synced: u64, end: u64 },
}

/// The record on the disk, beside the one in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordState {
    /// It differs, or there is none.
    Stale,
    /// It is the same, in a file that no sync has confirmed.
    Written,
    /// It is the same, and durable as soon as its name is.
    Synced,
}

/// The parts of an upload that are durable for certain when it is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Confirmed {
    /// None: an earlier process may have written the files a moment before it was killed.
    Nothing,
    /// Names, record and marker. Bytes are durable up to the marker.
    Marked,
    /// Everything: the upload was durable when it left memory.
    All,
}

/// The written and the durable parts of an upload.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Durability {
    /// False with `--sync fast`: there are no syncs, and written bytes count as synced.
    has_syncs: bool,
    /// The length of the data file, or of the published file.
    offset: u64,
    /// The length that the last successful sync has confirmed. `None`: an earlier process wrote the file.
    synced: Option<u64>,
    /// The synced length last written to the marker.
    marker_written: u64,
    /// The greatest length in the marker: the pending one, if there is one.
    marker_end: u64,
    /// The length that the marker on the disk confirms. `u64::MAX` if the upload needs no marker.
    marker_durable: u64,
    /// True if a caller waits for a sync that confirms a marker too.
    marker_wanted: bool,
    /// Bytes written since the last sync of the data file began.
    dirty_bytes: u64,
    /// The number of directory entries created or replaced.
    dir_changes: u32,
    /// The number of them that a sync has confirmed.
    dir_synced: u32,
    record: RecordState,
}

/// One sync of the data file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SyncRound {
    /// The length that the sync confirms.
    pub(crate) length: u64,
    /// The synced length before the sync, if the sync is to confirm a marker with a pending length too.
    pub(crate) pending_from: Option<u64>,
    /// The length in the marker before the sync, which the sync confirms.
    pub(crate) marker_before: u64,
}

/// The steps that make an upload durable, as of one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flush {
    pub(crate) sync_data: bool,
    pub(crate) write_marker: bool,
    pub(crate) sync_dir: bool,
    /// The directory changes that this flush confirms.
    dir_changes: u32,
}

impl Durability {
    /// Returns the state of an upload without files.
    pub(crate) fn new(has_syncs: bool) -> Self {
        Self {
            has_syncs,
            offset: 0,
            synced: Some(0),
            marker_written: 0,
            marker_end: 0,
            marker_durable: 0,
            marker_wanted: false,
            dirty_bytes: 0,
            dir_changes: 0,
            dir_synced: 0,
            record: RecordState::Synced,
        }
    }

    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    pub(crate) fn synced(&self) -> Option<u64> {
        self.synced
    }

    pub(crate) fn marker_written(&self) -> u64 {
        self.marker_written
    }

    pub(crate) fn dirty_bytes(&self) -> u64 {
        self.dirty_bytes
    }

    pub(crate) fn record(&self) -> RecordState {
        self.record
    }

    pub(crate) fn has_marker(&self) -> bool {
        self.marker_end > 0
    }

    /// Returns whether a power loss leaves everything that is written.
    pub(crate) fn is_durable(&self) -> bool {
        let flush = self.flush();
        let is_record_durable = self.record == RecordState::Synced;
        is_record_durable && !flush.sync_data && !flush.write_marker && !flush.sync_dir
    }

    /// Returns the steps that make everything durable except the record.
    pub(crate) fn flush(&self) -> Flush {
        Flush {
            sync_data: self.synced != Some(self.offset),
            write_marker: self.has_syncs && self.marker_durable < self.offset,
            sync_dir: self.has_syncs && self.dir_synced != self.dir_changes,
            dir_changes: self.dir_changes,
        }
    }

    /// Notes the files that a lookup found.
    pub(crate) fn load(
        &mut self,
        offset: u64,
        marker: Option<Marker>,
        has_files: bool,
        confirmed: Confirmed,
    ) {
        let is_confirmed = confirmed != Confirmed::Nothing;
        self.offset = offset;
        self.dir_changes += u32::from(has_files && !is_confirmed);
        (self.marker_written, self.marker_end, self.marker_durable) = match marker {
            Some(Marker::Lengths { synced, end }) if is_confirmed => (synced, end, synced),
            // A file that is marked by an earlier process may have a marker that is not on the disk yet.
            Some(Marker::Lengths { synced, end }) => (synced, end, 0),
            Some(Marker::Unsupported) => (0, 0, u64::MAX),
            None => (0, 0, offset),
        };
        let is_marked = marker.is_none() || self.marker_written == offset;
        let is_synced = is_marked || confirmed == Confirmed::All || !self.has_syncs;
        self.synced = is_synced.then_some(offset);
    }

    /// Notes that a sync of the same upload by another server has confirmed `length` bytes, unless more is known.
    pub(crate) fn trust(&mut self, length: u64) {
        self.synced.get_or_insert(length.min(self.offset));
    }

    pub(crate) fn wrote(&mut self, bytes: u64) {
        self.offset += bytes;
        self.dirty_bytes += bytes;
        if !self.has_syncs {
            self.synced = Some(self.offset);
        }
    }

    #[cfg(test)]
    pub(crate) fn set_dirty_bytes(&mut self, bytes: u64) {
        self.dirty_bytes = bytes;
    }

    /// Notes that a sync of all bytes begins soon.
    pub(crate) fn will_sync(&mut self) {
        self.dirty_bytes = 0;
    }

    /// Has the next sync of the data file confirm a marker too.
    pub(crate) fn want_marker(&mut self) {
        self.marker_wanted = true;
    }

    pub(crate) fn begin_sync(&mut self) -> SyncRound {
        self.dirty_bytes = 0;
        let is_wanted = mem::take(&mut self.marker_wanted) && self.marker_durable < self.offset;
        let synced = self.synced.unwrap_or(self.marker_written);
        // Another process may have reported a pending length. A new marker must not confirm less, so it waits for a sync.
        let has_pending = synced < self.marker_end && self.marker_end <= self.offset;
        let may_mark = self.marker_written < self.offset && !has_pending;
        SyncRound {
            length: self.offset,
            pending_from: (is_wanted && may_mark).then_some(synced),
            marker_before: self.marker_written,
        }
    }

    /// Notes that a sync has confirmed `length` bytes, and a marker with the length `marker`.
    pub(crate) fn end_sync(&mut self, length: u64, marker: u64) {
        self.synced = Some(length);
        self.marker_durable = self.marker_durable.max(marker);
    }

    pub(crate) fn truncated_to(&mut self, synced: u64) {
        (self.offset, self.dirty_bytes) = (synced, 0);
    }

    /// Returns the synced length if the marker contains less.
    pub(crate) fn stale_marker(&self) -> Option<u64> {
        let is_stale = |synced: &u64| self.marker_written < *synced && self.may_mark(*synced);
        self.synced
            .filter(|synced| self.has_syncs && is_stale(synced))
    }

    /// Returns whether a marker that ends at `length` may replace the one of the file. A smaller length never replaces a
    /// greater one, unless the file was truncated meanwhile.
    pub(crate) fn may_mark(&self, length: u64) -> bool {
        self.marker_end <= length || self.marker_end > self.offset
    }

    /// Returns whether the marker on the disk confirms `length` bytes.
    pub(crate) fn is_marked(&self, length: u64) -> bool {
        !self.has_syncs || self.marker_durable >= length
    }

    /// Notes that the marker has a synced length, and ends at `end`.
    pub(crate) fn marker_was_written(&mut self, synced: u64, end: u64) {
        (self.marker_written, self.marker_end) = (synced, end);
    }

    /// Notes that the marker was removed, before the file gets its name.
    pub(crate) fn marker_was_removed(&mut self) {
        (self.marker_written, self.marker_end, self.marker_durable) = (0, 0, 0);
    }

    pub(crate) fn dir_changed(&mut self) {
        self.dir_changes += 1;
    }

    pub(crate) fn dir_was_synced(&mut self, flush: Flush) {
        self.dir_synced = self.dir_synced.max(flush.dir_changes);
    }

    pub(crate) fn record_changed(&mut self) {
        self.record = RecordState::Stale;
    }

    /// Notes that a file without a sync has the record.
    pub(crate) fn record_was_written(&mut self) {
        self.record = match self.has_syncs {
            true => RecordState::Written,
            false => RecordState::Synced,
        };
    }

    pub(crate) fn record_was_synced(&mut self) {
        if self.record == RecordState::Written {
            self.record = RecordState::Synced;
        }
    }

    pub(crate) fn record_was_saved(&mut self) {
        self.record = RecordState::Synced;
    }

    /// Notes that the data file has its published name: it needs no marker any more.
    pub(crate) fn published(&mut self) {
        self.synced = Some(self.offset);
        self.marker_durable = u64::MAX;
        self.dir_changed();
    }

    /// Notes that the data file is gone. Directory changes stay: the removal is one.
    pub(crate) fn data_removed(&mut self) {
        *self = Self {
            dir_changes: self.dir_changes,
            dir_synced: self.dir_synced,
            record: self.record,
            ..Self::new(self.has_syncs)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flush(durability: &Durability) -> (bool, bool, bool) {
        let flush = durability.flush();
        (flush.sync_data, flush.write_marker, flush.sync_dir)
    }

    #[test]
    fn written_bytes_need_sync_marker_and_dir_sync() {
        let mut durability = Durability::new(true);
        assert!(durability.is_durable());
        durability.dir_changed();
        durability.wrote(5);
        assert_eq!(flush(&durability), (true, true, true));
        let steps = durability.flush();
        durability.want_marker();
        let round = durability.begin_sync();
        assert_eq!((round.length, round.pending_from), (5, Some(0)));
        durability.wrote(3);
        durability.marker_was_written(0, 5);
        durability.end_sync(round.length, 5);
        assert_eq!(
            (durability.dirty_bytes(), durability.synced()),
            (3, Some(5))
        );
        assert_eq!(durability.stale_marker(), Some(5));
        durability.marker_was_written(5, 5);
        assert_eq!(durability.stale_marker(), None);
        durability.dir_was_synced(steps);
        assert_eq!(flush(&durability), (true, true, false));
        durability.truncated_to(5);
        assert!(durability.is_durable());
        durability.record_changed();
        assert!(!durability.is_durable());
    }

    #[test]
    fn pending_marker_is_not_replaced_by_a_shorter_one() {
        let mut durability = Durability::new(true);
        durability.wrote(8);
        durability.marker_was_written(0, 8);
        assert!(durability.may_mark(8) && !durability.may_mark(5));
        durability.end_sync(5, 0);
        assert_eq!(durability.stale_marker(), None);
        durability.truncated_to(5);
        assert_eq!(durability.stale_marker(), Some(5));
    }

    #[test]
    fn record_that_changes_during_its_sync_is_stale() {
        let mut durability = Durability::new(true);
        durability.record_was_written();
        assert!(!durability.is_durable());
        durability.record_changed();
        durability.record_was_synced();
        assert_eq!(durability.record(), RecordState::Stale);
    }

    #[test]
    fn dir_change_during_a_flush_needs_another() {
        let mut durability = Durability::new(true);
        durability.dir_changed();
        let steps = durability.flush();
        durability.dir_changed();
        durability.dir_was_synced(steps);
        assert!(durability.flush().sync_dir);
    }

    #[test]
    fn loaded_file_is_synced_only_if_its_marker_says_so() {
        for (marker, expected) in [
            (marker(8), (false, true, true)),
            (marker(4), (true, true, true)),
            (Marker::Unsupported, (true, false, true)),
        ] {
            let loaded = loaded(Some(marker), Confirmed::Nothing);
            assert_eq!(flush(&loaded), expected, "{marker:?}");
        }
        let complete = loaded(None, Confirmed::Nothing);
        assert_eq!(flush(&complete), (false, false, true));
    }

    #[test]
    fn confirmed_files_need_only_the_sync_of_unmarked_bytes() {
        for (marker, expected) in [
            (Some(marker(8)), (false, false, false)),
            (Some(marker(4)), (true, true, false)),
            (Some(Marker::Unsupported), (true, false, false)),
            (None, (false, false, false)),
        ] {
            let marked = loaded(marker, Confirmed::Marked);
            assert_eq!(flush(&marked), expected, "{marker:?}");
        }
        for marker in [marker(8), Marker::Unsupported] {
            assert!(loaded(Some(marker), Confirmed::All).is_durable());
        }
    }

    fn marker(synced: u64) -> Marker {
        Marker::Lengths {
            synced,
            end: synced,
        }
    }

    fn loaded(marker: Option<Marker>, confirmed: Confirmed) -> Durability {
        let mut durability = Durability::new(true);
        durability.load(8, marker, true, confirmed);
        durability
    }

    #[test]
    fn without_syncs_every_state_is_durable() {
        let mut durability = Durability::new(false);
        durability.load(8, Some(marker(0)), true, Confirmed::Nothing);
        durability.wrote(5);
        durability.dir_changed();
        assert!(durability.is_durable());
        assert_eq!(durability.synced(), Some(13));
    }

    #[test]
    fn removed_data_leaves_its_dir_changes() {
        let mut durability = Durability::new(true);
        durability.wrote(5);
        durability.dir_changed();
        durability.data_removed();
        assert_eq!(
            (durability.offset(), flush(&durability)),
            (0, (false, false, true))
        );
    }
}
