//! Record files, `<key>.json`, and the clock: small files that are written as a whole.

use std::fs::File;
use std::io::{self, Read, Write};

use rustix::fs::{AtFlags, OFlags, renameat, unlinkat};

use crate::store::fs::disk::{CLOCK, Disk, found};
use crate::store::fs::fault::Op;
use crate::store::fs::record::record_name;
use crate::store::id::Key;
use crate::sync::atomic::Ordering::Relaxed;

/// Longest record read, in bytes: an id and a name each fill a request head at most.
const RECORD_MAX: u64 = 1 << 20;

/// An open record file.
pub(crate) struct RecordFile(File);

impl Disk {
    /// Returns the contents of the record file of `key`; `None` if it does not exist.
    pub(crate) fn load_record(&self, key: Key) -> io::Result<Option<Vec<u8>>> {
        self.faults.check(Op::LoadRecord)?;
        let opened = self.partials.open(&record_name(key), OFlags::RDONLY);
        let Some(mut file) = found(opened)? else {
            return Ok(None);
        };
        // Most records are shorter: one read is enough.
        let mut text = vec![0; 1024];
        let count = file.read(&mut text)?;
        text.truncate(count);
        if count == 1024 {
            file.take(RECORD_MAX).read_to_end(&mut text)?;
        }
        Ok(Some(text))
    }

    /// Writes the record of `key`, or replaces it in one step. The caller syncs the directory.
    ///
    /// The first record needs no temporary file: a record that a crash cuts is no JSON, and counts as missing.
    pub(crate) fn save_record(&self, key: Key, text: &[u8]) -> io::Result<()> {
        match self.create_record(key, text)? {
            Some(file) => (self.sync_record(&file)).inspect_err(|_| self.discard_record(key)),
            None => self.replace_record(&record_name(key), text),
        }
    }

    /// Creates the record of `key` without a sync; `None` if it exists. A record that a power loss cuts is no valid JSON, and
    /// counts as missing.
    pub(crate) fn create_record(&self, key: Key, text: &[u8]) -> io::Result<Option<RecordFile>> {
        if text.len() as u64 > RECORD_MAX {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.faults.check(Op::CreateRecord)?;
        let (name, new) = (record_name(key), OFlags::CREATE | OFlags::EXCL);
        let file = match self.partials.open(&name, OFlags::WRONLY | new) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
            Err(error) => return Err(error),
        };
        let file = RecordFile(file);
        // If the removal fails, the file has no valid JSON, and the record counts as missing.
        let written = (self.write_record(&file, text)).inspect_err(|_| self.discard_record(key));
        written.map(|()| Some(file))
    }

    /// Removes a record file that was not written or synced. Its name needs no sync.
    pub(crate) fn discard_record(&self, key: Key) {
        let _ = unlinkat(&self.partials.file, record_name(key), AtFlags::empty());
    }

    /// Opens the record file of `key` for a sync; `None` if it does not exist.
    pub(crate) fn open_record(&self, key: Key) -> io::Result<Option<RecordFile>> {
        self.faults.check(Op::LoadRecord)?;
        let opened = self.partials.open(&record_name(key), OFlags::RDONLY);
        Ok(found(opened)?.map(RecordFile))
    }

    pub(crate) fn sync_record(&self, file: &RecordFile) -> io::Result<()> {
        self.gated(Op::SyncRecord, || file.0.sync_data())
    }

    /// Returns the text of the clock; empty without one.
    pub(crate) fn load_clock(&self) -> String {
        let mut text = String::new();
        let file = self.partials.open(CLOCK, OFlags::RDONLY);
        match file.and_then(|file| file.take(RECORD_MAX).read_to_string(&mut text)) {
            Ok(_) => text,
            Err(_) => String::new(),
        }
    }

    /// Replaces the text of the clock in one step.
    pub(crate) fn save_clock(&self, text: &str) -> io::Result<()> {
        self.replace_record(CLOCK, text.as_bytes())
    }

    /// Removes the record file of `key`, if it exists. The caller syncs the directory.
    pub(crate) fn remove_record(&self, key: Key) -> io::Result<()> {
        self.remove(&record_name(key))
    }

    fn replace_record(&self, name: &str, text: &[u8]) -> io::Result<()> {
        let number = self.temporaries.fetch_add(1, Relaxed);
        let temporary = format!("{}{number:x}", self.temporary);
        let new = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let file = RecordFile(self.partials.open(&temporary, new)?);
        let dir = &self.partials.file;
        let written = self.write_record(&file, text);
        let synced = written.and_then(|()| self.sync_record(&file));
        let replaced = synced.and_then(|()| {
            self.faults.check(Op::RenameRecord)?;
            Ok(renameat(dir, &temporary, dir, name)?)
        });
        replaced.inspect_err(|_| {
            // The sweep of the next server removes the file if this fails.
            let _ = unlinkat(dir, &temporary, AtFlags::empty());
        })
    }

    fn write_record(&self, file: &RecordFile, text: &[u8]) -> io::Result<()> {
        self.faults.check(Op::WriteRecord)?;
        (&file.0).write_all(text)
    }
}
