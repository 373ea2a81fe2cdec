//! Questions about an upload: declarations, expiry, and the checksum of its last bytes.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::store::error::{Difference, Error};
use crate::store::fs::disk::Data;
use crate::store::fs::record::record_name;
use crate::store::id::Id;
use crate::store::upload::completed::Completed;
use crate::store::upload::registry::UploadHandle;
use crate::store::upload::request::{TAIL_BYTES, Tail};
use crate::store::upload::state::{Progress, State};

/// The declarations and the expiry of an upload, and the file of a complete one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UploadInfo {
    /// The declared length.
    pub length: Option<u64>,
    /// The name that the client declared. Not cleaned: do not use it as a path.
    pub name: Option<Box<str>>,
    /// The path of the file, if the upload is complete. A program may have moved the file away.
    pub path: Option<PathBuf>,
    /// The metadata that the client declared, unchanged.
    pub metadata: Option<Box<str>>,
    /// The expiry if no more bytes come; `None` if the upload is complete.
    pub expires: Option<Expiry>,
}

/// The time at which an upload expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Expiry {
    /// The upload does not expire before this time.
    pub at: SystemTime,
    /// The time that is left.
    pub left: Duration,
}

impl UploadHandle {
    /// Returns the progress without waiting for a sync; `None` if a sync or publishing is needed first.
    pub(crate) fn durable_progress(&self, id: &Id) -> Option<Progress> {
        if let Some(state) = self.peek_loaded() {
            return state.is_reportable().then(|| state.progress());
        }
        let mut state = self.load().ok()?;
        state.ensure_record(id);
        state.is_reportable().then(|| state.progress())
    }

    /// Does the same as `flush_or_publish`, and creates the record of a data file that has none.
    pub(crate) fn status(&self, id: &Id) -> Result<(Progress, Option<Completed>), Error> {
        self.load()?.ensure_record(id);
        self.flush_or_publish()
    }

    /// Returns the progress at this moment. Syncs and publishes nothing.
    pub(crate) fn progress(&self) -> Result<Progress, Error> {
        Ok(self.load()?.progress())
    }

    /// Returns the path of the file of a complete upload, as its owner sees it. `None` if the upload is not complete, or
    /// its state was not loaded. Reads no file.
    pub(crate) fn saved_path(&self, id: &Id) -> Option<String> {
        let state = self.peek().ok()?;
        let path = &state.published()?.path;
        Some(self.registry.shown_path(id, path).to_owned())
    }

    pub(crate) fn path(&self, state: &State) -> Option<PathBuf> {
        let published = state.published().filter(|_| state.is_complete())?;
        Some(self.disk().published_path(&published.path))
    }

    /// Fences every open append, unless the upload is full: no append can write another byte then.
    pub(crate) fn fence(&self) -> Result<(), Error> {
        let mut state = self.load()?;
        if !state.is_full() {
            state.fence();
        }
        Ok(())
    }

    /// Returns the declarations and the expiry; `None` if no request has begun the upload.
    pub(crate) fn info(&self) -> Result<Option<UploadInfo>, Error> {
        let state = self.load()?;
        if !state.is_known() {
            return Ok(None);
        }
        let last_change = match state.is_complete() {
            true => None,
            false => self.last_change(&state)?.1,
        };
        let file = state.record().map(|record| record.file.clone());
        let file = file.unwrap_or_default();
        Ok(Some(UploadInfo {
            length: state.length(),
            name: file.name,
            path: self.path(&state),
            metadata: file.metadata,
            expires: last_change.and_then(|last| {
                let age = self.registry.clock.age(last).unwrap_or_default();
                self.expiry(&state, age)
            }),
        }))
    }

    /// Returns the time after its last byte until an upload expires.
    pub(crate) fn lifetime(&self, state: &State) -> Duration {
        (self.registry.options).lifetime(state.offset(), state.length())
    }

    /// Returns the expiry of an upload of this age, if the server runs until then.
    pub(crate) fn expiry(&self, state: &State, age: Duration) -> Option<Expiry> {
        let left = self.lifetime(state).saturating_sub(age);
        let at = SystemTime::now().checked_add(left)?;
        Some(Expiry { at, left })
    }

    /// Returns the time of the last byte, and the name of the file that has it. Without bytes, and of a complete upload,
    /// this is the record.
    ///
    /// A crash while publishing leaves the client's time on the data file. The record then has the later time.
    pub(crate) fn last_change(&self, state: &State) -> Result<(String, Option<SystemTime>), Error> {
        let (data, record) = (self.key.to_string(), record_name(self.key));
        if state.data().is_none() || state.is_publishing() {
            let changed = self.disk().modified(&record)?;
            if state.data().is_none() || changed.is_some() {
                return Ok((record, changed));
            }
        }
        let changed = self.disk().modified(&data)?;
        Ok((data, changed))
    }

    /// Returns the checksum of the last bytes at progress `at`. `None` if there were none, they were truncated, or the
    /// upload is complete: another program may have replaced the published file.
    pub(crate) fn tail(&self, at: Progress) -> Result<Option<Tail>, Error> {
        let data = match self.peek_loaded().map(|state| state.data().cloned()) {
            Some(data) => data,
            None => self.load()?.data().cloned(),
        };
        self.tail_of(data.as_deref(), at.offset, at.offset.min(TAIL_BYTES))
    }

    /// Compares the last received bytes with the checksum that a client sent.
    ///
    /// # Errors
    /// `Differs`.
    pub(crate) fn check_tail(&self, state: &State, expected: Tail) -> Result<(), Error> {
        let data = state.data().map(|data| &**data);
        match self.tail_of(data, state.offset(), expected.length)? {
            Some(tail) if tail == expected => Ok(()),
            _ => Err(Error::Differs(Difference::Tail)),
        }
    }

    /// Returns the tail of `length` bytes that ends at `end`. `None` if `length` is 0 or the file is too short.
    fn tail_of(&self, data: Option<&Data>, end: u64, length: u64) -> Result<Option<Tail>, Error> {
        let start = end.checked_sub(length);
        let (Some(data), Some(start), 1..=TAIL_BYTES) = (data, start, length) else {
            return Ok(None);
        };
        let mut bytes = vec![0; length as usize];
        match self.disk().read_at(data, &mut bytes, start) {
            Ok(()) => Ok(Some(Tail {
                crc32: crc32fast::hash(&bytes),
                length,
            })),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
