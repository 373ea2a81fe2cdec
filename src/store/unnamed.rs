//! Data files without a name: of an upload whose first bytes are all there are.
//!
//! Such a file is made in no directory and then linked to its published name, so that `.resumed` has neither to be
//! changed nor to be synced. Nothing is left of it if the server is killed before; nobody was answered by then.
//!
//! But then it is not seen either whether the file came to its name: no data file is gone either way. So its record
//! says which file it is, and another one under that name is not taken for it.

use std::io;
use std::os::fd::AsFd;

use super::disk::{Data, Disk};
use super::faults::Op;
use super::id::Key;
use super::inode::{self, Inode, Linking};
use super::options::Options;
use super::rename::Place;

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

    /// Makes a data file, empty and without a name; `None` where it has to have one.
    pub(super) fn create_unnamed(&self) -> io::Result<Option<Data>> {
        if self.linking().is_none() {
            return Ok(None);
        }
        self.faults.check(Op::CreateUnnamed)?;
        let file = inode::create(self.partials.file.as_fd())?;
        Ok(Some(Data(file.into())))
    }

    /// Which file that is.
    pub(super) fn inode_of(&self, data: &Data) -> io::Result<Inode> {
        self.faults.check(Op::Look)?;
        let inode = inode::inode_of(data.0.as_fd())?;
        inode.ok_or_else(|| io::ErrorKind::Unsupported.into())
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
