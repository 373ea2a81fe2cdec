//! The coordination with other servers over the same directory. A single server has none.

use std::io;
use std::os::fd::OwnedFd;

use crate::store::error::Error;
use crate::store::id::Key;
use crate::store::upload::registry::UploadHandle;
use crate::store::upload::state::{State, Version};

pub(crate) trait Coordination: Send + Sync {
    /// Locks an upload among the servers. Reloads the state if another server has changed the upload.
    fn lock(
        &self,
        upload: &UploadHandle,
        ownership: &mut Ownership,
        state: &mut State,
    ) -> Result<(), Error>;

    /// Shows other servers the version of the state, and unlocks the upload.
    fn unlock(&self, upload: &UploadHandle, ownership: &mut Ownership, state: &State);

    /// Locks the right to change more than the bytes, until the file is closed.
    fn lock_change(&self, key: Key) -> io::Result<OwnedFd>;

    /// Removes the traces of an upload that has its published path.
    fn release(&self, path: &str);
}

/// The lock file of one upload, and the version that other servers see.
#[derive(Default)]
pub(crate) struct Ownership {
    pub(crate) lock_file: Option<OwnedFd>,
    pub(crate) shown: Option<Version>,
}
