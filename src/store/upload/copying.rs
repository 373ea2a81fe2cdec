//! Publishes into a folder on another file system by a copy, in a separate thread. Workers never copy.
//!
//! The steps are: sync the copy under its hidden name; sync the record, which says that a copy gets the name; rename
//! without overwriting; sync the folder; remove the data file. The upload is complete when the data file is removed.
//! After a crash the next request copies again, unless a file with the name has the same bytes.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::store::error::Error;
use crate::store::fs::copy::Copy;
use crate::store::fs::disk::Data;
use crate::store::fs::record::Record;
use crate::store::fs::space::Floor;
use crate::store::options::Sharing;
use crate::store::upload::completed::Completed;
use crate::store::upload::copies::{Jobs, QUEUE_MAX};
use crate::store::upload::registry::{Registry, UploadHandle};
use crate::sync::thread::{self, JoinHandle};

/// The request that starts a copy waits this long for the end: small files are published by then.
const WAIT: Duration = Duration::from_secs(1);

/// A guard that stops the copying thread when it is dropped with the store.
pub(crate) struct Copier(pub(crate) Arc<Registry>);

impl Drop for Copier {
    fn drop(&mut self) {
        let mut jobs = self.0.copies.jobs();
        jobs.is_over = true;
        let thread = jobs.thread.take();
        drop(jobs);
        self.0.copies.changed.notify_all();
        // The copying thread itself may drop the last clone of the store, after it has called `tell`.
        let other = thread.filter(|it| it.thread().id() != thread::current().id());
        if other.is_some_and(|it| it.join().is_err()) {
            log::error!("the copying thread panicked");
        }
    }
}

fn work(registry: &Arc<Registry>) {
    while let Some(key) = registry.copies.next() {
        let copy = || registry.upload(key).copy_and_publish();
        let copied = panic::catch_unwind(AssertUnwindSafe(copy));
        (registry.copies).end(key, copied.unwrap_or(Err(Error::Poisoned)));
    }
}

/// The record, the data file and the epoch with which a copy begins.
struct Begun {
    record: Arc<Record>,
    data: Arc<Data>,
    epoch: u64,
}

impl UploadHandle {
    /// Checks that no copy of this upload is running or has failed.
    ///
    /// # Errors
    /// `NotPublished` while a copy is running. The error of a failed copy, once: the next request starts another copy.
    pub(crate) fn check_no_copy(&self) -> Result<(), Error> {
        let mut jobs = self.registry.copies.jobs();
        if let Some(Err(error)) = jobs.ended.remove(&self.key) {
            return Err(error);
        }
        let is_copied = jobs.has(self.key);
        drop(jobs);
        match is_copied {
            true => self.check_copied(),
            false => Ok(()),
        }
    }

    /// Adds the upload to the queue. If the queue was empty, waits up to a second for the end of the copy.
    ///
    /// # Errors
    /// `NotPublished` while the copy is running, or if it failed.
    pub(crate) fn copy_soon(&self) -> Result<Option<Completed>, Error> {
        let copies = &self.registry.copies;
        let mut jobs = copies.jobs();
        let is_idle = jobs.current.is_none() && jobs.queue.is_empty();
        if !jobs.has(self.key) {
            if jobs.queue.len() >= QUEUE_MAX || jobs.is_over {
                drop(jobs);
                return self.check_copied().map(|()| None);
            }
            jobs.queue.push_back(self.key);
            self.registry.work_on(&mut jobs)?;
        }
        if is_idle {
            let goes_on = |jobs: &mut Jobs| jobs.has(self.key) && !jobs.is_over;
            let waited = copies
                .changed
                .wait_timeout_while(jobs, WAIT, goes_on)
                .unwrap_or_else(PoisonError::into_inner);
            jobs = waited.0;
        }
        let ended = jobs.ended.remove(&self.key);
        let is_copied = jobs.has(self.key) || jobs.is_over;
        drop(jobs);
        match ended.transpose()? {
            None if is_copied => self.check_copied().map(|()| None),
            completed => Ok(completed),
        }
    }

    /// Checks that the upload does not wait for its copy any more.
    ///
    /// # Errors
    /// `NotPublished` while it does.
    fn check_copied(&self) -> Result<(), Error> {
        let state = self.load()?;
        let Some(record) = state.record().filter(|_| state.is_publishing()) else {
            return Ok(());
        };
        let obstacle = self.obstacle(is_copied(), record);
        // With the state locked: the end of the copy removes the obstacle.
        self.registry.blocked.add(self.key, record, &obstacle);
        Err(Error::NotPublished(obstacle))
    }

    /// Copies the upload and publishes the copy. `None` if the upload was removed or published in the meantime.
    fn copy_and_publish(&self) -> Result<Option<Completed>, Error> {
        let changing = self.lock_change()?;
        let state = self.load()?;
        let (record, data) = (state.record().cloned(), state.data().cloned());
        let (Some(record), Some(data), true) = (record, data, state.is_publishing()) else {
            return Ok(None);
        };
        let begun = Begun {
            record,
            data,
            epoch: state.epoch(),
        };
        drop(state);
        let copy = self.begin_copy(&begun);
        drop(changing);
        let published = copy.and_then(|copy| {
            let published = self.fill_and_publish(&begun, copy.as_ref());
            if let Some(copy) = copy.filter(|_| !matches!(published, Ok(Some(_)))) {
                copy.remove();
            }
            published
        });
        match published {
            Err(error) if self.is_still(&begun) => {
                Err(self.not_published(&begun.record, busy_if_elsewhere(error)))
            }
            // The upload was cancelled in the meantime.
            Err(_) => Ok(None),
            published => published,
        }
    }

    /// Creates the empty copy. `None` if the file has its name already, from before a crash.
    fn begin_copy(&self, begun: &Begun) -> Result<Option<Copy>, Error> {
        let Some(said) = begun.record.publishing.as_deref() else {
            return Err(Error::Superseded);
        };
        let length = begun.record.length.unwrap_or_default();
        if said.copied && self.disk().is_copied(&begun.data, length, &said.path)? {
            return Ok(None);
        }
        let options = &self.registry.options;
        let is_shared = options.sharing == Sharing::Shared;
        let floor = Floor::from(options);
        let copy = (self.disk()).begin_copy(self.key, &said.path, length, floor, is_shared)?;
        Ok(Some(copy))
    }

    fn fill_and_publish(
        &self,
        begun: &Begun,
        copy: Option<&Copy>,
    ) -> Result<Option<Completed>, Error> {
        if let Some(copy) = copy {
            let length = begun.record.length.unwrap_or_default();
            let goes_on = || self.is_still(begun) && !self.registry.copies.jobs().is_over;
            if !(self.disk()).fill_copy(copy, &begun.data, length, goes_on)? {
                return Ok(None);
            }
            if let Some(time) = begun.record.modified() {
                self.disk().set_modified(&copy.data()?, time)?;
            }
        }
        let _changing = self.lock_change()?;
        let state = self.load()?;
        if !state.is_publishing() || state.epoch() != begun.epoch {
            return Ok(None);
        }
        let Some(mut record) = state.record().cloned() else {
            return Ok(None);
        };
        drop(state);
        self.disk().check_in_place()?;
        match (copy, record.publishing_as()) {
            (Some(_), _) => self.name_and_move(&mut record, copy)?,
            // An earlier try named the copy, and may not have synced the name.
            (None, Some(path)) => self.disk().sync_published(path)?,
            (None, None) => {}
        }
        self.disk().remove(&self.key.to_string())?;
        Ok(self.moved(record)?.published)
    }

    fn is_still(&self, begun: &Begun) -> bool {
        self.lock()
            .is_ok_and(|state| state.epoch() == begun.epoch && state.is_publishing())
    }
}

/// Returns the obstacle of a file that waits for its copy to another file system.
fn is_copied() -> io::Error {
    io::Error::other("the copy to another file system is not finished")
}

/// Replaces "on another file system" by a temporary error. A mount has changed during the copy, so the next try may succeed.
fn busy_if_elsewhere(error: Error) -> Error {
    match error {
        Error::Io(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            Error::Io(io::ErrorKind::ResourceBusy.into())
        }
        Error::NotPublished(obstacle) if obstacle.is_elsewhere() => {
            Error::Io(io::ErrorKind::ResourceBusy.into())
        }
        error => error,
    }
}

impl Registry {
    /// Starts the copying thread, unless it is running.
    fn work_on(self: &Arc<Self>, jobs: &mut Jobs) -> Result<(), Error> {
        if jobs.is_working {
            return Ok(());
        }
        // That thread is about to end.
        jobs.thread.take().map(JoinHandle::join);
        let registry = Arc::clone(self);
        let thread = thread::Builder::new().name("resumed-copies".into());
        match thread.spawn(move || work(&registry)) {
            Ok(thread) => {
                jobs.thread = Some(thread);
                jobs.is_working = true;
                Ok(())
            }
            Err(error) => {
                jobs.queue.clear();
                Err(error.into())
            }
        }
    }
}
