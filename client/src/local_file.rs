//! A file as a source. Its contents must stay as they were when it was opened.

use std::fs::{File, Metadata};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::cancel::CancelToken;
use super::checksum::Checksum;
use super::error::Error;
use super::identity::Identity;
use super::os::{changed, read_at, read_exact_at};
use super::requests::{Held, TAIL_MAX, Tail};
use super::source::Source;

pub(crate) struct LocalFile {
    file: File,
    identity: Identity,
    size: u64,
    modified: SystemTime,
    changed: (i64, i64),
    /// `None` without the check of the whole file.
    sum: Option<Checksum>,
    /// The last part and its start, after its final read.
    last: Option<(u64, Vec<u8>)>,
}

impl LocalFile {
    pub(crate) fn open(path: &Path, name: &[u8], proves: bool) -> Result<LocalFile, Error> {
        // `File::open` would block on a named pipe.
        if !path.metadata()?.is_file() {
            return Err(Error::NotAFile);
        }
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let (size, modified) = (metadata.len(), metadata.modified()?);
        Ok(LocalFile {
            identity: Identity::of_file(name, size, ms_since_1970(modified)),
            file,
            size,
            modified,
            changed: changed(&metadata),
            sum: proves.then(Checksum::new),
            last: None,
        })
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Returns the metadata of the file. Fails if size or time show that it was changed.
    fn unchanged(&self) -> Result<Metadata, Error> {
        let now = self.file.metadata()?;
        let is_same = now.len() == self.size && now.modified()? == self.modified;
        is_same.then_some(now).ok_or(Error::Changed)
    }

    fn bytes(&self, start: u64, end: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; (end - start) as usize];
        read_exact_at(&self.file, &mut bytes, start).map_err(Error::of_file)?;
        Ok(bytes)
    }
}

impl Source for LocalFile {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn end(&self) -> u64 {
        self.size
    }

    /// Compares a checksum of the last bytes that the server holds. The checksum of the whole file covers the other
    /// bytes: a thread reads those that need no sending.
    fn check(&mut self, held: &Held) -> Result<(), Error> {
        if held.offset > self.size || held.complete && held.offset < self.size {
            return Err(Error::OtherContents);
        }
        match held.tail.filter(|_| held.offset > 0) {
            Some(tail) => {
                let begin = held
                    .offset
                    .checked_sub(tail.length)
                    .ok_or(Error::OtherContents)?;
                let bytes = self.bytes(begin, held.offset)?;
                self.unchanged()?;
                if crc32fast::hash(&bytes) != tail.crc32 {
                    return Err(Error::OtherContents);
                }
            }
            None if held.complete || held.offset == 0 || self.proves() => {}
            None => return Err(Error::OtherContents),
        }
        if let Some(sum) = &mut self.sum {
            sum.read_up_to(held.offset, &self.file)?;
        }
        Ok(())
    }

    fn proves(&self) -> bool {
        self.sum.is_some()
    }

    fn tail(&mut self, end: u64) -> Result<Option<Tail>, Error> {
        let length = end.min(TAIL_MAX);
        let bytes = self.bytes(end - length, end)?;
        let crc32 = crc32fast::hash(&bytes);
        Ok(Some(Tail { crc32, length }))
    }

    fn seal(&mut self, start: u64, cancel: &CancelToken) -> Result<u32, Error> {
        let now = changed(&self.unchanged()?);
        if self.changed != now {
            // The bytes may have changed, and `modified` been set back. The checksum is computed anew: the server then
            // finds any byte that it received before the change.
            self.changed = now;
            self.restart()?;
        }
        let sum = self.sum.get_or_insert_with(Checksum::new);
        if self.last.as_ref().is_none_or(|(at, _)| *at > start) {
            sum.read_up_to(start, &self.file)?;
            let mut bytes = vec![0; (self.size - start) as usize];
            read_exact_at(&self.file, &mut bytes, start).map_err(Error::of_file)?;
            sum.add(start, &bytes);
            self.last = Some((start, bytes));
        }
        let crc32 = sum.value(cancel)?;
        self.unchanged()?;
        Ok(crc32)
    }

    fn restart(&mut self) -> Result<(), Error> {
        self.sum = self.sum.as_ref().map(|_| Checksum::new());
        self.last = None;
        Ok(())
    }

    /// Checks the metadata after each read: bytes of a changed file do not go out.
    fn read_at(&mut self, buffer: &mut [u8], at: u64) -> Result<usize, Error> {
        let last = self.last.as_ref();
        let last = last.and_then(|(start, bytes)| Some((at.checked_sub(*start)?, bytes)));
        if let Some((skip, bytes)) = last {
            let rest = bytes.get(skip as usize..).unwrap_or_default();
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            return Ok(count);
        }
        if let Some(sum) = &mut self.sum {
            // Another program may have sent the bytes before.
            sum.read_up_to(at, &self.file)?;
        }
        let count = read_at(&self.file, buffer, at)?;
        if count == 0 {
            return Err(Error::Changed);
        }
        self.unchanged()?;
        if let Some(sum) = &mut self.sum {
            sum.add(at, &buffer[..count]);
        }
        Ok(count)
    }
}

/// Returns milliseconds, rounded down as in browsers.
fn ms_since_1970(time: SystemTime) -> i128 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_millis() as i128,
        Err(before) => -(before.duration().as_nanos().div_ceil(1_000_000) as i128),
    }
}
