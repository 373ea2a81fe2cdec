//! Syncs, and the truncation after a failed one.
//!
//! The order is: record, bytes, marker, names; then the response. Concurrent requests share the syncs.

use std::io;
use std::sync::Arc;

use crate::store::error::Error;
use crate::store::fs::disk::Data;
use crate::store::fs::record::Record;
use crate::store::upload::registry::UploadHandle;
use crate::store::upload::state::{Progress, State};

impl UploadHandle {
    /// Makes the upload durable, and returns its progress. `None`: bytes were lost or removed in the meantime, so the
    /// caller has to look again.
    pub(crate) fn flush(&self) -> Result<Option<Progress>, Error> {
        self.save_record()?;
        self.flush_bytes()
    }

    /// Does the same as `flush`, without the record.
    pub(crate) fn flush_bytes(&self) -> Result<Option<Progress>, Error> {
        let state = self.load()?;
        let (progress, epoch, flush) =
            (state.progress(), state.epoch(), state.durability().flush());
        let published = state.published().map(|published| published.path.clone());
        drop(state);
        if flush.sync_data {
            self.sync_data()?;
        }
        if flush.write_marker {
            self.sync_marker()?;
        }
        if flush.sync_dir {
            self.sync_dirs(published.as_deref())?;
        }
        let mut state = self.lock()?;
        if state.epoch() != epoch {
            return Ok(None);
        }
        state.durability_mut().dir_was_synced(flush);
        self.store_hash_states(&mut state);
        Ok(Some(progress))
    }

    /// Writes the synced length to the marker, and syncs the marker.
    fn sync_marker(&self) -> Result<(), Error> {
        let (length, epoch) = self.write_marker()?;
        self.sync_data()?;
        let mut state = self.lock()?;
        if state.epoch() == epoch {
            state.durability_mut().marker_was_synced(length);
        }
        Ok(())
    }

    /// Writes the synced length to the marker; any later sync makes the marker durable. Returns the length, and the epoch.
    ///
    /// Keeps the state locked, so that a smaller length never replaces a greater one.
    fn write_marker(&self) -> Result<(u64, u64), Error> {
        let mut state = self.lock()?;
        if let (Some(data), Some(length)) = (state.data(), state.durability().stale_marker()) {
            self.disk().write_marker(data, length)?;
            state.durability_mut().marker_was_written(length);
        }
        self.store_hash_states(&mut state);
        Ok((
            state.durability().synced().unwrap_or_default(),
            state.epoch(),
        ))
    }

    /// Syncs the bytes written so far, and writes their number to the marker.
    pub(crate) fn sync_and_mark(&self) -> Result<(), Error> {
        self.sync_data()?;
        self.write_marker().map(drop)
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
        let (length, epoch) = (state.durability_mut().begin_sync(), state.epoch());
        let hashed = state.hashing().map(|hashing| hashing.now.clone());
        drop(state);
        let result = self.disk().sync(&data);
        let Ok(mut state) = self.lock() else {
            return result;
        };
        let is_same_file = state.data().is_some_and(|now| Arc::ptr_eq(now, &data));
        if result.is_ok() && state.epoch() == epoch {
            state.durability_mut().end_sync(length);
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
            self.disk().sync(&data)
        };
        match state.durability().synced() {
            Some(synced) if truncate(synced).is_ok() => state.truncated_to(synced),
            _ => drop(self.poison()),
        }
    }

    /// Makes the names of the upload's files durable, and that of the published file.
    ///
    /// # Errors
    /// The upload is then poisoned: the names on the disk are unknown.
    pub(crate) fn sync_dirs(&self, published: Option<&str>) -> Result<(), Error> {
        let finished = published.map_or(Ok(()), |path| self.disk().sync_published(path));
        let synced = finished.and_then(|()| self.registry.sync_partials());
        synced.map_err(|error| {
            self.poison();
            error.into()
        })
    }

    /// Writes the record if the one on the disk differs. Does not sync its name.
    pub(crate) fn save_record(&self) -> Result<(), Error> {
        if self.load()?.durability().record_clean() {
            return Ok(());
        }
        let _changing = self.lock_change()?;
        let mut state = self.load()?;
        self.share_declared(&mut state)?;
        let unsaved = state.unsaved_record();
        drop(state);
        unsaved.map_or(Ok(()), |record| self.write_record(&record))
    }

    /// Writes the record of a large upload early, once and without a sync: a killed server must not lose the declared
    /// length, name and digests. A response still waits for a synced record.
    pub(crate) fn write_record_early(&self, state: &mut State) {
        let Some(record) = state.unsaved_record() else {
            return;
        };
        if state.has_record_file() {
            return;
        }
        match self.disk().write_record_early(self.key, &record.to_json()) {
            Ok(()) => state.record_file_was_created(),
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
