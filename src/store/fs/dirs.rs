//! Syncs of the two directories. Concurrent callers share a sync (group commit).

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
    /// Makes the names in `dir` durable, and the journal with those in `.resumed`.
    pub(crate) fn sync_dir(&self, dir: Dir) -> io::Result<()> {
        if !self.durable {
            return Ok(());
        }
        match dir {
            Dir::Root => self.root.syncs.share(|| self.sync_names(&self.root)),
            Dir::Partials => self.partials.syncs.share(|| {
                self.sync_journal()?;
                self.sync_names(&self.partials)
            }),
        }
    }

    fn sync_names(&self, dir: &Directory) -> io::Result<()> {
        self.gated(Op::SyncDir, || dir.file.sync_all())
    }
}
