//! The journal: the records of uploads that came in one request, a line each.
//!
//! A file of its own for a record costs a small upload as much as its bytes do. A line costs next to nothing, and all
//! that are added at once share a sync.
//!
//! ```text
//! .resumed/journal/
//!   1        <key> {"v":1,...}      a record, as in <key>.json
//!   2        <key>                  it is forgotten
//! ```
//!
//! Lines are only ever added, and of those about one upload the last counts. Each server begins a page of its own, so
//! that a line whose writing was cut is the last of its page. A page goes when nothing was added to it for as long as
//! records are kept. Several servers over one directory have no journal: none would see what another adds.

use std::io;
use std::sync::MutexGuard;
use std::time::{Duration, SystemTime};

use rustix::fs::{fdatasync, fsync};

use crate::store::fs::dirs::Dir;
use crate::store::fs::disk::Disk;
use crate::store::fs::fault::Op;
use crate::store::id::Key;
use crate::store::log::page::{Page, read_record};
use crate::store::log::pages::{Pages, Unsynced};
use crate::store::obstacle::is_too_large;

/// A new page is begun when an eighth of the time is over for which records are kept: so they are kept little longer.
const PAGES_A_LIFE: u32 = 8;

impl Disk {
    /// The record of `key`, where it is in the journal.
    pub(crate) fn find_line(&self, key: Key) -> io::Result<Option<Vec<u8>>> {
        match self.has_line(key)? {
            true => read(&*self.pages()?, key),
            false => Ok(None),
        }
    }

    /// Whether it is.
    pub(crate) fn has_line(&self, key: Key) -> io::Result<bool> {
        match self.journal.places.has(key) {
            Some(has) => Ok(has),
            None => Ok(self.pages()?.has(key)),
        }
    }

    /// Adds the record of `key`. It is left to be synced.
    pub(crate) fn add_line(&self, key: Key, record: &[u8]) -> io::Result<()> {
        self.add(&mut *self.pages()?, key, Some(record))
    }

    /// The record of `key` counts no more. That is left to be synced.
    pub(crate) fn take_back_line(&self, key: Key) -> io::Result<()> {
        let mut pages = self.pages()?;
        if !pages.has(key) {
            return Ok(());
        }
        self.add(&mut pages, key, None)?;
        // Where nothing is ever synced it would be kept for ever.
        if self.durable {
            pages.forgot(key);
        }
        Ok(())
    }

    /// Makes sure that a line about `key` does not come back after it was taken back: what comes now would be taken for
    /// what it was about.
    pub(crate) fn forget_line(&self, key: Key) -> io::Result<()> {
        let is_unsure = self.journal.lock().is_forgotten_unsynced(key);
        if is_unsure {
            self.sync_dir(Dir::Partials)?;
        }
        Ok(())
    }

    /// The uploads whose record is in the journal.
    pub(crate) fn keys_in_journal(&self) -> io::Result<Vec<Key>> {
        Ok(self.pages()?.keys())
    }

    /// Makes what was added survive a pulled plug. For one caller at a time.
    ///
    /// # Errors
    /// Then it is written again, for those who come later; who relied on this must believe nothing.
    pub(crate) fn sync_journal(&self) -> io::Result<()> {
        let mut pages = self.journal.lock();
        if pages.owes() {
            self.make_ready(&mut pages)?;
        }
        let unsynced = pages.unsynced()?;
        drop(pages);
        for part in unsynced {
            let synced = self.sync_page(&part);
            let mut pages = self.journal.lock();
            match synced {
                Ok(()) => pages.is_synced(&part),
                Err(_) => pages.is_doubtful(&part),
            }
            synced?;
        }
        Ok(())
    }

    /// Removes the pages to which nothing was added for longer than `age`, but not the records that `stay`. Answers how
    /// many have gone.
    pub(crate) fn sweep_journal(
        &self,
        age: Duration,
        now: SystemTime,
        stay: impl Fn(&[u8], Key) -> bool,
    ) -> io::Result<usize> {
        // A page that is not synced is not left.
        if !self.pages()?.unsynced()?.is_empty() {
            self.sync_dir(Dir::Partials)?;
        }
        let mut pages = self.pages()?;
        pages.leave(self.durable, |page| page.is_older(age / PAGES_A_LIFE, now));
        let old = pages.older(age, now)?;
        let keys: Vec<_> = old
            .iter()
            .flat_map(|number| pages.keys_in(*number))
            .collect();
        let mut stayed = false;
        for key in keys {
            if let Some(record) = read(&pages, key)?.filter(|record| stay(record, key)) {
                self.add(&mut pages, key, Some(&record))?;
                stayed = true;
            }
        }
        drop(pages);
        if stayed {
            self.sync_dir(Dir::Partials)?;
        }
        let mut pages = self.pages()?;
        let removed = old.iter().map(|number| pages.remove(*number));
        removed.sum()
    }

    /// Gives each record a file of its own, and removes all pages: for servers that share the directory.
    pub(crate) fn end_journal(&self) -> io::Result<()> {
        for key in self.keys_in_journal()? {
            if let Some((record, false)) = self.load_record(key)? {
                self.save_record(key, &record)?;
            }
        }
        self.sync_dir(Dir::Partials)?;
        self.pages()?.remove_all()
    }

    fn add(&self, pages: &mut Pages, key: Key, record: Option<&[u8]>) -> io::Result<()> {
        pages.leave(self.durable, Page::is_full);
        self.make_ready(pages)?;
        self.faults.check(Op::WriteRecord)?;
        match pages.add(key, record) {
            // The file size limit is smaller than a full page.
            Err(error) if is_too_large(&error) => {
                pages.leave(self.durable, |page| page.end > 0);
                if !pages.is_between() {
                    return Err(error);
                }
                self.make_ready(pages)?;
                pages.add(key, record)
            }
            added => added,
        }
    }

    /// Has a page to add to, and what is owed in it.
    fn make_ready(&self, pages: &mut Pages) -> io::Result<()> {
        if pages.is_between() {
            self.faults.check(Op::CreateRecord)?;
            pages.begin(&self.partials.file)?;
        }
        pages.pay()
    }

    fn sync_page(&self, part: &Unsynced) -> io::Result<()> {
        self.gated(Op::SyncRecord, || Ok(fdatasync(&part.file)?))?;
        match &part.new_in {
            Some(dir) => self.gated(Op::SyncDir, || Ok(fsync(dir)?)),
            None => Ok(()),
        }
    }

    /// The pages, read if they were not yet.
    fn pages(&self) -> io::Result<MutexGuard<'_, Pages>> {
        let mut pages = self.journal.lock();
        if !pages.are_read() {
            self.faults.check(Op::LoadRecord)?;
            pages.read(&self.partials.file)?;
        }
        Ok(pages)
    }
}

fn read(pages: &Pages, key: Key) -> io::Result<Option<Vec<u8>>> {
    let found = pages.find(key)?;
    let record = found.map(|(page, at)| read_record(page, at, key));
    Ok(record.transpose()?.flatten())
}
