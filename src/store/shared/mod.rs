//! Several servers over one directory (`--shared`).
//!
//! The lock of an upload then includes a lock file (`flock`). A server that gets the lock reads the note on the data file:
//! if another server has left the note, the upload is reloaded. So each write costs one small read. Records are written
//! with the upload locked, so that no declaration is known to one server only.
//!
//! The lock files are few and stay: after the removal of a lock file, two servers could each lock a file that the other
//! does not see. Uploads with the same lock file wait for each other, for one write at most.

mod note;

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use rustix::fs::OFlags;

use crate::store::error::Error;
use crate::store::fs::disk::{Data, Disk};
use crate::store::fs::lock::{self, LOCKS};
use crate::store::id::{Key, draw};
use crate::store::shared::note::Note;
use crate::store::upload::coordination::{Coordination, Ownership};
use crate::store::upload::registry::UploadHandle;
use crate::store::upload::state::State;

/// The end of the names of the lock files for changes.
const CHANGING: &str = "-changing";

pub(crate) struct SharedDirectory {
    disk: Arc<Disk>,
    /// A random number that identifies this server.
    server: u64,
}

impl SharedDirectory {
    /// Creates the directory of the lock files.
    ///
    /// # Errors
    /// If the file system has no user extended attributes.
    pub(crate) fn new(disk: Arc<Disk>) -> io::Result<Self> {
        disk.make_dir(LOCKS)?;
        note::probe(&disk.lock)?;
        let server = draw();
        Ok(Self { disk, server })
    }

    fn open_lock_file(&self, key: Key, suffix: &str) -> io::Result<OwnedFd> {
        let name = format!("{LOCKS}/{}{suffix}", &key.to_string()[..2]);
        let opened = self
            .disk
            .partials
            .open(&name, OFlags::RDWR | OFlags::CREATE);
        opened.map(OwnedFd::from)
    }

    /// Returns whether this server was the last one to change the upload. False if the note cannot be read: another
    /// machine may have removed the file.
    fn is_owner(&self, state: &State) -> bool {
        let note = (state.data()).and_then(|data| Note::read(data).ok()?);
        note.is_some_and(|note| note.server == self.server)
    }

    /// Reloads the upload, and takes it over.
    fn reload(
        &self,
        upload: &UploadHandle,
        ownership: &mut Ownership,
        state: &mut State,
    ) -> Result<(), Error> {
        let (is_first_load, held) = (!state.is_loaded(), state.offset());
        ownership.shown = None;
        let before = state.unload();
        upload.read_files(state)?;
        let is_same = match (&before, state.data()) {
            (Some(before), Some(data)) => is_same_file(before, data).unwrap_or(false),
            _ => false,
        };
        // Marked bytes are synced, and no reported byte is beyond the marker: so there is a safe length to truncate to.
        let trusted = match state.is_publishing() {
            true => state.offset(),
            false => state.durability().marker_written(),
        };
        state.durability_mut().trust(trusted);
        let note = match state.data() {
            Some(data) => Note::read(data)?,
            None => None,
        };
        let is_lost = before.is_some() && (!is_same || state.offset() < held);
        if let Some(before) = before.filter(|_| is_same) {
            state.keep_data(before);
        }
        let version = note.map(|note| note.version);
        state.merge_version(version, is_lost, is_first_load.then(draw));
        // Another server may have received the declaration of a checksum.
        if state.has_appends() {
            upload.begin_hashing(state)?;
        }
        Ok(self.show(ownership, state)?)
    }

    /// Writes the note, unless other servers see this version.
    fn show(&self, ownership: &mut Ownership, state: &State) -> io::Result<()> {
        let version = state.version();
        match state.data() {
            Some(data) if ownership.shown != Some(version) => {
                ownership.shown = Some(version);
                let server = self.server;
                Note { server, version }.write(data)
            }
            _ => Ok(()),
        }
    }
}

impl Coordination for SharedDirectory {
    fn lock(
        &self,
        upload: &UploadHandle,
        ownership: &mut Ownership,
        state: &mut State,
    ) -> Result<(), Error> {
        let lock_file = match ownership.lock_file.take() {
            Some(lock_file) => lock_file,
            None => self.open_lock_file(upload.key, "")?,
        };
        lock::lock(&lock_file)?;
        let reloaded = match self.is_owner(state) {
            true => Ok(()),
            false => self.reload(upload, ownership, state),
        };
        if reloaded.is_err() {
            let _ = lock::unlock(&lock_file);
        }
        ownership.lock_file = Some(lock_file);
        reloaded
    }

    fn unlock(&self, upload: &UploadHandle, ownership: &mut Ownership, state: &State) {
        if let Err(error) = self.show(ownership, state) {
            upload.poison(format_args!(
                "cannot write the note for other servers: {error}"
            ));
        }
        // A lock that cannot be unlocked ends when its file is closed.
        (ownership.lock_file).take_if(|lock_file| lock::unlock(lock_file).is_err());
    }

    fn lock_change(&self, key: Key) -> io::Result<OwnedFd> {
        let lock_file = self.open_lock_file(key, CHANGING)?;
        lock::lock(&lock_file)?;
        Ok(lock_file)
    }

    /// Removes the note from the finished file. A server that looks while the file moves still finds the note.
    fn release(&self, path: &str) {
        let opened = self.disk.open_published(path);
        let removed = opened.and_then(|data| data.map_or(Ok(()), |data| Note::remove(&data)));
        if let Err(error) = removed {
            log::debug!("{path}: cannot remove the note for other servers: {error}");
        }
    }
}

fn is_same_file(one: &Data, other: &Data) -> io::Result<bool> {
    let (one, other) = (one.0.metadata()?, other.0.metadata()?);
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}
