//! The names in the two directories, made durable: callers at once share a sync, and where nothing has changed since the
//! last one, none is made.

use std::io;

use crate::store::fs::disk::{Directory, Disk};
use crate::store::fs::fault::Op;

/// One of the two directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dir {
    /// `DIR`: the finished files.
    Root,
    /// `DIR/.resumed`.
    Partials,
}

impl Disk {
    /// Makes the names in `dir` survive a pulled plug, and the journal with those in `.resumed`.
    pub(crate) fn sync_dir(&self, dir: Dir) -> io::Result<()> {
        if !self.durable {
            return Ok(());
        }
        match dir {
            Dir::Root => self.root.syncs.share(|| self.sync_changes(&self.root)),
            Dir::Partials => self.partials.syncs.share(|| {
                self.sync_journal()?;
                self.sync_changes(&self.partials)
            }),
        }
    }

    fn sync_changes(&self, dir: &Directory) -> io::Result<()> {
        let sync = || self.gated(Op::SyncDir, || dir.file.sync_all());
        dir.changes.sync(sync)
    }
}
