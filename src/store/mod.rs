//! Uploads as files: bytes are appended where a file ends, survive whatever happens to the machine, and get their
//! name when they are all there.
//!
//! ```text
//! DIR/
//!   holiday.mp4          finished files; never a partial one
//!   photos/              if this is another mount, it holds `.resumed-<key>` while a file is copied
//!   .resumed/
//!     lock               held by the running server
//!     locks/             what servers lock that share DIR
//!     <key>              the bytes so far: its length is the offset; after a pulled plug, what it is marked with
//!     <key>.json         the record: id, name, declared length, time, owner, state
//! ```
//!
//! An answer (`finish`, `status`, `cancel`) is given when it will survive a pulled plug, and not before. Writing
//! exists only on [`Append`]; of several for one upload, the newest writes. Nothing is ever truncated because of what
//! a client sent.
//!
//! ```
//! use resumed::store::{Completes, Id, AppendRequest, Options, Store};
//!
//! # let temporary = tempfile::tempdir()?;
//! # let dir = temporary.path().join("uploads");
//! let store = Store::open(&dir, Options::default())?;
//! let id = Id::new(b"", b"greeting-11-1700000000000");
//!
//! let declared = AppendRequest { length: Some(11), name: Some("greeting.txt".into()), ..AppendRequest::default() };
//! let mut append = store.append_with(&id, 0, declared)?;
//! append.write(b"hello ")?;
//! append.cut(); // the connection was lost
//!
//! let held = store.status(&id)?;
//! let mut append = store.append(&id, held.offset)?;
//! append.write(b"world")?;
//! let finished = append.finish(Completes::AtLength)?;
//! assert!(finished.held.complete);
//! assert_eq!(finished.published.unwrap().path, dir.join("greeting.txt"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod fs;
mod id;
mod log;
mod obstacle;
mod options;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod recovery;
mod reservations;
mod shared;
#[cfg(test)]
mod tests;
mod upload;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub use self::error::{Difference, Error, OpenError};
pub use self::id::{Id, Key};
pub use self::obstacle::{Obstacle, ObstacleKind};
pub use self::options::{OnConflict, Options, Sharing, Sync};
pub use self::recovery::sweep::SweepReport;
pub use self::upload::append::{Append, Completes};
pub use self::upload::completed::Completed;
pub use self::upload::info::{Expiry, UploadInfo};
pub use self::upload::publish::Finished;
pub use self::upload::request::{
    AppendRequest, BodyLength, Crc32, Digest, Precondition, Start, TAIL_BYTES, Tail,
};
pub use self::upload::state::Progress;
pub(crate) use self::upload::under_way::UnderWay;

use self::fs::disk::Disk;
use self::fs::fault::Faults;
use self::upload::copies::Tell;
use self::upload::copying::Copier;
use self::upload::registry::{Registry, UploadHandle};
use self::upload::state::State;

/// A directory that takes uploads. Clones share it; it is closed, and its lock given up, when the last one and the
/// last [`Append`] are dropped.
#[derive(Clone)]
pub struct Store {
    shelf: Arc<Registry>,
    /// Stops the copying when the last clone of the store is dropped.
    _copier: Arc<Copier>,
}

impl Store {
    /// Opens `dir`, which is made if need be, and locks it against a second server.
    ///
    /// Quick however much lies there: what a crash left half done is repaired when its upload is next looked at, and
    /// by [`sweep`](Self::sweep).
    ///
    /// # Errors
    /// When the directory is in use, not writable, or not what it should be.
    pub fn open(dir: impl AsRef<Path>, mut options: Options) -> Result<Self, OpenError> {
        let disk = Disk::open(dir.as_ref(), &options, Faults::default())?;
        options.max_size = disk.max_size(options.max_size);
        if options.sharing == Sharing::Shared {
            let refused = |error| OpenError::NotShareable(dir.as_ref().into(), error);
            disk.make_shareable().map_err(refused)?;
            disk.end_journal().map_err(refused)?;
        }
        let shelf = Registry::new(disk, options, id::draw());
        let failed = |error| OpenError::Io(dir.as_ref().into(), error);
        shelf.begin_to_doubt().map_err(failed)?;
        let shelf = Arc::new(shelf);
        let copier = Copier::new(&shelf);
        Ok(Self {
            shelf,
            _copier: copier.into(),
        })
    }

    /// Returns the maximum length of an upload in bytes: the option, or the limit of the file system or of the process
    /// (`ulimit -f`) if that is smaller.
    pub fn max_size(&self) -> Option<u64> {
        self.shelf.options.max_size
    }

    /// Whether answers survive a pulled plug, so that they have to wait for the disk.
    pub fn is_durable(&self) -> bool {
        self.shelf.disk.durable
    }

    /// [`append_with`](Self::append_with) nothing declared, and a body that shows when it ends.
    ///
    /// # Errors
    /// As there.
    pub fn append(&self, id: &Id, start: u64) -> Result<Append, Error> {
        self.append_with(id, start, AppendRequest::default())
    }

    /// Begins to append at byte `start`, and fences every append before it; unless nothing is incoming, which only
    /// declares, or asks, and disturbs nobody.
    ///
    /// Never waits for a sync, but where several servers share the directory: for that of its record. An upload that is complete is appended to with nothing, at its end: then
    /// [`Append::finish`] says "complete" again.
    ///
    /// # Errors
    /// Nothing is changed by a refusal: [`Unknown`](Error::Unknown), [`Mismatch`](Error::Mismatch), [`LengthDiffers`](Error::LengthDiffers),
    /// [`Differs`](Error::Differs),
    /// [`Overshoot`](Error::Overshoot), [`TooLarge`](Error::TooLarge), [`NoSpace`](Error::NoSpace),
    /// [`Poisoned`](Error::Poisoned), [`Io`](Error::Io).
    pub fn append_with(
        &self,
        id: &Id,
        start: impl Into<Start>,
        intent: AppendRequest,
    ) -> Result<Append, Error> {
        let begun = Append::begin(&self.shelf, id, start.into(), intent);
        begun.map_err(|error| self.shelf.disk.explain(error))
    }

    /// Checks that the directory and its `.resumed` are still the opened ones, and can be written.
    ///
    /// After one of them was moved, removed, replaced or unmounted, the store accepts and publishes no upload. The store
    /// goes on when the same directory is back. For another directory, open a new store.
    ///
    /// # Errors
    /// [`Displaced`](Error::Displaced); [`Io`](Error::Io) if the directory cannot be written.
    pub fn health(&self) -> Result<(), Error> {
        self.shelf.disk.check_health()
    }

    /// What is held, durably. Disturbs nobody, and shares its sync with whoever asks at the same time.
    ///
    /// An upload that holds its whole declared length is published first.
    ///
    /// An unknown upload holds 0 bytes; asking about it leaves no trace.
    ///
    /// # Errors
    /// [`NotPublished`](Error::NotPublished), [`Io`](Error::Io), [`StorageFull`](Error::StorageFull),
    /// [`Poisoned`](Error::Poisoned).
    pub fn status(&self, id: &Id) -> Result<Progress, Error> {
        self.hold(id).status().map(|(held, _)| held)
    }

    /// What [`status`](Self::status) would say, where it can be said without waiting for a sync.
    pub fn settled(&self, id: &Id) -> Option<Progress> {
        self.hold(id).settled()
    }

    /// What is known of an upload besides what is held; `None` where nobody has begun it.
    ///
    /// # Errors
    /// [`Io`](Error::Io), [`Poisoned`](Error::Poisoned).
    pub fn about(&self, id: &Id) -> Result<Option<UploadInfo>, Error> {
        self.hold(id).about()
    }

    /// Fences every append before this call: none of them writes another byte. The result of [`status`](Self::status)
    /// then stays true until a newer append. Waits for a running write. A full upload is not fenced: no append to it can
    /// write another byte.
    ///
    /// # Errors
    /// [`Io`](Error::Io), [`Poisoned`](Error::Poisoned).
    pub fn fence(&self, id: &Id) -> Result<(), Error> {
        self.hold(id).fence()
    }

    /// Returns a checksum of the last bytes held when `at` was returned. `None` if there were none, they were cut off,
    /// or the upload is complete.
    ///
    /// # Errors
    /// [`Io`](Error::Io), [`Poisoned`](Error::Poisoned).
    pub fn tail(&self, id: &Id, at: Progress) -> Result<Option<Tail>, Error> {
        self.hold(id).tail(at)
    }

    /// Holds an upload in memory.
    pub(crate) fn hold(&self, id: &Id) -> Hold {
        Hold {
            entry: self.shelf.entry(id.key()),
            id: id.clone(),
        }
    }

    /// What is being sent now in the name space of `owner`, as it is known in memory. Waits for no window and no sync.
    pub(crate) fn under_way(&self, owner: &[u8]) -> Vec<UnderWay> {
        self.shelf.under_way(owner)
    }

    /// The directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.shelf.disk.root.path
    }

    /// Calls `tell` for each file after a copy to another file system has published it.
    pub(crate) fn tell_of_copies(&self, tell: Arc<Tell>) {
        self.shelf.copies.tell(tell);
    }

    /// Reports a file that a sweep has published as one that a copy has.
    pub(crate) fn tell_of_swept(&self, completed: Completed) {
        let key = completed.id.key();
        self.shelf.copies.ended(key, Ok(Some(completed)));
    }

    /// How many syncs there were, and how long they took together.
    pub(crate) fn synced(&self) -> (u64, Duration) {
        self.shelf.disk.gate.passed()
    }

    /// Forgets an upload and what is held of it, durably, and fences who was writing. A published file stays. Tells
    /// whether there was such an upload.
    ///
    /// # Errors
    /// [`Io`](Error::Io), [`Poisoned`](Error::Poisoned).
    pub fn cancel(&self, id: &Id) -> Result<bool, Error> {
        let cancelled = self.shelf.entry(id.key()).cancel();
        cancelled.map_err(|error| self.shelf.disk.explain(error))
    }

    /// Forgets a finished upload, durably, so that its id can be used again. The file stays, and so does an upload
    /// that is not finished.
    ///
    /// # Errors
    /// [`HookDue`](Error::HookDue), [`Io`](Error::Io), [`Poisoned`](Error::Poisoned).
    pub fn forget(&self, id: &Id) -> Result<(), Error> {
        let forgotten = self.shelf.entry(id.key()).forget();
        forgotten.map_err(|error| self.shelf.disk.explain(error))
    }

    /// Repairs what a crash left half done, and removes what has expired `now`. To be called at start and hourly, from
    /// a thread that may wait for the disk.
    pub fn sweep(&self, now: SystemTime) -> SweepReport {
        self.shelf.sweep(now)
    }

    /// The finished uploads whose completion hook is due ([`Options::mark_hooks`]), those already handed out included.
    ///
    /// # Errors
    /// [`Io`](Error::Io) when the directory cannot be read.
    pub fn due(&self) -> Result<Vec<Completed>, Error> {
        self.shelf.due()
    }

    /// Takes note that the completion hook of `id` has run.
    ///
    /// # Errors
    /// [`Io`](Error::Io), [`StorageFull`](Error::StorageFull), [`Poisoned`](Error::Poisoned). Then it is due again.
    pub fn hooked(&self, id: &Id) -> Result<(), Error> {
        self.shelf.entry(id.key()).hooked()
    }
}

/// An upload that is held in memory: whatever is asked of it meanwhile, its files are looked up once.
pub(crate) struct Hold {
    entry: UploadHandle,
    id: Id,
}

impl Hold {
    pub(crate) fn id(&self) -> &Id {
        &self.id
    }

    /// As [`Store::status`]. What that has published, because a crash had cut the publishing, is told too.
    pub(crate) fn status(&self) -> Result<(Progress, Option<Completed>), Error> {
        self.find()
            .map_err(|error| self.entry.disk().explain(error))
    }

    /// Returns the bytes held at this moment. Syncs and publishes nothing.
    pub(crate) fn glance(&self) -> Result<Progress, Error> {
        Ok(self.entry.look()?.held())
    }

    fn find(&self) -> Result<(Progress, Option<Completed>), Error> {
        self.entry.look()?.name(&self.id);
        self.entry.held()
    }

    /// As [`Store::settled`].
    pub(crate) fn settled(&self) -> Option<Progress> {
        let settled = |state: &State| self.entry.is_settled(state).then(|| state.held());
        if let Some(state) = self.entry.glance() {
            return settled(&state);
        }
        let mut state = self.entry.look().ok()?;
        state.name(&self.id);
        settled(&state)
    }

    /// As [`Store::about`].
    pub(crate) fn about(&self) -> Result<Option<UploadInfo>, Error> {
        self.entry.about()
    }

    /// As [`Store::fence`].
    pub(crate) fn fence(&self) -> Result<(), Error> {
        let mut state = self.entry.look()?;
        if !state.is_full() {
            state.fence();
        }
        Ok(())
    }

    /// As [`Store::tail`].
    pub(crate) fn tail(&self, at: Progress) -> Result<Option<Tail>, Error> {
        self.entry.tail(at)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.shelf.disk.published_path("").display())
    }
}
