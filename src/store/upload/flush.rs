//! Making durable what is held, and cutting back to what is when the disk fails.
//!
//! The order is: record, bytes, names; then an answer. Whoever asks at once shares the syncs.

use std::io;
use std::sync::Arc;

use crate::store::error::Error;
use crate::store::fs::dirs::Dir;
use crate::store::fs::disk::Data;
use crate::store::fs::record::Record;
use crate::store::upload::registry::UploadHandle;
use crate::store::upload::state::{Progress, State};

impl UploadHandle {
    /// Makes durable what is held now, and answers it. `None`: bytes held at the beginning of this call have
    /// ceased to be, so look again.
    pub(crate) fn settle(&self) -> Result<Option<Progress>, Error> {
        self.save_record()?;
        self.settle_bytes()
    }

    /// As `settle`, but for the record.
    pub(crate) fn settle_bytes(&self) -> Result<Option<Progress>, Error> {
        let state = self.look()?;
        let (held, epoch, entries) = (state.held(), state.epoch, state.entries);
        let (synced, listed) = (state.is_synced(), state.is_listed());
        let published = state.published().map(|published| published.path.clone());
        let marked = state.is_marked() || !self.disk().durable;
        drop(state);
        if !synced {
            self.sync_data()?;
        }
        if !marked {
            self.mark()?;
        }
        if !listed {
            self.sync_names(published.as_deref())?;
        }
        let mut state = self.state()?;
        if state.epoch != epoch {
            return Ok(None);
        }
        state.listed = state.listed.max(entries);
        self.keep_hashed(&mut state);
        Ok(Some(held))
    }

    /// Whether `settle` would have nothing to do.
    pub(crate) fn is_settled(&self, state: &State) -> bool {
        let is_kept = state.is_marked() && state.is_listed() || !self.disk().durable;
        state.saved && !state.is_full() && state.is_synced() && is_kept
    }

    /// Marks the data file with how much of it is synced, durably.
    fn mark(&self) -> Result<(), Error> {
        let (marked, epoch) = self.note_synced()?;
        self.sync_data()?;
        let mut state = self.state()?;
        if state.epoch == epoch {
            state.marked = state.marked.max(marked);
        }
        Ok(())
    }

    /// Marks the data file with how much of it is synced. The mark itself is synced by any later sync.
    ///
    /// Under the lock, so that a lower mark never comes after a higher one.
    pub(crate) fn note_synced(&self) -> Result<(u64, u64), Error> {
        let mut state = self.state()?;
        let synced = state.synced.unwrap_or_default();
        if let Some(data) = state.data.as_ref().filter(|_| state.noted < synced) {
            self.disk().mark(data, synced)?;
            state.noted = synced;
        }
        self.keep_hashed(&mut state);
        Ok((synced, state.epoch))
    }

    /// Makes durable the bytes held now, and marks the data file with how many those are.
    pub(crate) fn sync_and_note(&self) -> Result<(), Error> {
        self.sync_data()?;
        self.note_synced().map(drop)
    }

    /// Makes durable the bytes held now.
    ///
    /// # Errors
    /// When the sync failed, or one that was shared. What it was to confirm is then cut off the file.
    pub(crate) fn sync_data(&self) -> Result<(), Error> {
        Ok(self.syncs.share(|| self.sync_round())?)
    }

    fn sync_round(&self) -> io::Result<()> {
        let Ok(mut state) = self.state() else {
            return Err(io::Error::other("broken before"));
        };
        let Some(data) = state.data.clone() else {
            return Ok(());
        };
        let (offset, epoch) = (state.offset, state.epoch);
        let hashed = state.hashing.as_ref().map(|hashing| hashing.so_far());
        state.unsynced = 0;
        drop(state);
        let result = self.disk().sync(&data);
        let Ok(mut state) = self.state() else {
            return result;
        };
        match &result {
            Ok(()) if state.epoch == epoch => {
                state.synced = Some(offset);
                if let (Some(hashing), Some(hashed)) = (&mut state.hashing, hashed) {
                    hashing.is_synced(hashed);
                }
            }
            // Before any later round can begin: that one would succeed, and the bytes would still be lost.
            Err(_)
                if state
                    .data
                    .as_ref()
                    .is_some_and(|now| Arc::ptr_eq(now, &data)) =>
            {
                self.cut_back(&mut state)
            }
            _ => {}
        }
        result
    }

    /// After a failed write or sync nothing is believed: the file is cut back to the last length that a sync has
    /// confirmed, and who was writing is fenced. Where that cannot be done the upload is broken.
    pub(crate) fn cut_back(&self, state: &mut State) {
        state.fence();
        state.epoch += 1;
        state.unsynced = 0;
        let Some(data) = state.data.clone() else {
            return;
        };
        let cut = state.synced.map(|synced| {
            self.disk()
                .cut(&data, synced)
                .and_then(|()| self.disk().sync(&data))
        });
        match (state.synced, cut) {
            (Some(synced), Some(Ok(()))) => {
                state.offset = synced;
                if let Some(hashing) = &mut state.hashing {
                    hashing.cut_back(synced);
                }
            }
            _ => drop(self.poison()),
        }
    }

    /// Makes durable the names of this upload's files, and of the finished one at `published`.
    ///
    /// # Errors
    /// Then the upload is broken: which names there are on the disk is anybody's guess.
    pub(crate) fn sync_names(&self, published: Option<&str>) -> Result<(), Error> {
        let finished = published.map_or(Ok(()), |path| self.disk().sync_published(path));
        finished
            .and_then(|()| self.disk().sync_dir(Dir::Partials))
            .map_err(|error| {
                self.poison();
                error.into()
            })
    }

    /// Writes the record, if what is on disk says less. Its name is left to be synced.
    pub(crate) fn save_record(&self) -> Result<(), Error> {
        if self.look()?.saved {
            return Ok(());
        }
        let _changing = self.changing()?;
        let mut state = self.look()?;
        self.share_declared(&mut state)?;
        let unsaved = state.unsaved();
        drop(state);
        unsaved.map_or(Ok(()), |record| self.write_record(&record))
    }

    /// Writes what was declared, once and without a sync: a killed server must not lose the length, the name and the
    /// digests of a large upload. An answer still waits for a synced record.
    pub(crate) fn sketch_record(&self, state: &mut State) {
        let Some(record) = state.unsaved().filter(|_| !state.filed) else {
            return;
        };
        match self.disk().sketch_record(self.key, &record.to_json()) {
            Ok(()) => {
                state.filed = true;
                state.entries += 1;
            }
            Err(error) => log::debug!("{}: cannot write the record yet: {error}", self.key),
        }
    }

    /// Writes `record`. One whose upload is complete already has a line in the journal. The caller holds `changing`.
    pub(crate) fn write_record(&self, record: &Record) -> Result<(), Error> {
        if self.write_if_shared(record)? {
            return Ok(());
        }
        let mut state = self.state()?;
        state.saved = false;
        let filed = state.filed || record.publishing.is_none();
        drop(state);
        let text = record.to_json();
        match filed {
            true => self.disk().save_record(self.key, &text)?,
            false => self.disk().add_line(self.key, &text)?,
        }
        let mut state = self.state()?;
        state.filed = filed;
        state.entries += 1;
        state.saved = state.record.as_deref() == Some(record);
        Ok(())
    }

    /// Returns the data file. Creates it if there is none yet.
    pub(crate) fn data(&self, state: &mut State) -> io::Result<Arc<Data>> {
        if let Some(data) = &state.data {
            return Ok(Arc::clone(data));
        }
        let data = self.disk().create_data(self.key)?;
        state.entries += 1;
        Ok(Arc::clone(state.data.insert(Arc::new(data))))
    }
}
