//! Syncs, and the truncation after a failed one.
//!
//! Record, bytes with marker, and names are synced at the same time; then comes the response. Concurrent requests share the
//! syncs. So a response waits for one running sync and for one more, unless the record replaces another one.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use crate::store::error::Error;
use crate::store::fs::dirs::Dir;
use crate::store::fs::disk::Data;
use crate::store::fs::group_commit::{SyncTask, together};
use crate::store::fs::marker::{MarkerValue, Pending};
use crate::store::fs::record::Record;
use crate::store::fs::record_file::RecordFile;
use crate::store::upload::durability::RecordState;
use crate::store::upload::guard::ChangeGuard;
use crate::store::upload::registry::UploadHandle;
use crate::store::upload::state::{Progress, State};

/// The most bytes that are read back for the checksum in a marker. More are left only by an earlier server, or by writes that
/// are faster than the disk.
const PENDING_MAX: u64 = 256 << 20;

/// A record that has a file, but no sync. Other threads write no record as long as this exists.
struct UnsyncedRecord<'a> {
    file: Arc<RecordFile>,
    /// True if the file was created for this record.
    is_new: bool,
    _changing: ChangeGuard<'a>,
}

impl UploadHandle {
    /// Makes the upload durable, and returns its progress. `None`: bytes were lost or removed in the meantime, so the
    /// caller has to look again.
    pub(crate) fn flush(&self) -> Result<Option<Progress>, Error> {
        self.flush_tolerating(|_| false)
    }

    /// Does the same as `flush`, but without the record if its error `is_tolerated`.
    pub(crate) fn flush_tolerating(
        &self,
        is_tolerated: impl Fn(&Error) -> bool,
    ) -> Result<Option<Progress>, Error> {
        let record = match self.begin_record() {
            Err(error) if is_tolerated(&error) => None,
            record => record?,
        };
        let mut state = self.load()?;
        let (progress, epoch, flush) =
            (state.progress(), state.epoch(), state.durability().flush());
        let mut syncs = match flush.sync_dir {
            true => self.name_syncs(&state),
            false => Vec::new(),
        };
        if flush.write_marker {
            state.durability_mut().want_marker();
        }
        drop(state);
        if let Some(record) = &record {
            syncs.push(self.record_sync(record));
        }
        let needs_data = flush.sync_data || flush.write_marker;
        let sync_data = || match needs_data {
            true => self.sync_marked(progress.offset, epoch),
            false => Ok(()),
        };
        let (data, mut others) = together(syncs, sync_data);
        let record = record.map_or(Ok(()), |record| {
            self.end_record(&record, others.pop().unwrap_or(Ok(())))
        });
        let names = others.into_iter().collect::<io::Result<()>>();
        names.map_err(|error| self.poison_names(error))?;
        data?;
        match record {
            Err(error) if is_tolerated(&error) => {}
            record => record?,
        }
        let mut state = self.lock()?;
        if state.epoch() != epoch {
            return Ok(None);
        }
        state.durability_mut().dir_was_synced(flush);
        if let Err(error) = self.update_marker(&mut state) {
            log::debug!("{}: cannot update the marker: {error}", self.key);
        }
        self.store_hash_states(&mut state);
        Ok(Some(progress))
    }

    /// Syncs the bytes written so far, and a marker with their number. Nearly always in one sync.
    fn sync_marked(&self, offset: u64, epoch: u64) -> Result<(), Error> {
        self.sync_data()?;
        let mut state = self.lock()?;
        if state.epoch() != epoch || state.durability().is_marked(offset) {
            return Ok(());
        }
        self.update_marker(&mut state)?;
        drop(state);
        self.sync_data()
    }

    /// Writes the synced length to the marker, unless the marker contains as much. Does not sync the marker.
    fn update_marker(&self, state: &mut State) -> io::Result<()> {
        if let (Some(data), Some(length)) = (state.data(), state.durability().stale_marker()) {
            self.disk()
                .write_marker(data, MarkerValue::synced(length))?;
            state.durability_mut().marker_was_written(length, length);
        }
        Ok(())
    }

    /// Writes a marker that the next sync makes durable together with the `unmarked` bytes. Returns the length in the marker;
    /// `None` if a marker has to wait for the sync.
    fn mark_pending(&self, data: &Arc<Data>, unmarked: Range<u64>, epoch: u64) -> Option<u64> {
        let (synced, length) = (unmarked.start, unmarked.end);
        if length - synced > PENDING_MAX {
            return None;
        }
        // Without the lock: other requests can read the state, and bytes below the offset do not change within an epoch.
        let crc32 = self.disk().checksum(data, unmarked).ok()?;
        let mut state = self.lock().ok()?;
        if state.epoch() != epoch || !state.durability().may_mark(length) {
            return None;
        }
        let pending = (length > synced).then_some(Pending { length, crc32 });
        let marker = MarkerValue { synced, pending };
        self.disk().write_marker(data, marker).ok()?;
        state.durability_mut().marker_was_written(synced, length);
        Some(length)
    }

    /// Syncs the bytes written so far, and writes their number to the marker.
    pub(crate) fn sync_and_mark(&self) -> Result<(), Error> {
        self.sync_data()?;
        let mut state = self.lock()?;
        self.update_marker(&mut state)?;
        self.store_hash_states(&mut state);
        Ok(())
    }

    /// Syncs the bytes written so far.
    ///
    /// # Errors
    /// If the sync, or one shared with another request, failed. The file is then truncated to the synced length.
    pub(crate) fn sync_data(&self) -> Result<(), Error> {
        Ok(self.data_syncs.share(|| self.sync_round())?)
    }

    fn sync_round(&self) -> io::Result<()> {
        let Ok(mut state) = self.lock() else {
            return Err(io::Error::other(
                "an earlier disk failure poisoned the upload",
            ));
        };
        let Some(data) = state.data().cloned() else {
            return Ok(());
        };
        let (round, epoch) = (state.durability_mut().begin_sync(), state.epoch());
        let hashed = state.hashing().map(|hashing| hashing.now.clone());
        drop(state);
        let pending = round
            .pending_from
            .and_then(|synced| self.mark_pending(&data, synced..round.length, epoch));
        let result = self.disk().sync(&data);
        let Ok(mut state) = self.lock() else {
            return result;
        };
        let is_same_file = state.data().is_some_and(|now| Arc::ptr_eq(now, &data));
        if result.is_ok() && state.epoch() == epoch {
            let marker = pending.unwrap_or(round.marker_before);
            state.durability_mut().end_sync(round.length, marker);
            if let (Some(hashing), Some(hashed)) = (state.hashing_mut(), hashed) {
                hashing.is_synced(hashed);
            }
        } else if result.is_err() && is_same_file {
            // Still within this round: the next sync may succeed although these bytes are lost.
            self.truncate_to_synced(&mut state);
        }
        result
    }

    /// Truncates the file to the synced length, and fences every append. Poisons the upload if that fails.
    pub(crate) fn truncate_to_synced(&self, state: &mut State) {
        state.lose();
        let Some(data) = state.data().cloned() else {
            return;
        };
        let truncate = |synced| {
            self.disk().truncate(&data, synced)?;
            self.disk().sync(&data)?;
            Ok(synced)
        };
        let unknown = || io::Error::other("the synced length is unknown");
        let synced = state.durability().synced().ok_or_else(unknown);
        match synced.and_then(truncate) {
            Ok(synced) => state.truncated_to(synced),
            Err(error) => {
                self.poison(format_args!("cannot truncate to the synced bytes: {error}"));
            }
        }
    }

    /// Makes the names of the upload's files durable, and that of the published file.
    ///
    /// # Errors
    /// The upload is then poisoned: the names on the disk are unknown.
    pub(crate) fn sync_dirs(&self, published: Option<&str>) -> Result<(), Error> {
        let finished = published.map_or(Ok(()), |path| self.disk().sync_published(path));
        let synced = finished.and_then(|()| self.registry.sync_partials());
        synced.map_err(|error| self.poison_names(error))
    }

    fn poison_names(&self, error: io::Error) -> Error {
        self.poison(format_args!("cannot sync the names: {error}"));
        error.into()
    }

    /// Returns the syncs that do the same as `sync_dirs`. An upload whose record has no published path has no entry in the
    /// log.
    fn name_syncs(&self, state: &State) -> Vec<SyncTask> {
        let registry = &self.registry;
        let disk = Arc::clone(&registry.disk);
        let mut syncs: Vec<SyncTask> = vec![Arc::new(move || disk.sync_dir(Dir::Partials))];
        if state.record().is_some_and(|it| it.publishing.is_some()) {
            let registry = Arc::clone(registry);
            syncs.push(Arc::new(move || registry.log.sync()));
        }
        if let Some(published) = state.published() {
            let (disk, path) = (Arc::clone(&registry.disk), published.path.clone());
            syncs.push(Arc::new(move || disk.sync_published(&path)));
        }
        syncs
    }

    /// Writes the record if the one on the disk differs, durably except for its name.
    pub(crate) fn save_record(&self) -> Result<(), Error> {
        let Some(record) = self.begin_record()? else {
            return Ok(());
        };
        let synced = self.record_sync(&record)();
        self.end_record(&record, synced)
    }

    /// Writes the record if the one on the disk differs. Returns the record if its file needs a sync. Only a new file does: one
    /// that replaces another file is synced before.
    fn begin_record(&self) -> Result<Option<UnsyncedRecord<'_>>, Error> {
        if self.load()?.durability().record() == RecordState::Synced {
            return Ok(None);
        }
        let changing = self.lock_change()?;
        let mut state = self.load()?;
        self.share_declared(&mut state)?;
        let has_file = state.has_record_file();
        let (found, record) = (state.durability().record(), state.record().cloned());
        drop(state);
        let Some(record) = record.filter(|_| found != RecordState::Synced) else {
            return Ok(None);
        };
        let written = match found {
            RecordState::Written => self.disk().open_record(self.key)?,
            _ => None,
        };
        let is_new = written.is_none();
        let file = match written {
            Some(written) => Some(written),
            None if has_file || record.publishing.is_some() => None,
            None => self.disk().create_record(self.key, &record.to_json())?,
        };
        let Some(file) = file else {
            self.write_record(&record)?;
            return Ok(None);
        };
        if is_new {
            self.lock()?.record_file_was_created(&record);
        }
        Ok(self.disk().durable.then(|| UnsyncedRecord {
            file: file.into(),
            is_new,
            _changing: changing,
        }))
    }

    fn record_sync(&self, record: &UnsyncedRecord<'_>) -> SyncTask {
        let (disk, file) = (Arc::clone(&self.registry.disk), Arc::clone(&record.file));
        Arc::new(move || disk.sync_record(&file))
    }

    /// Handles the end of the sync of a record.
    ///
    /// After a failure, a later sync of the same file would succeed, although the record is lost. So another file replaces a
    /// record of before. A new one is removed, and the next flush writes it.
    fn end_record(&self, record: &UnsyncedRecord<'_>, synced: io::Result<()>) -> Result<(), Error> {
        let mut state = self.lock()?;
        if synced.is_ok() {
            state.durability_mut().record_was_synced();
            return Ok(());
        }
        state.durability_mut().record_changed();
        let saved = state.record().filter(|_| !record.is_new).cloned();
        drop(state);
        if saved.is_none_or(|saved| self.write_record(&saved).is_err()) {
            self.disk().discard_record(self.key);
            self.lock()?.record_file_was_removed();
        }
        Ok(synced?)
    }

    /// Writes the record of a large upload early, once and without a sync: a killed server must not lose the declared
    /// length, name and digests. A response still waits for a synced record.
    pub(crate) fn write_record_early(&self, state: &mut State) {
        let Some(record) = state.unsaved_record() else {
            return;
        };
        // The record of a full upload belongs to its publisher, which may be writing it to the log.
        if state.has_record_file() || state.is_full() {
            return;
        }
        match self.disk().create_record(self.key, &record.to_json()) {
            Ok(Some(_)) => state.record_file_was_created(&record),
            Ok(None) => {}
            Err(error) => log::debug!("{}: cannot write the record early: {error}", self.key),
        }
    }

    /// Writes `record`: to the log if it is the first one, and the upload is complete. The caller holds the `ChangeGuard`.
    pub(crate) fn write_record(&self, record: &Record) -> Result<(), Error> {
        if self.is_shared() {
            return self.write_record_locked(&mut *self.lock()?, record);
        }
        let mut state = self.lock()?;
        state.durability_mut().record_changed();
        let is_file = state.has_record_file() || record.publishing.is_none();
        drop(state);
        let text = record.to_json();
        match is_file {
            true => self.disk().save_record(self.key, &text)?,
            false => self.registry.log.append(self.key, &text)?,
        }
        self.lock()?.record_was_written(record, is_file);
        Ok(())
    }

    /// Writes new declarations at once if there are other servers: they see files, not memory.
    pub(crate) fn share_declared(&self, state: &mut State) -> Result<(), Error> {
        match state.unsaved_record() {
            Some(record) if self.is_shared() => self.write_record_locked(state, &record),
            _ => Ok(()),
        }
    }

    fn write_record_locked(&self, state: &mut State, record: &Record) -> Result<(), Error> {
        state.durability_mut().record_changed();
        self.disk().save_record(self.key, &record.to_json())?;
        state.record_was_written(record, true);
        state.replace_record(Arc::new(record.clone()));
        Ok(())
    }

    /// Returns the data file. Creates it if there is none.
    pub(crate) fn data_file(&self, state: &mut State) -> io::Result<Arc<Data>> {
        if let Some(data) = state.data() {
            return Ok(Arc::clone(data));
        }
        let data = Arc::new(self.registry.create_data(self.key)?);
        state.created(Arc::clone(&data));
        Ok(data)
    }
}
