//! A file on its way: the one that was opened, as it was then, or none.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::identity::Identity;
use super::problem::Problem;
use super::source::Source;
use super::wire::Held;

pub(super) struct LocalFile {
    file: File,
    identity: Identity,
    size: u64,
    modified: SystemTime,
}

impl LocalFile {
    pub(super) fn open(path: &Path, name: &[u8]) -> Result<LocalFile, Problem> {
        // Before it is opened: a named pipe would not come back from that.
        if !path.metadata()?.is_file() {
            return Err(Problem::NotAFile);
        }
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let (size, modified) = (metadata.len(), metadata.modified()?);
        Ok(LocalFile {
            identity: Identity::of_file(name, size, ms_since_1970(modified)),
            file,
            size,
            modified,
        })
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    fn is_as_it_was(&self, now: &Metadata) -> io::Result<bool> {
        Ok(now.len() == self.size && now.modified()? == self.modified)
    }
}

impl Source for LocalFile {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn end(&self) -> u64 {
        self.size
    }

    /// By a checksum of the last bytes that the server holds.
    fn check(&mut self, held: &Held) -> Result<(), Problem> {
        if held.offset > self.size || held.complete && held.offset < self.size {
            return Err(Problem::Different);
        }
        let Some(tail) = held.tail.filter(|_| held.offset > 0) else {
            // A complete file may have been moved on by the server's hook, so that there is nothing left to compare.
            let needs_none = held.complete || held.offset == 0;
            return needs_none.then_some(()).ok_or(Problem::Different);
        };
        let begin = held
            .offset
            .checked_sub(tail.length)
            .ok_or(Problem::Different)?;
        let mut bytes = vec![0; tail.length as usize];
        self.file.read_exact_at(&mut bytes, begin)?;
        if !self.is_as_it_was(&self.file.metadata()?)? {
            return Err(Problem::Changed);
        }
        (crc32fast::hash(&bytes) == tail.crc32)
            .then_some(())
            .ok_or(Problem::Different)
    }

    /// Looked at after every read, and so before the bytes that would complete a mix go out.
    fn read_at(&mut self, buffer: &mut [u8], at: u64) -> Result<usize, Problem> {
        let count = self.file.read_at(buffer, at)?;
        if count == 0 || !self.is_as_it_was(&self.file.metadata()?)? {
            return Err(Problem::Changed);
        }
        Ok(count)
    }
}

/// Rounded down, as browsers do it.
fn ms_since_1970(time: SystemTime) -> i128 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_millis() as i128,
        Err(before) => -(before.duration().as_nanos().div_ceil(1_000_000) as i128),
    }
}
