//! The pages of the journal, and where in them the line is that counts for each upload.

use std::collections::BTreeMap;
use std::io;
use std::mem;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, Dir, Mode, OFlags, fstat, mkdirat, openat, unlinkat};
use rustix::io::Errno;

use crate::store::id::Key;
use crate::store::log::page::{Line, Page, each_line};
use crate::store::log::places::{Place, Places};

/// Their directory, in `.resumed`.
pub(crate) const JOURNAL: &str = "journal";

/// What there is of the journal.
pub(crate) struct Journal {
    pages: Mutex<Pages>,
    pub(crate) places: Arc<Places>,
}

impl Default for Journal {
    fn default() -> Self {
        let pages = Pages::default();
        let places = Arc::clone(&pages.places);
        let pages = Mutex::new(pages);
        Self { pages, places }
    }
}

impl Journal {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
pub(crate) struct Pages {
    /// `None`: there is none yet.
    dir: Option<Arc<OwnedFd>>,
    places: Arc<Places>,
    /// All that there are, in order.
    numbers: Vec<u32>,
    /// The one that is added to.
    page: Option<Page>,
    /// Those of former servers: who knows whether they are synced.
    unsure: Vec<u32>,
    /// How many lines were added, and which of those that say that an upload is forgotten are not synced.
    added: u64,
    forgotten: BTreeMap<Key, u64>,
    /// Lines that a failed sync may have lost. They are written again before any other.
    owed: Vec<u8>,
    /// Some could not be read back.
    lost: bool,
}

/// What is to be synced of a page.
pub(crate) struct Unsynced {
    pub(crate) file: Arc<OwnedFd>,
    /// The directory, where its name is to be synced too.
    pub(crate) new_in: Option<Arc<OwnedFd>>,
    number: u32,
    from: u64,
    to: u64,
    /// How many lines had been added then.
    added: u64,
}

impl Pages {
    pub(crate) fn are_read(&self) -> bool {
        self.places.are_read()
    }

    /// Finds those that there are in `.resumed`.
    pub(crate) fn read(&mut self, partials: impl AsFd) -> io::Result<()> {
        self.dir = open_dir(partials)?.map(Arc::new);
        self.numbers = numbers_in(self.dir.as_deref())?;
        let mut places = BTreeMap::new();
        for &number in &self.numbers {
            let page = match self.open(number) {
                // Another server has just made files of it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                page => page?,
            };
            each_line(&page, 0, |line| {
                match line.record {
                    Some(_) => places.insert(line.key, Place::new(number, line.at)),
                    None => places.remove(&line.key),
                };
            })?;
        }
        self.unsure = self.numbers.clone();
        self.places.are(places);
        Ok(())
    }

    pub(crate) fn has(&self, key: Key) -> bool {
        self.places.of(key).is_some()
    }

    pub(crate) fn keys(&self) -> Vec<Key> {
        self.places.keys()
    }

    /// The page with the line about `key`, and where that is.
    pub(crate) fn find(&self, key: Key) -> io::Result<Option<(Arc<OwnedFd>, u64)>> {
        let found = |place: Place| Ok((self.open(place.page)?, place.at.into()));
        self.places.of(key).map(found).transpose()
    }

    /// Whether there has to be a new page before anything can be added.
    pub(crate) fn is_between(&self) -> bool {
        self.page.is_none()
    }

    /// Begins a page.
    pub(crate) fn begin(&mut self, partials: impl AsFd) -> io::Result<()> {
        let dir = match &self.dir {
            Some(dir) => Arc::clone(dir),
            None => Arc::new(make_dir(partials)?),
        };
        let number = self.numbers.last().map_or(1, |last| last + 1);
        let new = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = openat(&dir, number.to_string(), new, Mode::RUSR | Mode::WUSR)?;
        self.dir = Some(dir);
        self.numbers.push(number);
        self.page = Some(Page::new(number, file));
        Ok(())
    }

    /// Adds to the page that was begun: first what is owed, then a line.
    pub(crate) fn add(&mut self, key: Key, record: Option<&[u8]>) -> io::Result<()> {
        self.pay()?;
        let Some(page) = &mut self.page else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let mut line = Vec::new();
        Line { at: 0, key, record }.write(&mut line);
        // Before it is written: also what could not be written may be there, and then has to be taken back.
        if record.is_some() {
            self.places.set(key, Place::new(page.number, page.end));
        }
        page.add(&line)?;
        self.added += 1;
        if record.is_none() {
            self.places.remove(key);
        }
        Ok(())
    }

    /// Writes what is owed.
    pub(crate) fn pay(&mut self) -> io::Result<()> {
        let Some(page) = &mut self.page else {
            return Ok(());
        };
        let from = page.end;
        page.add(&self.owed)?;
        for line in Line::all_in(&mem::take(&mut self.owed)) {
            if line.record.is_some() {
                (self.places).set(line.key, Place::new(page.number, from + line.at));
            }
        }
        Ok(())
    }

    /// The line that was added last says that `key` is forgotten, and is to be synced.
    pub(crate) fn forgot(&mut self, key: Key) {
        self.forgotten.insert(key, self.added);
    }

    /// Whether a line that says that `key` is forgotten is not synced.
    pub(crate) fn is_forgotten_unsynced(&self, key: Key) -> bool {
        self.forgotten.contains_key(&key)
    }

    pub(crate) fn owes(&self) -> bool {
        !self.owed.is_empty()
    }

    /// Leaves the page when it is done. Not while some of it is to be synced.
    pub(crate) fn leave(&mut self, durable: bool, is_done: impl FnOnce(&Page) -> bool) {
        let is_settled = |page: &Page| page.synced == page.end || !durable;
        self.page.take_if(|page| is_settled(page) && is_done(page));
    }
}

/// Syncing.
impl Pages {
    /// What has to be synced for all lines to survive a pulled plug.
    ///
    /// # Errors
    /// When some are lost for good.
    pub(crate) fn unsynced(&self) -> io::Result<Vec<Unsynced>> {
        if self.lost {
            return Err(io::Error::other("lines of the journal are lost"));
        }
        let old = self.unsure.iter().map(|&number| {
            Ok(Unsynced {
                file: self.open(number)?,
                new_in: self.dir.clone(),
                number,
                from: 0,
                to: 0,
                added: 0,
            })
        });
        let page = self.page.as_ref().filter(|page| page.synced < page.end);
        let new = page.map(|page| {
            Ok(Unsynced {
                file: Arc::clone(&page.file),
                new_in: self.dir.clone().filter(|_| !page.listed),
                number: page.number,
                from: page.synced,
                to: page.end,
                added: self.added,
            })
        });
        old.chain(new).collect()
    }

    pub(crate) fn is_synced(&mut self, done: &Unsynced) {
        self.unsure.retain(|number| *number != done.number);
        if let Some(page) = self.page.as_mut().filter(|page| page.number == done.number) {
            page.synced = page.synced.max(done.to);
            page.listed = true;
            self.forgotten.retain(|_, line| *line > done.added);
        }
    }

    /// A sync has failed, and a later one would succeed all the same: what it was to confirm is written again. Nothing
    /// is added to that page any more.
    pub(crate) fn is_doubtful(&mut self, failed: &Unsynced) {
        self.unsure.retain(|number| *number != failed.number);
        self.page.take_if(|page| page.number == failed.number);
        let mut owed = Vec::new();
        let read = each_line(&failed.file, failed.from, |line| {
            let counts = match line.record {
                Some(_) => self.places.of(line.key) == Some(Place::new(failed.number, line.at)),
                None => !self.has(line.key),
            };
            if counts {
                line.write(&mut owed);
            }
        });
        self.lost |= read.is_err();
        self.owed.extend(owed);
    }
}

/// Removing.
impl Pages {
    /// Those to which nothing was added for longer than `age`, from the first on; never the one that is added to.
    pub(crate) fn older(&self, age: Duration, now: SystemTime) -> io::Result<Vec<u32>> {
        let added_to = self.page.as_ref().map(|page| page.number);
        let mut older = Vec::new();
        for &number in &self.numbers {
            let changed = fstat(self.open(number)?)?.st_mtime.try_into();
            let changed = UNIX_EPOCH + Duration::from_secs(changed.unwrap_or_default());
            let since = now.duration_since(changed);
            let is_old = since.is_ok_and(|since| since > age);
            if !is_old || added_to == Some(number) {
                break;
            }
            older.push(number);
        }
        Ok(older)
    }

    /// The uploads with a line in page `number`.
    pub(crate) fn keys_in(&self, number: u32) -> Vec<Key> {
        self.places.keys_in(number)
    }

    /// Removes page `number`, and answers how many records went with it.
    pub(crate) fn remove(&mut self, number: u32) -> io::Result<usize> {
        let dir = self.dir.as_ref();
        match dir.map(|dir| unlinkat(dir, number.to_string(), AtFlags::empty())) {
            Some(Err(error)) if error != Errno::NOENT => return Err(error.into()),
            _ => {}
        }
        self.numbers.retain(|other| *other != number);
        self.unsure.retain(|other| *other != number);
        Ok(self.places.remove_all_in(number))
    }

    /// Removes them all.
    pub(crate) fn remove_all(&mut self) -> io::Result<()> {
        let all = self.numbers.clone();
        all.into_iter()
            .try_for_each(|number| self.remove(number).map(drop))
    }

    fn open(&self, number: u32) -> io::Result<Arc<OwnedFd>> {
        if let Some(page) = self.page.as_ref().filter(|page| page.number == number) {
            return Ok(Arc::clone(&page.file));
        }
        let dir = self.dir.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Arc::new(openat(
            dir,
            number.to_string(),
            flags,
            Mode::empty(),
        )?))
    }
}

fn open_dir(partials: impl AsFd) -> io::Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(partials, JOURNAL, flags, Mode::empty()) {
        Ok(dir) => Ok(Some(dir)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn make_dir(partials: impl AsFd) -> io::Result<OwnedFd> {
    match mkdirat(&partials, JOURNAL, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    open_dir(partials)?.ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn numbers_in(dir: Option<&OwnedFd>) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in dir.map(Dir::read_from).transpose()?.into_iter().flatten() {
        numbers.extend(entry?.file_name().to_string_lossy().parse::<u32>());
    }
    numbers.sort_unstable();
    Ok(numbers)
}
