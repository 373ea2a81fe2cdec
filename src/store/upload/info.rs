//! What is known of an upload besides what is held of it.

use std::time::{Duration, SystemTime};

use crate::store::error::Error;
use crate::store::fs::record::record_name;
use crate::store::id::Key;
use crate::store::upload::registry::{Registry, UploadHandle};
use crate::store::upload::state::{Phase, State};

/// What is known of an upload besides what is held of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UploadInfo {
    /// Bytes it will have.
    pub length: Option<u64>,
    /// What its client wants to be told again.
    pub metadata: Option<String>,
    /// When it is forgotten if nothing more comes; `None` once it is complete.
    pub expires: Option<Expiry>,
}

/// When an upload is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// Not before this.
    pub at: SystemTime,
    /// So long from now.
    pub left: Duration,
}

impl UploadHandle {
    /// `None` where nobody has begun it.
    pub(crate) fn about(&self) -> Result<Option<UploadInfo>, Error> {
        let state = self.look()?;
        if !state.is_known() {
            return Ok(None);
        }
        let last_change = match state.phase {
            Phase::Complete => None,
            Phase::Unread | Phase::Receiving => self.shelf.last_change(self.key, &state)?,
        };
        Ok(Some(UploadInfo {
            length: state.length(),
            metadata: (state.record.as_ref())
                .and_then(|record| record.metadata.as_deref().map(str::to_owned)),
            expires: last_change.and_then(|last| self.expiry(last, SystemTime::now())),
        }))
    }

    /// When an upload is forgotten whose last byte came then.
    pub(crate) fn expiry(&self, last_change: SystemTime, now: SystemTime) -> Option<Expiry> {
        let at = last_change.checked_add(self.shelf.options.expire)?;
        let left = at.duration_since(now).unwrap_or_default();
        Some(Expiry { at, left })
    }
}

impl Registry {
    /// When the last byte of an upload came; without any, or when it is complete, when its record was written.
    ///
    /// A crash while publishing leaves the client's time on the data file. The record then has the later time.
    pub(crate) fn last_change(&self, key: Key, state: &State) -> Result<Option<SystemTime>, Error> {
        let record = || self.disk.modified(&record_name(key));
        if state.data.is_none() {
            return Ok(record()?);
        }
        let bytes = self.disk.modified(&key.to_string())?;
        Ok(match state.is_publishing() {
            true => bytes.max(record()?),
            false => bytes,
        })
    }
}
