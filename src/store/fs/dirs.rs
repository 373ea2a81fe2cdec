//! Syncs of the two directories. Concurrent callers share a sync (group commit).

use std::io;

use crate::store::fs::disk::Disk;
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
    /// Makes the names in `dir` durable.
    pub(crate) fn sync_dir(&self, dir: Dir) -> io::Result<()> {
        self.sync_dir_after(dir, || Ok(()))
    }

    /// Runs `first`, then makes the names in `dir` durable. Concurrent callers share both.
    pub(crate) fn sync_dir_after(
        &self,
        dir: Dir,
        first: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        if !self.durable {
            return Ok(());
        }
        let dir = match dir {
            Dir::Root => &self.root,
            Dir::Partials => &self.partials,
        };
        dir.syncs.share(|| {
            first()?;
            self.gated(Op::SyncDir, || dir.file.sync_all())
        })
    }
}
