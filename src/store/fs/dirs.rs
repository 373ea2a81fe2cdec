//! Syncs of the two directories. Concurrent callers share a sync (group commit).

use std::io;

use crate::store::fs::disk::Disk;
use crate::store::fs::fault::Op;
use crate::store::fs::fs_type;

/// One of the two directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dir {
    /// `DIR`: the finished files.
    Root,
    /// `DIR/.resumed`.
    Partials,
}

impl Disk {
    /// Makes every change on the file system durable, also those of other programs. Returns false if that is not possible
    /// here. Takes no permit: the call may take long.
    pub(crate) fn sync_file_system(&self) -> io::Result<bool> {
        self.faults.check(Op::SyncFileSystem)?;
        if !fs_type::sync_all(&self.partials.file)? {
            return Ok(false);
        }
        // The kernel makes a failing file system read-only. The sync of a read-only file system does nothing, without an
        // error; `fsync` fails.
        self.sync_dir(Dir::Partials)?;
        Ok(true)
    }

    /// Makes the names in `dir` durable. Concurrent callers share a sync.
    pub(crate) fn sync_dir(&self, dir: Dir) -> io::Result<()> {
        if !self.durable {
            return Ok(());
        }
        let dir = match dir {
            Dir::Root => &self.root,
            Dir::Partials => &self.partials,
        };
        dir.syncs
            .share(|| self.gated(Op::SyncDir, || dir.file.sync_all()))
    }
}
