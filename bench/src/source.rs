//! Files to send from a directory, as people have them.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::content::SLICE_BYTES;
use crate::peers::Upload;
use crate::place;

/// Removed when dropped.
pub(crate) struct Source {
    dir: TempDir,
    files: Vec<Upload>,
}

impl Source {
    /// Makes `count` files of `bytes` each in `root`.
    pub(crate) fn new(root: &Path, count: usize, bytes: u64) -> io::Result<Source> {
        let dir = place::new(root)?;
        let files: Vec<Upload> = (0..count).map(|_| Upload::new(bytes)).collect();
        for &upload in &files {
            write(&dir.path().join(upload.name()), upload)?;
        }
        Ok(Source { dir, files })
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        let path = |upload: &Upload| self.dir.path().join(upload.name());
        self.files.iter().map(path).collect()
    }

    /// Returns whether each file is in this directory, byte for byte.
    pub(crate) fn check(&self, dir: &Path) -> io::Result<()> {
        let check = |upload: &Upload| {
            let file = dir.join(upload.name());
            upload.content().check(&file, 0, upload.bytes)
        };
        self.files.iter().try_for_each(check)
    }
}

fn write(path: &Path, upload: Upload) -> io::Result<()> {
    let mut file = File::create(path)?;
    let mut at = 0;
    while at < upload.bytes {
        let most = (upload.bytes - at).min(SLICE_BYTES as u64);
        let slice = upload.content().slice(at, most);
        file.write_all(slice)?;
        at += slice.len() as u64;
    }
    Ok(())
}
