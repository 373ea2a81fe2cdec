//! Bytes, marker, directory entries and record of one upload: what is written, and what a power loss leaves.

/// The length that the marker of a loaded data file contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marker {
    /// The file system has no user extended attributes: lengths are trusted.
    Unsupported,
    /// The synced length; 0 if the file has no marker.
    Length(u64),
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
    /// The same, once the marker itself is on the disk. `u64::MAX` if the upload needs no marker.
    marker_durable: u64,
    /// Bytes written since the last sync of the data file began.
    dirty_bytes: u64,
    /// The number of directory entries created or replaced.
    dir_changes: u32,
    /// The number of them that a sync has confirmed.
    dir_synced: u32,
    /// True if the record on the disk equals the one in memory.
    record_clean: bool,
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
            marker_durable: 0,
            dirty_bytes: 0,
            dir_changes: 0,
            dir_synced: 0,
            record_clean: true,
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

    pub(crate) fn record_clean(&self) -> bool {
        self.record_clean
    }

    /// Returns whether a power loss leaves everything that is written.
    pub(crate) fn is_durable(&self) -> bool {
        let flush = self.flush();
        self.record_clean && !flush.sync_data && !flush.write_marker && !flush.sync_dir
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
        (self.marker_written, self.marker_durable) = match marker {
            Some(Marker::Length(length)) if is_confirmed => (length, length),
            // A file that is marked by an earlier process may have a marker that is not on the disk yet.
            Some(Marker::Length(length)) => (length, 0),
            Some(Marker::Unsupported) => (0, u64::MAX),
            None => (0, offset),
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

    /// Begins a sync of the data file. Returns the length that the sync will confirm.
    pub(crate) fn begin_sync(&mut self) -> u64 {
        self.dirty_bytes = 0;
        self.offset
    }

    pub(crate) fn end_sync(&mut self, length: u64) {
        self.synced = Some(length);
    }

    /// Notes that the file was truncated to the synced length.
    pub(crate) fn truncated_to(&mut self, synced: u64) {
        (self.offset, self.dirty_bytes) = (synced, 0);
    }

    /// Returns the synced length if the marker contains less.
    pub(crate) fn stale_marker(&self) -> Option<u64> {
        self.synced.filter(|synced| self.marker_written < *synced)
    }

    pub(crate) fn marker_was_written(&mut self, length: u64) {
        self.marker_written = length;
    }

    pub(crate) fn marker_was_synced(&mut self, length: u64) {
        self.marker_durable = self.marker_durable.max(length);
    }

    /// Notes that the marker was removed, before the file gets its name.
    pub(crate) fn marker_was_removed(&mut self) {
        (self.marker_written, self.marker_durable) = (0, 0);
    }

    pub(crate) fn dir_changed(&mut self) {
        self.dir_changes += 1;
    }

    pub(crate) fn dir_was_synced(&mut self, flush: Flush) {
        self.dir_synced = self.dir_synced.max(flush.dir_changes);
    }

    pub(crate) fn record_changed(&mut self) {
        self.record_clean = false;
    }

    pub(crate) fn record_was_saved(&mut self) {
        self.record_clean = true;
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
            record_clean: self.record_clean,
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
        let length = durability.begin_sync();
        durability.wrote(3);
        durability.end_sync(length);
        assert_eq!(
            (durability.dirty_bytes(), durability.synced()),
            (3, Some(5))
        );
        assert_eq!(durability.stale_marker(), Some(5));
        durability.marker_was_written(5);
        assert_eq!(durability.stale_marker(), None);
        durability.marker_was_synced(5);
        durability.dir_was_synced(steps);
        assert_eq!(flush(&durability), (true, true, false));
        durability.truncated_to(5);
        assert!(durability.is_durable());
        durability.record_changed();
        assert!(!durability.is_durable());
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
            (Marker::Length(8), (false, true, true)),
            (Marker::Length(4), (true, true, true)),
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
            (Some(Marker::Length(8)), (false, false, false)),
            (Some(Marker::Length(4)), (true, true, false)),
            (Some(Marker::Unsupported), (true, false, false)),
            (None, (false, false, false)),
        ] {
            let marked = loaded(marker, Confirmed::Marked);
            assert_eq!(flush(&marked), expected, "{marker:?}");
        }
        for marker in [Marker::Length(8), Marker::Unsupported] {
            assert!(loaded(Some(marker), Confirmed::All).is_durable());
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
        durability.load(8, Some(Marker::Length(0)), true, Confirmed::Nothing);
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
