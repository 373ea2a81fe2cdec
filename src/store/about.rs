//! What is known of an upload besides what is held of it.

use std::time::SystemTime;

use super::error::Error;
use super::id::Key;
use super::record::record_name;
use super::shelf::{Entry, Shelf};
use super::upload::{Phase, State};

/// What is known of an upload besides what is held of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// Bytes it will have.
    pub length: Option<u64>,
    /// What its client wants to be told again.
    pub metadata: Option<String>,
    /// When it is forgotten if nothing more comes; `None` once it is complete.
    pub expires: Option<SystemTime>,
}

impl Entry {
    /// `None` where nobody has begun it.
    pub(super) fn about(&self) -> Result<Option<About>, Error> {
        let state = self.look()?;
        if !state.is_known() {
            return Ok(None);
        }
        let last_change = self.shelf.last_change(self.key, &state)?;
        let expire = self.shelf.options.expire;
        Ok(Some(About {
            length: state.length(),
            metadata: (state.record.as_ref()).and_then(|record| record.metadata.clone()),
            expires: last_change
                .filter(|_| state.phase != Phase::Complete)
                .and_then(|last| last.checked_add(expire)),
        }))
    }

    /// When an upload is forgotten that has just received what it holds.
    pub(super) fn expires_from_now(&self) -> Option<SystemTime> {
        SystemTime::now().checked_add(self.shelf.options.expire)
    }
}

impl Shelf {
    /// When the last byte of an upload came; without any, or when it is complete, when its record was written.
    pub(super) fn last_change(&self, key: Key, state: &State) -> Result<Option<SystemTime>, Error> {
        let name = if state.data.is_some() {
            key.to_string()
        } else {
            record_name(key)
        };
        Ok(self.disk.modified(&name)?)
    }
}
