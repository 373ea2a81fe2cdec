//! Loading an upload: its state is derived from the files on the disk.

use std::io;

use crate::store::error::Error;
use crate::store::fs::disk::Data;
use crate::store::fs::marker::MarkerValue;
use crate::store::fs::record::{Hook, Record};
use crate::store::options::OnConflict;
use crate::store::upload::durability::{Confirmed, Marker};
use crate::store::upload::guard::StateGuard;
use crate::store::upload::registry::UploadHandle;
use crate::store::upload::state::{Files, State};
use crate::sync::atomic::Ordering::SeqCst;

impl UploadHandle {
    /// Locks the state, and loads it if needed. Never waits for a sync.
    ///
    /// # Errors
    /// `Poisoned`; `Io` if the disk fails, or (`InvalidData`) if the files are not of this version.
    pub(crate) fn load(&self) -> Result<StateGuard<'_>, Error> {
        let mut state = self.lock()?;
        if !state.is_loaded() {
            self.disk().check_in_place_lately()?;
            self.read_files(&mut state)?;
        }
        if self.is_taken_away(&state)? {
            self.registry.remove_record(self.key)?;
            self.clear(&mut state);
        }
        Ok(state)
    }

    pub(crate) fn read_files(&self, state: &mut State) -> io::Result<()> {
        let may_have_files = self.registry.files.may_have(self.key);
        let (text, is_file) = self.registry.load_record(self.key, may_have_files)?.unzip();
        let record = text.map(|text| Record::parse(&text, self.key));
        let record = record.transpose().map(Option::flatten);
        let found = match may_have_files {
            true => self.disk().open_data(self.key)?,
            false => None,
        };
        let data = match found {
            None => None,
            Some((data, length)) => {
                let marker = self.disk().read_marker(&data)?;
                let record = record.as_ref().ok().and_then(Option::as_ref);
                let (length, marker) = match marker {
                    None => (length, Marker::Unsupported),
                    Some(marker) => self.recover(&data, length, marker, record)?,
                };
                Some((data, length, marker))
            }
        };
        // Other servers change files, and this one does not see when.
        let confirmed = match self.is_shared() {
            true => Confirmed::Nothing,
            false => self.registry.files.confirmed(self.key),
        };
        state.load(Files {
            record: record?,
            has_record_file: is_file.unwrap_or_default(),
            data,
            confirmed,
        });
        Ok(())
    }

    /// Truncates a data file of `length` bytes to its marker, if the upload is loaded the first time after a power
    /// loss. Returns the length that is left, and the lengths in the marker.
    ///
    /// Needs no sync: the marker is still there if the removed bytes come back.
    fn recover(
        &self,
        data: &Data,
        length: u64,
        marker: MarkerValue,
        record: Option<&Record>,
    ) -> io::Result<(u64, Marker)> {
        let (synced, end) = (marker.synced, marker.end());
        let unchanged = Marker::Lengths { synced, end };
        // A record gets its published path after the sync of all bytes.
        let is_publishing =
            record.is_some_and(|it| it.publishing.is_some() && it.length == Some(length));
        if synced >= length || is_publishing || !self.registry.trusts_markers_only.load(SeqCst) {
            return Ok((length, unchanged));
        }
        let kept = self.disk().confirmed_length(data, marker, length)?;
        let marker = match kept > synced {
            true => {
                // The bytes are on the disk: later servers need no checksum.
                self.disk().write_marker(data, MarkerValue::synced(kept))?;
                Marker::Lengths {
                    synced: kept,
                    end: kept,
                }
            }
            false => unchanged,
        };
        if kept == length {
            return Ok((length, marker));
        }
        log::info!(
            "{}: after a power loss, {kept} of {length} bytes are kept",
            self.key
        );
        // The stored hash states may cover the removed bytes.
        self.disk().remove_hash_states(data)?;
        self.disk().truncate(data, kept)?;
        Ok((kept, marker))
    }

    /// Returns whether the finished file was removed, so that the upload is to be forgotten and can be sent again. An upload
    /// stays if its hook has run or is due: the hook may have moved the file, also before a crash.
    fn is_taken_away(&self, state: &State) -> io::Result<bool> {
        let Some(published) = state.published() else {
            return Ok(false);
        };
        let stays = match published.hook {
            Some(Hook::Done) => true,
            // Without hooks in this run, no hook would ever report its end.
            Some(Hook::Due) => self.registry.options.mark_hooks || self.is_shared(),
            None => false,
        };
        if stays {
            return Ok(false);
        }
        let is_there = self
            .disk()
            .is_taken(&published.path, OnConflict::KeepBoth)?;
        Ok(!is_there)
    }

    /// Forgets everything about an upload without files.
    pub(crate) fn clear(&self, state: &mut State) {
        state.clear();
        self.registry.blocked.forget(self.key);
        self.registry.copies.forget(self.key);
        self.registry.reservations.release(self.key);
        self.registry.accounts.remove(self.key);
    }
}
