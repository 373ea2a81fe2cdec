//! The record of an upload: a record file, or an entry of the completion log. A record file counts before an entry.

use std::io;

use crate::store::fs::dirs::Dir;
use crate::store::fs::disk::Data;
use crate::store::id::Key;
use crate::store::upload::registry::Registry;

impl Registry {
    /// Returns the record of `key` as text, and whether it is a record file. Looks for a file only if there may be one.
    pub(crate) fn load_record(
        &self,
        key: Key,
        may_have_file: bool,
    ) -> io::Result<Option<(Vec<u8>, bool)>> {
        let text = match may_have_file {
            true => self.disk.load_record(key)?,
            false => None,
        };
        match text {
            Some(text) => Ok(Some((text, true))),
            None => Ok(self.log.find(key)?.map(|text| (text, false))),
        }
    }

    /// Removes the record of `key`, without a sync.
    pub(crate) fn remove_record(&self, key: Key) -> io::Result<()> {
        self.disk.remove_record(key)?;
        self.log.remove(key)
    }

    /// Creates the data file of `key`. The removal of an earlier record is durable before.
    pub(crate) fn create_data(&self, key: Key) -> io::Result<Data> {
        if self.log.has_unsynced_tombstone(key) {
            self.sync_partials()?;
        }
        self.disk.create_data(key)
    }

    /// Makes the log and the names in `.resumed` durable.
    pub(crate) fn sync_partials(&self) -> io::Result<()> {
        self.log.sync()?;
        self.disk.sync_dir(Dir::Partials)
    }
}
