//! The state of one upload in memory, and the rules for its next change. This file does no I/O.

use std::sync::Arc;
use std::time::Instant;

use crate::store::error::Error;
use crate::store::fs::disk::Data;
use crate::store::fs::hashed::{Crc32, Digest, Hashing};
use crate::store::fs::record::{Hook, Publishing, Record};
use crate::store::id::Id;
use crate::store::upload::durability::{Confirmed, Durability, Flush, Marker, RecordState};
use crate::store::upload::request::{AppendRequest, BodyLength};

/// The bytes of an upload that the server has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The number of bytes: the next byte goes there.
    pub offset: u64,
    /// True if these are all bytes, and the file is published.
    pub complete: bool,
}

/// The state of an upload.
pub(crate) struct State {
    phase: Phase,
    /// The fencing token: only the append with the newest generation may write.
    generation: u64,
    /// The number of times that received bytes were lost, removed or moved away. A result is valid within one epoch.
    epoch: u64,
    /// `None`: no request has declared anything.
    record: Option<Arc<Record>>,
    /// True if the record is a file of its own, not a line of the log.
    has_record_file: bool,
    data: Option<Arc<Data>>,
    durability: Durability,
    /// `None`: no checksum is wanted.
    hashing: Option<Box<Hashing>>,
    /// The number of open appends.
    appends: u32,
    /// The time of the last byte, or of the begin of the last append.
    active_at: Instant,
}

/// The numbers that decide if an append may write, and if a result is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) generation: u64,
    pub(crate) epoch: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Unloaded,
    /// The upload expects bytes or its name, or does not exist.
    Receiving,
    Complete,
}

/// The files of an upload, as a lookup found them.
pub(crate) struct Files {
    pub(crate) record: Option<Record>,
    pub(crate) has_record_file: bool,
    /// The data file with its length and its marker.
    pub(crate) data: Option<(Data, u64, Marker)>,
    pub(crate) confirmed: Confirmed,
}

impl State {
    pub(crate) fn new(has_syncs: bool) -> Self {
        Self {
            phase: Phase::Unloaded,
            generation: 0,
            epoch: 0,
            record: None,
            has_record_file: false,
            data: None,
            durability: Durability::new(has_syncs),
            hashing: None,
            appends: 0,
            active_at: Instant::now(),
        }
    }

    /// Takes over the files that a lookup found.
    pub(crate) fn load(&mut self, files: Files) {
        let Files {
            mut record,
            has_record_file,
            data,
            confirmed,
        } = files;
        let has_files = record.is_some() || data.is_some();
        let (data, length, marker) = match data {
            Some((data, length, marker)) => (Some(data), Some(length), Some(marker)),
            None => (None, None, None),
        };
        let published = record.as_ref().filter(|it| it.publishing.is_some());
        let published = published.map(|record| record.length);
        self.phase = match length {
            None if published.is_some() => Phase::Complete,
            _ => Phase::Receiving,
        };
        let offset = length.or(published.flatten()).unwrap_or_default();
        self.durability.load(offset, marker, has_files, confirmed);
        if record.is_some() && has_record_file && confirmed == Confirmed::Nothing {
            self.durability.record_was_written();
        }
        // The finished file was removed and the upload begun again; a power loss brought the old record back.
        if length.is_some() && published.is_some_and(|published| published != length) {
            record = record.map(|record| Record::new(&record.id));
            self.durability.record_changed();
        }
        self.record = record.map(Arc::new);
        self.has_record_file = has_record_file;
        self.data = data.map(Arc::new);
    }

    pub(crate) fn is_loaded(&self) -> bool {
        self.phase != Phase::Unloaded
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.phase == Phase::Complete
    }

    pub(crate) fn is_receiving(&self) -> bool {
        self.phase == Phase::Receiving
    }

    pub(crate) fn progress(&self) -> Progress {
        Progress {
            offset: self.offset(),
            complete: self.is_complete(),
        }
    }

    pub(crate) fn offset(&self) -> u64 {
        self.durability.offset()
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(crate) fn data(&self) -> Option<&Arc<Data>> {
        self.data.as_ref()
    }

    pub(crate) fn record(&self) -> Option<&Arc<Record>> {
        self.record.as_ref()
    }

    pub(crate) fn has_record_file(&self) -> bool {
        self.has_record_file
    }

    pub(crate) fn durability(&self) -> &Durability {
        &self.durability
    }

    pub(crate) fn durability_mut(&mut self) -> &mut Durability {
        &mut self.durability
    }

    pub(crate) fn hashing(&self) -> Option<&Hashing> {
        self.hashing.as_deref()
    }

    pub(crate) fn hashing_mut(&mut self) -> &mut Option<Box<Hashing>> {
        &mut self.hashing
    }

    pub(crate) fn has_appends(&self) -> bool {
        self.appends > 0
    }

    /// Returns the seconds since the last byte or the begin of the last append.
    pub(crate) fn idle_secs(&self) -> u64 {
        self.active_at.elapsed().as_secs()
    }

    /// Returns whether a request has begun the upload.
    pub(crate) fn is_known(&self) -> bool {
        self.record.is_some() || self.data.is_some()
    }

    /// Returns whether the upload has files of its own.
    pub(crate) fn has_files(&self) -> bool {
        self.data.is_some() || self.has_record_file
    }

    /// Returns the parts that are durable when the upload leaves memory.
    pub(crate) fn confirmed(&self) -> Confirmed {
        match self.durability.is_durable() {
            true => Confirmed::All,
            false => Confirmed::Nothing,
        }
    }

    /// Returns the declared length of the whole upload.
    pub(crate) fn length(&self) -> Option<u64> {
        self.record.as_ref()?.length
    }

    /// Returns whether the server has all declared bytes, so that only publishing is missing.
    pub(crate) fn is_full(&self) -> bool {
        self.is_receiving() && self.length() == Some(self.offset())
    }

    /// Returns whether the upload is full and its record has the published path.
    pub(crate) fn is_publishing(&self) -> bool {
        self.publishing().is_some()
    }

    /// Returns the path that a full upload is about to get.
    pub(crate) fn publishing(&self) -> Option<&Publishing> {
        match self.is_full() {
            true => self.record.as_ref()?.publishing.as_deref(),
            false => None,
        }
    }

    /// Returns whether publishing has not begun.
    pub(crate) fn is_unpublished(&self) -> bool {
        self.is_receiving() && !self.is_publishing()
    }

    /// Returns whether the progress can be reported now: it is durable, and the upload does not wait for publishing.
    pub(crate) fn is_reportable(&self) -> bool {
        self.durability.is_durable() && !self.is_full()
    }

    /// Returns the record if the one on the disk differs.
    pub(crate) fn unsaved_record(&self) -> Option<Arc<Record>> {
        match self.durability.record() {
            RecordState::Stale => self.record.clone(),
            RecordState::Written | RecordState::Synced => None,
        }
    }

    /// Returns the path and the hook of a complete upload.
    pub(crate) fn published(&self) -> Option<&Publishing> {
        match self.phase {
            Phase::Complete => self.record.as_ref()?.publishing.as_deref(),
            _ => None,
        }
    }

    /// Returns the SHA-256 that the upload must have; of a complete upload, the one that it has.
    pub(crate) fn digest(&self) -> Option<Digest> {
        self.record.as_ref()?.digest.as_deref().copied()
    }

    pub(crate) fn hook(&self) -> Option<Hook> {
        self.record.as_ref()?.hook()
    }

    /// Checks whether an append may begin at `start`. Returns the bytes of disk space that the upload still needs.
    pub(crate) fn admit(
        &self,
        start: u64,
        request: &AppendRequest,
        max_size: Option<u64>,
    ) -> Result<u64, Error> {
        match (self.length(), request.length) {
            (Some(declared), Some(again)) if declared != again => {
                return Err(Error::LengthDiffers { declared });
            }
            _ => {}
        }
        if start != self.offset() {
            return Err(Error::Mismatch);
        }
        let length = self.length().or(request.length);
        let end = start.saturating_add(request.body_length.at_least());
        match (length, max_size) {
            (Some(length), _) if length < end => return Err(Error::Overshoot { length }),
            (_, Some(max)) if length.unwrap_or(end) > max => return Err(Error::TooLarge { max }),
            _ => {}
        }
        Ok(match (length, request.body_length) {
            (Some(length), _) => length - start,
            (None, BodyLength::Unknown) => 1,
            (None, incoming) => incoming.at_least(),
        })
    }

    /// Adds the declarations of a request to the record. Earlier declarations stay, and so do the computed digests of a
    /// whole upload.
    pub(crate) fn merge_metadata(&mut self, id: &Id, request: AppendRequest) {
        let (before, is_verified) = (self.record.clone(), self.is_publishing());
        let record = self.record.get_or_insert_with(|| Record::new(id).into());
        let record = Arc::make_mut(record);
        record.length = record.length.or(request.length);
        record.file.merge(request.file);
        if !is_verified {
            record.digest = record.digest.take().or(request.digest.map(Into::into));
            record.crc32 = match request.crc32 {
                Some(Crc32::Is(_)) => request.crc32,
                Some(Crc32::Asked) | None => record.crc32.or(request.crc32),
            };
        }
        if before != self.record {
            self.durability.record_changed();
        }
    }

    /// Creates the record of a data file that has none.
    pub(crate) fn ensure_record(&mut self, id: &Id) {
        if self.data.is_some() && self.record.is_none() {
            self.merge_metadata(id, AppendRequest::default());
        }
    }

    /// Declares that the upload ends at `at`, unless a length was declared before.
    pub(crate) fn end_at(&mut self, at: u64) -> Result<(), Error> {
        if at != self.offset() {
            return Err(Error::Mismatch);
        }
        let Some(record) = self.record.as_mut().map(Arc::make_mut) else {
            return Err(Error::Superseded);
        };
        match record.length {
            Some(declared) if declared != at => Err(Error::LengthDiffers { declared }),
            Some(_) => Ok(()),
            None => {
                record.length = Some(at);
                self.durability.record_changed();
                Ok(())
            }
        }
    }

    /// Fences every open append. Returns the generation of the next one.
    pub(crate) fn fence(&mut self) -> u64 {
        self.generation += 1;
        self.generation
    }

    pub(crate) fn begin_append(&mut self) {
        self.appends += 1;
        self.active_at = Instant::now();
    }

    pub(crate) fn end_append(&mut self) {
        self.appends -= 1;
    }

    /// Checks whether the append of `generation` may write at `at`.
    pub(crate) fn check_writer(&self, generation: u64, at: u64) -> Result<(), Error> {
        if self.generation != generation || !self.is_receiving() {
            return Err(Error::Superseded);
        }
        match self.offset() == at {
            true => Ok(()),
            false => Err(Error::Mismatch),
        }
    }

    /// Returns how many of the next `wanted` bytes fit, and the refusal of the others.
    pub(crate) fn room(&self, wanted: u64, max_size: Option<u64>) -> (u64, Option<Error>) {
        let (limit, refusal) = match (self.length(), max_size) {
            (Some(length), _) => (length, Error::Overshoot { length }),
            (None, Some(max)) => (max, Error::TooLarge { max }),
            (None, None) => return (wanted, None),
        };
        let room = limit.saturating_sub(self.offset());
        match wanted <= room {
            true => (wanted, None),
            false => (room, Some(refusal)),
        }
    }

    pub(crate) fn created(&mut self, data: Arc<Data>) {
        self.durability.dir_changed();
        self.data = Some(data);
    }

    pub(crate) fn wrote(&mut self, bytes: &[u8]) {
        if let Some(hashing) = &mut self.hashing {
            hashing.follow(self.durability.offset(), bytes);
        }
        self.durability.wrote(bytes.len() as u64);
        self.active_at = Instant::now();
    }

    /// Notes that bytes are about to be lost: fences every append, and begins an epoch.
    pub(crate) fn lose(&mut self) {
        self.fence();
        self.epoch += 1;
    }

    pub(crate) fn truncated_to(&mut self, synced: u64) {
        self.durability.truncated_to(synced);
        if let Some(hashing) = &mut self.hashing {
            hashing.truncated_to(synced);
        }
    }

    /// Notes that the disk has `record`, in a file or in the log.
    pub(crate) fn record_was_written(&mut self, record: &Record, is_file: bool) {
        self.has_record_file = is_file;
        self.durability.dir_changed();
        if self.record.as_deref() == Some(record) {
            self.durability.record_was_saved();
        }
    }

    /// Notes that `record` has a file, whose contents are not synced.
    pub(crate) fn record_file_was_created(&mut self, record: &Record) {
        self.has_record_file = true;
        self.durability.dir_changed();
        if self.record.as_deref() == Some(record) {
            self.durability.record_was_written();
        }
    }

    /// Notes that the file of the record is gone, although the record is in memory.
    pub(crate) fn record_file_was_removed(&mut self) {
        self.has_record_file = false;
        self.durability.record_changed();
    }

    /// Replaces the record by one that the disk has.
    pub(crate) fn replace_record(&mut self, record: Arc<Record>) {
        self.record = Some(record);
        self.durability.record_was_saved();
    }

    /// Returns the record that says that the due hook has run; `None` if no hook is due.
    pub(crate) fn record_of_run_hook(&self) -> Option<Arc<Record>> {
        if self.published()?.hook != Some(Hook::Due) {
            return None;
        }
        let mut record = self.record.clone()?;
        Arc::make_mut(&mut record).publishing.as_mut()?.hook = Some(Hook::Done);
        Some(record)
    }

    /// Notes that the data file has its published name. Returns the flush that makes the name durable.
    pub(crate) fn complete(&mut self) -> Flush {
        self.lose();
        self.phase = Phase::Complete;
        self.data = None;
        self.durability.published();
        self.durability.flush()
    }

    /// Notes that the upload has no files and no declarations.
    pub(crate) fn clear(&mut self) {
        self.clear_data();
        self.phase = Phase::Receiving;
        self.record = None;
        self.has_record_file = false;
        self.durability.record_was_saved();
    }

    pub(crate) fn clear_data(&mut self) {
        self.lose();
        self.data = None;
        self.hashing = None;
        self.durability.data_removed();
    }
}

/// Reloading, after another server has changed the upload.
impl State {
    pub(crate) fn version(&self) -> Version {
        Version {
            generation: self.generation,
            epoch: self.epoch,
        }
    }

    /// Forgets everything that another server may have changed on the disk. Returns the data file.
    pub(crate) fn unload(&mut self) -> Option<Arc<Data>> {
        self.phase = Phase::Unloaded;
        self.record = None;
        self.durability.record_was_saved();
        self.data.take()
    }

    /// Puts back the open data file after a reload: a running sync is one of this file.
    pub(crate) fn keep_data(&mut self, data: Arc<Data>) {
        self.data = Some(data);
    }

    /// Takes over the version that the last server has left. `drawn` is the first generation after the first load: an
    /// old writer of a removed file must not meet its own number again.
    pub(crate) fn merge_version(
        &mut self,
        left: Option<Version>,
        is_lost: bool,
        drawn: Option<u64>,
    ) {
        if let Some(drawn) = drawn {
            self.generation = drawn;
        }
        if is_lost {
            self.fence();
        }
        // Other servers may have lost bytes and written others.
        if is_lost || left.is_some_and(|left| left.epoch > self.epoch) {
            self.hashing = self.hashing.take().map(|hashing| hashing.anew().into());
        }
        if let Some(left) = left {
            self.generation = left.generation;
            self.epoch = self.epoch.max(left.epoch);
        }
        self.epoch += u64::from(is_lost);
    }
}
