//! Uploads as files. An append writes bytes at the end of a data file. Reported bytes survive a power loss. A full
//! upload gets its name by a rename.
//!
//! ```text
//! DIR/
//!   holiday.mp4          finished files; never a partial one
//!   photos/              if this is another mount, it holds `.resumed-<key>` while a file is copied
//!   .resumed/
//!     lock               held by the running server
//!     locks/             lock files of servers that share DIR
//!     <key>              the data file: its length is the offset; after a power loss, the marker is
//!     clock              the time for which servers ran: uploads age by it
//!     <key>.json         the record: id, name, declared length, time, owner, state
//!     journal/           the completion log: records of uploads that arrived in one request
//! ```
//!
//! A result of `finish`, `status` or `cancel` is durable. Only an [`Append`] writes bytes; of several appends of one
//! upload, only the newest. No request of a client truncates a file.
//!
//! ```
//! use resumed::store::{AppendRequest, Completes, Id, Options, Store};
//!
//! # let temporary = tempfile::tempdir()?;
//! # let dir = temporary.path().join("uploads");
//! let store = Store::open(&dir, Options::default())?;
//! let id = Id::new(b"", b"greeting-11-1700000000000");
//!
//! let mut declared = AppendRequest::default();
//! declared.length = Some(11);
//! declared.file.name = Some("greeting.txt".into());
//! let mut append = store.append_with(&id, 0, declared)?;
//! append.write(b"hello ")?;
//! append.cut(); // the connection was lost
//!
//! let progress = store.status(&id)?;
//! let mut append = store.append(&id, progress.offset)?;
//! append.write(b"world")?;
//! let finished = append.finish(Completes::AtLength)?;
//! assert!(finished.progress.complete);
//! assert_eq!(finished.published.unwrap().path, dir.join("greeting.txt"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod account;
mod account_index;
mod clock;
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
mod size;
#[cfg(test)]
mod tests;
mod upload;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use self::account::Account;
pub use self::account_index::Usage;
pub use self::error::{Difference, Error, OpenError, Quota, SpaceLimit, UserDirClash};
pub use self::fs::file_info::FileInfo;
pub use self::fs::hashed::{Crc32, Digest};
pub use self::fs::user_dir::check_user_dirs;
pub use self::id::{Id, Key};
pub use self::obstacle::{Obstacle, ObstacleKind};
pub use self::options::{InodeFloor, MalformedOption, OnConflict, Options, Sharing, SyncMode};
pub use self::recovery::sweep::SweepReport;
pub(crate) use self::size::Size;
pub(crate) use self::upload::append::RefusedWindow;
pub use self::upload::append::{Append, Completes};
pub use self::upload::completed::Completed;
pub use self::upload::info::{Expiry, UploadInfo};
pub use self::upload::publish::Finished;
pub(crate) use self::upload::registry::UploadHandle;
pub use self::upload::request::{AppendRequest, BodyLength, Precondition, Start, TAIL_BYTES, Tail};
pub use self::upload::state::Progress;
pub use self::upload::under_way::PartialUpload;
pub(crate) use self::upload::under_way::UnderWay;

use self::fs::disk::Disk;
use self::fs::fault::Faults;
use self::fs::space::Floor;
use self::recovery::{power_loss, sweep};
use self::shared::SharedDirectory;
use self::upload::coordination::Coordination;
use self::upload::copies::Tell;
use self::upload::copying::Copier;
use self::upload::registry::Registry;

/// A directory that receives uploads. Clones share it. The directory is closed and unlocked when the last clone and the
/// last [`Append`] are dropped.
#[derive(Clone)]
pub struct Store {
    registry: Arc<Registry>,
    /// Stops the copying thread when the last clone of the store is dropped.
    _copier: Arc<Copier>,
}

impl Store {
    /// Opens `dir`, creates it if needed, and locks it against a second server.
    ///
    /// The duration does not depend on the number of uploads. After a crash, the request that loads an
    /// upload repairs it, or [`sweep`](Self::sweep) does.
    ///
    /// # Errors
    /// If the directory is in use or not writable, or a file is in its place.
    pub fn open(dir: impl AsRef<Path>, mut options: Options) -> Result<Self, OpenError> {
        let dir = dir.as_ref();
        let disk = Arc::new(Disk::open(dir, &options, Faults::default())?);
        options.max_size = disk.max_size(options.max_size);
        let shared = match options.sharing {
            Sharing::Alone => None,
            Sharing::Shared => Some(SharedDirectory::new(Arc::clone(&disk))),
        };
        let refused = |error| OpenError::NotShareable(dir.into(), error);
        let shared = shared.transpose().map_err(refused)?;
        let coordination = shared.map(|shared| Box::new(shared) as Box<dyn Coordination>);
        let registry = Arc::new(Registry::new(disk, options, coordination));
        if registry.coordination.is_some() {
            registry.log.export().map_err(refused)?;
        }
        power_loss::begin(&registry).map_err(|error| OpenError::Io(dir.into(), error))?;
        let copier = Copier(Arc::clone(&registry)).into();
        Ok(Self {
            registry,
            _copier: copier,
        })
    }

    /// Returns the maximum length of an upload in bytes: the option, or the limit of the file system or of the process
    /// (`ulimit -f`) if that is smaller.
    pub fn max_size(&self) -> Option<u64> {
        self.registry.options.max_size
    }

    /// Returns whether results survive a power loss, so that they wait for syncs.
    pub fn is_durable(&self) -> bool {
        self.registry.disk.durable
    }

    /// Begins an append without declarations and with a body of unknown length.
    ///
    /// # Errors
    /// Those of [`append_with`](Self::append_with).
    pub fn append(&self, id: &Id, start: u64) -> Result<Append, Error> {
        self.append_with(id, start, AppendRequest::default())
    }

    /// Begins an append at byte `start`, and fences every earlier one. A request without a body only declares or asks, and
    /// fences none.
    ///
    /// Never waits for a sync; with [`Sharing::Shared`], waits for that of the record. To a complete upload an append
    /// without bytes can begin at its end: its [`Append::finish`] reports "complete" again.
    ///
    /// # Errors
    /// A refusal changes nothing: [`Unknown`](Error::Unknown), [`Mismatch`](Error::Mismatch),
    /// [`LengthDiffers`](Error::LengthDiffers), [`Differs`](Error::Differs), [`Overshoot`](Error::Overshoot),
    /// [`TooLarge`](Error::TooLarge), [`TooManyPartials`](Error::TooManyPartials),
    /// [`TooManyPartialsOfAccount`](Error::TooManyPartialsOfAccount), [`OverQuota`](Error::OverQuota),
    /// [`NoSpace`](Error::NoSpace), [`NotPublished`](Error::NotPublished), [`Displaced`](Error::Displaced),
    /// [`Poisoned`](Error::Poisoned), [`Io`](Error::Io).
    pub fn append_with(
        &self,
        id: &Id,
        start: impl Into<Start>,
        request: AppendRequest,
    ) -> Result<Append, Error> {
        self.explained(Append::begin(&self.registry, id, start.into(), request))
    }

    /// Checks that the directory and its `.resumed` are still the opened ones, and can be written.
    ///
    /// After one of them was moved, removed, replaced or unmounted, the store accepts and publishes no upload. The store
    /// continues when the same directory is back. For another directory, open a new store.
    ///
    /// # Errors
    /// [`Displaced`](Error::Displaced); [`Io`](Error::Io) if the directory cannot be written.
    pub fn health(&self) -> Result<(), Error> {
        self.registry.disk.check_health()
    }

    /// Returns the progress, durably. Fences no append, and shares its syncs with concurrent calls.
    ///
    /// Publishes a full upload first. An unknown upload has 0 bytes; the question leaves no file.
    ///
    /// # Errors
    /// [`NotPublished`](Error::NotPublished), [`Io`](Error::Io), [`StorageFull`](Error::StorageFull),
    /// [`Poisoned`](Error::Poisoned).
    pub fn status(&self, id: &Id) -> Result<Progress, Error> {
        self.status_of(&self.upload(id), id)
            .map(|(progress, _)| progress)
    }

    /// Returns the result of [`status`](Self::status), if it needs no sync.
    pub fn durable_progress(&self, id: &Id) -> Option<Progress> {
        self.upload(id).durable_progress(id)
    }

    /// Returns the declarations and the expiry of an upload, and the path of a complete one; `None` if no request has begun
    /// it, or its record has expired.
    ///
    /// # Errors
    /// [`Io`](Error::Io), [`Poisoned`](Error::Poisoned).
    pub fn info(&self, id: &Id) -> Result<Option<UploadInfo>, Error> {
        self.upload(id).info()
    }

    /// Fences every earlier append: none of them writes another byte. The result of [`status`](Self::status) then stays
    /// true until a newer append. Waits for a running write. Does not fence a full upload: no append can write to it.
    ///
    /// # Errors
    /// [`Io`](Error::Io), [`Poisoned`](Error::Poisoned).
    pub fn fence(&self, id: &Id) -> Result<(), Error> {
        self.upload(id).fence()
    }

    /// Returns a checksum of the last bytes at the progress `at`. `None` if there were none, they were truncated, or the
    /// upload is complete.
    ///
    /// # Errors
    /// [`Io`](Error::Io), [`Poisoned`](Error::Poisoned).
    pub fn tail(&self, id: &Id, at: Progress) -> Result<Option<Tail>, Error> {
        self.upload(id).tail(at)
    }

    /// Removes an incomplete upload and its bytes, or the record of a complete one, durably. Fences every append. A
    /// published file stays. Returns whether there was such an upload.
    ///
    /// # Errors
    /// [`HookDue`](Error::HookDue), [`Io`](Error::Io), [`Poisoned`](Error::Poisoned).
    pub fn cancel(&self, id: &Id) -> Result<bool, Error> {
        self.explained(self.upload(id).cancel())
    }

    /// Removes the record of a complete upload, durably, so that its id can be used again. The file stays, and so does an
    /// incomplete upload.
    ///
    /// # Errors
    /// [`HookDue`](Error::HookDue), [`Io`](Error::Io), [`Poisoned`](Error::Poisoned).
    pub fn forget(&self, id: &Id) -> Result<(), Error> {
        self.explained(self.upload(id).forget())
    }

    /// Repairs uploads after a crash, and removes those that have expired. Call this at start and hourly, in a thread that
    /// may wait for the disk.
    ///
    /// The age of an upload is the time in which a store was open since its last byte. A step of the clock does not count,
    /// and neither does the time between two opens ([`save_clock`](Self::save_clock)).
    pub fn sweep(&self) -> SweepReport {
        sweep::sweep(&self.registry)
    }

    /// Makes durable, once, all files that earlier servers have left: a later status of such an upload waits for no sync.
    /// May take long. Call this after the first [`sweep`](Self::sweep).
    pub(crate) fn confirm_files(&self) {
        self.registry.confirm_files();
    }

    /// Saves the time for which the store was open. Each [`sweep`](Self::sweep) does so; call this before the store is
    /// closed, too.
    pub fn save_clock(&self) {
        self.registry.save_clock();
    }

    /// Returns the complete uploads whose completion hook is due ([`Options::mark_hooks`]), also those returned before.
    ///
    /// # Errors
    /// [`Io`](Error::Io) if the directory cannot be read.
    pub fn due(&self) -> Result<Vec<Completed>, Error> {
        let due = self.due_keys()?.into_iter();
        // A record that cannot be read is left out.
        Ok(due.filter_map(|key| self.due_hook(key).ok()?).collect())
    }

    /// Returns the keys of the uploads that [`due`](Self::due) returns.
    pub(crate) fn due_keys(&self) -> Result<BTreeSet<Key>, Error> {
        self.registry.due_hooks()
    }

    /// Reads the upload `key`, if its completion hook is due.
    pub(crate) fn due_hook(&self, key: Key) -> Result<Option<Completed>, Error> {
        self.registry.due_hook(key)
    }

    /// Records that the completion hook of `id` has run.
    ///
    /// # Errors
    /// [`Io`](Error::Io), [`StorageFull`](Error::StorageFull), [`Poisoned`](Error::Poisoned). The hook is then due again.
    pub fn hooked(&self, id: &Id) -> Result<(), Error> {
        self.upload(id).hook_has_run()
    }

    /// Returns the handle of an upload. The upload stays in memory, and its files are read once, as long as the handle
    /// exists.
    pub(crate) fn upload(&self, id: &Id) -> Arc<UploadHandle> {
        self.registry.upload(id.key())
    }

    /// Returns the result of [`status`](Self::status), and the file if this call published it.
    pub(crate) fn status_of(
        &self,
        upload: &UploadHandle,
        id: &Id,
    ) -> Result<(Progress, Option<Completed>), Error> {
        self.explained(upload.status(id))
    }

    /// Returns the uploads of `owner` that clients send now. Waits for no write and no sync.
    pub(crate) fn under_way(&self, owner: &[u8]) -> Vec<UnderWay> {
        self.registry.under_way(owner)
    }

    /// Returns the uploads of `owner` that are not complete, also those that no client sends now. Complete after the first
    /// [`sweep`](Self::sweep). Leaves out an upload whose files cannot be read.
    ///
    /// Reads the files of each upload, so it may wait for the disk.
    pub fn partial_uploads(&self, owner: &[u8]) -> Vec<PartialUpload> {
        self.registry.partial_uploads(owner)
    }

    /// Returns how many more bytes `owner` can send now: the free space above [`Options::min_free`], and not more than the
    /// rest of the [`Options::quota`]. `None` if the file system does not report its free space.
    pub(crate) fn free_bytes(&self, owner: &[u8]) -> Option<u64> {
        let space = self.registry.disk.free().ok()?;
        space.bytes?;
        let above = space.above(Floor::from(&self.registry.options));
        let left = self.registry.accounts.quota_left(owner);
        Some(above.min(left.unwrap_or(u64::MAX)))
    }

    /// Returns the path of a finished file as its owner sees it: below the directory, or below the folder of the owner
    /// with [`Options::user_dirs`].
    pub fn shown_path<'c>(&self, completed: &'c Completed) -> Option<&'c str> {
        let path = completed.path.strip_prefix(&self.registry.disk.root.path);
        let path = path.ok()?.to_str()?;
        Some(self.registry.shown_path(&completed.id, path))
    }

    /// Returns the number and size of the uploads of an account. Complete after the first [`sweep`](Self::sweep).
    pub fn usage(&self, account: Account) -> Usage {
        self.registry.accounts.usage(account)
    }

    /// Returns the number of partial uploads. Complete after the first [`sweep`](Self::sweep).
    pub fn partials(&self) -> u64 {
        self.registry.accounts.partials()
    }

    /// Replaces the bytes of the complete uploads of `owner`, as [`Options::quota`] counts them, by the bytes of its files.
    /// Files that are completed later are added. For a program that counts the files of an owner, such as those in a folder.
    pub fn set_found_bytes(&self, owner: &[u8], bytes: u64) {
        self.registry.accounts.set_found_bytes(owner, bytes);
    }

    /// Counts the bytes of the files in the folder of `owner` for its quota: other programs may have added or removed
    /// files. Without [`Options::user_dirs`] and [`Options::quota`], does nothing. `goes_on` is called for each file; if it
    /// returns false, the count ends without effect.
    ///
    /// Reads the whole folder: call it in a thread that may wait for the disk. Memory does not depend on the number of
    /// files. Call it after a [`sweep`](Self::sweep).
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn count_files(&self, owner: &[u8], goes_on: &dyn Fn() -> bool) -> io::Result<()> {
        let registry = &self.registry;
        let Some(dir) = registry
            .user_dir(owner)
            .filter(|_| registry.accounts.counts_complete())
        else {
            return Ok(());
        };
        let complete = || self.usage(Account::of_user(owner)).complete_bytes;
        let before = complete();
        if let Some(found) = registry.disk.bytes_of_user(&dir, goes_on)? {
            // The count may have missed files that were completed in the meantime. The next count corrects the sum.
            let added = complete().saturating_sub(before);
            self.set_found_bytes(owner, found.saturating_add(added));
        }
        Ok(())
    }

    /// Calls `tell` for each file that a copy to another file system publishes.
    pub(crate) fn tell_of_copies(&self, tell: Arc<Tell>) {
        self.registry.copies.tell(tell);
    }

    /// Reports a file that a sweep has published in the same way as the file of a copy.
    pub(crate) fn tell_of_swept(&self, completed: Completed) {
        let key = completed.id.key();
        self.registry.copies.ended(key, Ok(Some(completed)));
    }

    /// Returns the number of syncs and their total duration.
    pub(crate) fn synced(&self) -> (u64, Duration) {
        self.registry.disk.sync_permits.totals()
    }

    /// Replaces an error by its cause, if the directory was displaced.
    fn explained<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        result.map_err(|error| self.registry.disk.explain(error))
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Store({})",
            self.registry.disk.published_path("").display()
        )
    }
}
