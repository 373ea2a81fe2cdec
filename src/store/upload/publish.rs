//! Publishing: a complete upload gets its name in one step, and replaces nothing else.
//!
//! The order is: bytes durable; record with the path, durable; rename; both directories durable; response. After a
//! crash, the next request loads the files and continues here.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::Mode;
use rustix::io::Errno;

use crate::store::error::Error;
use crate::store::fs::copy::Copy;
use crate::store::fs::disk::Data;
use crate::store::fs::hashed::Digest;
use crate::store::fs::record::{Hook, Record};
use crate::store::fs::space::Floor;
use crate::store::id::Id;
use crate::store::obstacle::ObstacleKind;
use crate::store::options::OnConflict;
use crate::store::upload::completed::Completed;
use crate::store::upload::durability::RecordState;
use crate::store::upload::info::Expiry;
use crate::store::upload::registry::UploadHandle;
use crate::store::upload::request::AppendRequest;
use crate::store::upload::state::{Progress, State};
use crate::sync::{Planted, is_planted};

/// The result of an append.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finished {
    /// The durable progress.
    pub progress: Progress,
    /// The file, if this call published it.
    pub published: Option<Completed>,
    /// The path of the file, if the upload is complete: also if an earlier call published it.
    pub path: Option<PathBuf>,
    /// The time at which the upload expires if no more bytes come; `None` if it is complete.
    pub expires: Option<Expiry>,
    /// The SHA-256 of the complete file, if it is known.
    pub sha256: Option<Digest>,
    /// `None` if this append declared no CRC-32. True if the CRC-32 is that of the complete file. False if the server
    /// knows none, because no request had asked for it before the file was complete.
    pub is_compared: Option<bool>,
}

impl UploadHandle {
    /// Returns the progress, durably. Publishes a full upload first, and returns the finished file.
    pub(crate) fn flush_or_publish(&self) -> Result<(Progress, Option<Completed>), Error> {
        let mut published = None;
        loop {
            let state = self.load()?;
            if state.is_reportable() {
                return Ok((state.progress(), published));
            }
            let is_full = state.is_full();
            drop(state);
            let reached = match is_full {
                true => match self.publish() {
                    Ok(finished) => {
                        published = finished.published.or(published);
                        Some(finished.progress)
                    }
                    // The file was published and removed in the meantime, or its digest was wrong.
                    Err(Error::Superseded | Error::DigestDiffers | Error::Differs(_)) => None,
                    Err(error) => return Err(error),
                },
                // A full disk may have no room for a record. The bytes are kept without one.
                false => self.flush_tolerating(|error| {
                    matches!(error, Error::StorageFull(_) | Error::FileTooLarge(_))
                })?,
            };
            if let Some(progress) = reached {
                return Ok((progress, published));
            }
        }
    }

    /// Publishes a full upload. Returns its progress too if another request has published it.
    ///
    /// # Errors
    /// `Superseded` if the upload is no longer full: a failed sync of another request lost bytes, or it was cancelled.
    /// `DigestDiffers`: the upload is removed. `NotPublished`, `Displaced`: it is not changed.
    pub(crate) fn publish(&self) -> Result<Finished, Error> {
        let published = self.publish_in_place();
        if let Err(Error::NotPublished(_) | Error::Displaced(_)) = published {
            // The declared length may be in memory only. A later server needs it to see that the upload is full.
            if let Err(error) = self.flush() {
                log::debug!("{}: cannot store the record: {error}", self.key);
            }
        }
        published
    }

    fn publish_in_place(&self) -> Result<Finished, Error> {
        let mut copied = None;
        loop {
            self.check_no_copy()?;
            self.check_whole()?;
            self.disk().check_in_place()?;
            match self.publish_checked() {
                Ok(Some(mut finished)) => {
                    finished.published = finished.published.or(copied);
                    return Ok(finished);
                }
                Ok(None) => {}
                Err(Error::NotPublished(obstacle)) if obstacle.is_elsewhere() => {
                    copied = self.copy_soon()?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Publishes the upload. `None` if it has bytes that were not checked.
    fn publish_checked(&self) -> Result<Option<Finished>, Error> {
        let changing = self.lock_change()?;
        let mut state = self.load()?;
        let checks_again = !is_planted(Planted::StalePhase);
        if state.is_complete() && checks_again {
            let (sha256, path) = (state.digest(), self.path(&state));
            drop((state, changing));
            let (progress, published) = self.flush_or_publish()?;
            // The upload may be cancelled as soon as the state is unlocked.
            if !progress.complete {
                return Err(Error::Superseded);
            }
            return Ok(Some(Finished {
                progress,
                published,
                path,
                expires: None,
                sha256,
                is_compared: None,
            }));
        }
        if !state.is_full() && checks_again {
            return Err(Error::Superseded);
        }
        let mut record = state.record().cloned().ok_or(Error::Superseded)?;
        if state.is_unpublished() {
            let is_hashed = self.is_hashed(&state);
            if !is_hashed || state.note_hashed(Arc::make_mut(&mut record)).is_err() {
                return Ok(None);
            }
        }
        let data = self.data_file(&mut state)?;
        // An empty file needs a sync too: btrfs may keep the removal of the old name without the new name.
        let is_synced = !state.durability().flush().sync_data && state.offset() > 0;
        let epoch = state.epoch();
        drop(state);
        if !is_synced {
            self.sync_data()?;
            if self.lock()?.epoch() != epoch {
                return Err(Error::Superseded);
            }
        }
        let last_byte = self.disk().modified_of(&data)?;
        if let Err(error) = self.name_and_move(&mut record, None) {
            // With the client's time the upload could expire.
            if let Err(error) = self.disk().set_modified(&data, last_byte) {
                log::debug!(
                    "{}: cannot set the time of the data file: {error}",
                    self.key
                );
            }
            return Err(self.not_published(&record, error));
        }
        self.moved(record).map(Some)
    }

    /// Handles a failure to move the file to its name.
    pub(crate) fn not_published(&self, record: &Record, error: Error) -> Error {
        match error {
            Error::Io(error) | Error::StorageFull(error) | Error::FileTooLarge(error)
                if !self.is_poisoned() =>
            {
                let obstacle = self.obstacle(error, record);
                if !obstacle.is_elsewhere() {
                    self.registry.blocked.warn(self.key, &obstacle);
                    self.registry.blocked.add(self.key, record, &obstacle);
                }
                Error::NotPublished(obstacle)
            }
            error => error,
        }
    }

    /// Checks whether the folder of the file would refuse it, as far as this shows before the file exists. Returns the
    /// number of folders in its path.
    ///
    /// # Errors
    /// `NotPublished`, `NoSpace`.
    pub(crate) fn check_folder(
        &self,
        state: &State,
        id: &Id,
        request: &AppendRequest,
    ) -> Result<u64, Error> {
        let declared = state
            .record()
            .and_then(|record| record.file.name.as_deref());
        let name = declared.or(request.file.name.as_deref());
        let wanted = self.wanted(id, name);
        let length = state.length().or(request.length);
        let floor = Floor::from(&self.registry.options);
        let error = match self.disk().foresee(&wanted, length, floor) {
            Ok(None) => return Ok(wanted.folder_count() as u64),
            Ok(Some(limit)) => return Err(Error::NoSpace(limit)),
            Err(error) => error,
        };
        let obstacle = self.obstacle_at(error, id, wanted.path());
        match obstacle.kind {
            // Any other error shows when the file is published.
            ObstacleKind::Passing | ObstacleKind::NoSpace => Ok(wanted.folder_count() as u64),
            ObstacleKind::Refused | ObstacleKind::TooLarge => {
                self.registry.blocked.warn(self.key, &obstacle);
                Err(Error::NotPublished(obstacle))
            }
        }
    }

    /// Writes the record with the published path, durably.
    pub(crate) fn save_publishing(&self, record: &Arc<Record>) -> Result<(), Error> {
        let state = self.lock()?;
        let is_same = state.record() == Some(record);
        let durability = state.durability();
        let is_synced = durability.record() == RecordState::Synced;
        let is_durable = is_same && is_synced && !durability.flush().sync_dir;
        drop(state);
        if is_durable {
            return Ok(());
        }
        self.write_record(record)?;
        self.lock()?.replace_record(Arc::clone(record));
        self.sync_dirs(None)
    }

    /// Sets the client's time on the file, and removes the marker and the hash states. The record is durable by now: until
    /// then the sweep needs the time of the last byte, and a power loss needs the marker.
    pub(crate) fn finalize_attributes(&self, record: &Record) -> Result<(), Error> {
        let mut state = self.lock()?;
        let Some(data) = state.data().cloned() else {
            return Ok(());
        };
        let (disk, time) = (self.disk(), record.modified());
        let has_marker = state.durability().has_marker();
        let has_hashes = state.hashing_mut().take().is_some() || has_marker;
        let results = [
            time.map(|time| disk.set_modified(&data, time)),
            // Before the marker: after a kill in between, the marker shows that there may be hash states.
            has_hashes.then(|| disk.remove_hash_states(&data)),
            has_marker.then(|| disk.remove_marker(&data)),
        ];
        state.durability_mut().marker_was_removed();
        for error in results.into_iter().flatten().filter_map(Result::err) {
            log::debug!("{}: cannot finalize an attribute: {error}", self.key);
        }
        Ok(())
    }

    /// Sets the owner, mode and ACL of the finished file at `path`. The caller holds the `ChangeGuard`.
    ///
    /// A `copy` was created in the folder, so it already has the attributes of a new file there. Returns the mode that must
    /// wait until the file has its name: before that, the server must be able to open the file again.
    ///
    /// # Errors
    /// `EXDEV` if only a copy can have the attributes; the error of a full disk or quota.
    pub(crate) fn adopt_attributes(
        &self,
        path: &str,
        copy: Option<&Copy>,
    ) -> Result<Option<(Arc<Data>, Mode)>, Error> {
        let on_conflict = self.registry.options.on_conflict;
        if copy.is_some() && on_conflict == OnConflict::KeepBoth {
            return Ok(None);
        }
        let data = match copy {
            Some(copy) => Some(Arc::new(copy.data()?)),
            None => self.lock()?.data().cloned(),
        };
        let Some(data) = data else {
            return Ok(None);
        };
        let adopted = (self.disk()).adopt(&data, copy.is_some(), self.key, path, on_conflict)?;
        match copy {
            _ if !adopted.changed => {}
            Some(_) => self.disk().sync(&data)?,
            None => self.sync_data()?,
        }
        if adopted.copy_has_them && copy.is_none() {
            return Err(io::Error::from(Errno::XDEV).into());
        }
        Ok(adopted.last_mode.map(|mode| (data, mode)))
    }

    /// Notes that the file has its name, durably.
    pub(crate) fn moved(&self, record: Arc<Record>) -> Result<Finished, Error> {
        let completed = self.completed(&record);
        let mut state = self.lock()?;
        if let (Some(path), Some(other)) = (record.publishing_as(), &self.registry.coordination) {
            other.release(path);
        }
        let flush = state.complete();
        let progress = state.progress();
        drop(state);
        self.registry.reservations.release(self.key);
        (self.registry.accounts).complete(&record.id, record.length.unwrap_or_default());
        self.registry.blocked.forget(self.key);
        if let (Some(path), Some(Hook::Due)) = (record.publishing_as(), record.hook()) {
            let on_conflict = self.registry.options.on_conflict;
            self.registry.hooks.add(self.key, path, on_conflict);
        }
        self.sync_dirs(record.publishing_as())?;
        self.lock()?.durability_mut().dir_was_synced(flush);
        Ok(Finished {
            progress,
            sha256: completed.sha256,
            path: Some(completed.path.clone()),
            published: Some(completed),
            expires: None,
            is_compared: None,
        })
    }

    /// Returns the description of the file whose record has a published path.
    pub(crate) fn completed(&self, record: &Record) -> Completed {
        let path = record.publishing_as().unwrap_or_default();
        Completed {
            id: record.id.clone(),
            path: self.disk().published_path(path),
            file: record.file.clone(),
            length: record.length.unwrap_or_default(),
            sha256: record.digest.as_deref().copied(),
        }
    }
}
