//! Data files without a name: of an upload whose first bytes are all there are.
//!
//! Such a file is made in no directory and then linked to its published name, so that `.resumed` has neither to be
//! changed nor to be synced. Nothing is left of it if the server is killed before; nobody was answered by then.
//!
//! But then it is not seen either whether the file came to its name: no data file is gone either way. So its record
//! says which file it is, and another one under that name is not taken for it.

use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, MutexGuard, PoisonError};

use super::disk::{Data, Disk};
use super::faults::Op;
use super::id::Key;
use super::inode::{self, Inode, Linking, Unnamed};
use super::options::Options;
use super::record::Record;
use super::rename::Place;
use super::shelf::{Entry, Shelf};

impl Entry {
    /// What there is left to do for a file that was linked to where `record` says.
    pub(super) fn linked(&self, data: Arc<Data>, record: &Arc<Record>) -> Linked {
        Linked {
            shelf: Arc::clone(&self.shelf),
            data: Some(data),
            record: Arc::clone(record),
        }
    }
}

/// A file that has just got its name by a link. What nobody has to wait for is done when this is dropped: who watches
/// the directory is told, the file is closed, and the next one is made.
pub(crate) struct Linked {
    shelf: Arc<Shelf>,
    data: Option<Arc<Data>>,
    record: Arc<Record>,
}

impl Drop for Linked {
    fn drop(&mut self) {
        let path = self.record.publishing_as().unwrap_or_default();
        self.shelf.disk.tell_watchers(path);
        self.data = None;
        self.shelf.disk.make_ahead();
    }
}

impl Disk {
    /// Finds out how files without a name get one here. By the first sweep, not at start: it may take a sync.
    pub(super) fn find_linking(&self, options: &Options) {
        let (dir, name) = (self.partials.file.as_fd(), &*self.temporary);
        self.linking.get_or_init(|| {
            let found = Linking::find(Place { dir, name }, self.lock.as_fd(), options);
            self.partials.changes.note();
            found
        });
    }

    pub(super) fn linking(&self) -> Option<Linking> {
        self.linking.get().copied().flatten()
    }

    /// A data file, empty and without a name, and which file that is; `None` where it has to have a name.
    pub(super) fn create_unnamed(&self) -> io::Result<Option<(Data, Inode)>> {
        if self.linking().is_none() {
            return Ok(None);
        }
        self.faults.check(Op::CreateUnnamed)?;
        let ahead = self.ahead().take();
        let made = ahead.map_or_else(|| inode::create(self.partials.file.as_fd()), Ok);
        let Unnamed { file, inode } = made?;
        Ok(Some((Data(file.into()), inode)))
    }

    /// Makes the next one, which costs an upload more time than to write into it. One at most: it takes a descriptor.
    fn make_ahead(&self) {
        if self.ahead().is_none() {
            let made = inode::create(self.partials.file.as_fd());
            // If it cannot be made, that is said to whoever wants it.
            *self.ahead() = made.ok();
        }
    }

    fn ahead(&self) -> MutexGuard<'_, Option<Unnamed>> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the file the name that the data file of `key` has.
    pub(super) fn name_data(&self, data: &Data, key: Key) -> io::Result<()> {
        self.forget_line(key)?;
        self.faults.check(Op::Create)?;
        let dir = self.partials.file.as_fd();
        let name = &key.to_string();
        self.link(data, Place { dir, name })?;
        self.partials.changes.note();
        Ok(())
    }

    /// Gives the file a name that is free.
    pub(super) fn link(&self, data: &Data, to: Place<'_>) -> io::Result<()> {
        let linking = self.linking().ok_or(io::ErrorKind::Unsupported)?;
        Ok(inode::link(data.0.as_fd(), to, linking)?)
    }
}
