//! Operations on the disk: data files and their directories. Each can fail, and none contains a decision.
//!
//! No operation follows a symbolic link inside `.resumed`. Each error keeps its number.

use std::collections::HashSet;
#[cfg(test)]
pub(crate) use std::fs as on_disk;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{
    Access, AtFlags, Dev, Dir as Entries, Mode, OFlags, Stat, Timespec, Timestamps, access,
    chmodat, fstat, fstatvfs, futimens, mkdirat, openat, statat, unlinkat, utimensat,
};
use rustix::io::Errno;

use crate::store::error::OpenError;
use crate::store::fs::fault::{Faults, Op};
use crate::store::fs::fs_type::{
    longest_file, needs_whole_syncs, sync_whole, warn_of_ext4, warn_unless_durable,
};
use crate::store::fs::group_commit::{Semaphore, SharedSync};
use crate::store::fs::location::Location;
use crate::store::fs::lock::{self, LOCKS};
use crate::store::fs::ownership::Ownership;
use crate::store::fs::private;
use crate::store::fs::space::Space;
use crate::store::id::{Key, draw};
use crate::store::options::{Options, Sharing, SyncMode};
use crate::sync::atomic::AtomicU64;
use crate::sync::{Mutex, Once};

/// The directory of the partial uploads, inside the directory of the finished files.
pub(crate) const PARTIALS: &str = ".resumed";

/// The file that the running server keeps locked.
pub(crate) const LOCK: &str = "lock";

/// The directory of the completion log. Earlier versions called the log a journal.
pub(crate) const LOG: &str = "journal";

/// The file with the running time of the servers.
pub(crate) const CLOCK: &str = "clock";

/// The prefix of the name of a temporary record file.
const TEMPORARY: &str = ".record-";

const ALREADY: io::ErrorKind = io::ErrorKind::AlreadyExists;

/// The open directories of a store.
pub(crate) struct Disk {
    pub(crate) location: Location,
    pub(crate) root: Directory,
    pub(crate) partials: Directory,
    /// Length of the path of `root`: the longer of the absolute path and the path as given.
    pub(crate) path_bytes: usize,
    /// The lock file, locked while the server runs. It contains the mount that was opened last (`power_loss`).
    pub(crate) lock: File,
    /// The prefix of the names of this server's temporary record files. Another server has another prefix.
    pub(crate) temporary: String,
    /// The number of temporary names used so far.
    pub(crate) temporaries: AtomicU64,
    /// False with `--sync fast`: there are no syncs.
    pub(crate) durable: bool,
    /// True if a sync of a file or directory of `DIR` does not suffice.
    needs_whole_syncs: bool,
    pub(crate) sync_permits: Semaphore,
    pub(crate) naming: Mutex<()>,
    pub(crate) ownership: Ownership,
    /// Set when the first sweep has checked the ext4 settings.
    pub(crate) commits_checked: Once,
    /// The device of `DIR`, and those of copies: each has one warning.
    pub(crate) devices_seen: Mutex<HashSet<Dev>>,
    pub(crate) faults: Faults,
}

/// The bytes of an upload: an open data file.
pub(crate) struct Data(pub(crate) File);

/// An open directory: `DIR` or `.resumed`.
pub(crate) struct Directory {
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    pub(crate) syncs: SharedSync,
}

/// Opening.
impl Disk {
    /// Creates and locks the directories at `path`. `faults` applies from the first operation on.
    ///
    /// Warns where the file system may lose synced data, or does not report its free space.
    pub(crate) fn open(path: &Path, options: &Options, faults: Faults) -> Result<Self, OpenError> {
        let root = open_root(path)?;
        let partials = open_partials(&path.join(PARTIALS), &root)?;
        let lock = take_lock(&partials, path, options.sharing, &faults)?;
        let sync_permits = Semaphore::new(options.syncs);
        let location = Location::new(path).map_err(|error| OpenError::Io(path.into(), error))?;
        let needs_whole_syncs = needs_whole_syncs(&root.file);
        let about = fstat(&root.file).map_err(|error| OpenError::Io(path.into(), error.into()))?;
        let disk = Self {
            location,
            path_bytes: path_bytes(path),
            root,
            partials,
            lock,
            temporary: format!("{TEMPORARY}{:016x}-", draw()),
            temporaries: AtomicU64::default(),
            durable: options.sync == SyncMode::Durable,
            needs_whole_syncs,
            sync_permits,
            naming: Mutex::default(),
            ownership: Ownership::default(),
            commits_checked: Once::new(),
            devices_seen: Mutex::new(HashSet::from([about.st_dev])),
            faults,
        };
        if disk.durable {
            warn_unless_durable(&disk.root.file, path);
            disk.sync_new()?;
        }
        disk.warn_of_unknown_space();
        Ok(disk)
    }

    /// Syncs `DIR` and the lock file. Also checks at start that the file system can sync directories and files.
    ///
    /// A power loss must not remove `.resumed`. The same holds for the directories above `DIR` that can be opened.
    fn sync_new(&self) -> Result<(), OpenError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            |error| OpenError::NotSyncable(path, error)
        };
        let root = &self.root;
        let above = fs::canonicalize(&root.path).map_err(failed(&root.path))?;
        let _ = (above.ancestors().skip(1)).try_for_each(|above| File::open(above)?.sync_all());
        let probe = |file: &File| {
            self.faults
                .check(Op::SyncAtOpen)
                .and_then(|()| file.sync_all())
        };
        probe(&root.file).map_err(failed(&root.path))?;
        probe(&self.lock).map_err(failed(&self.partials.path.join(LOCK)))
    }

    /// Returns the maximum length of an upload, if there is one. `wanted` is the limit in the options.
    pub(crate) fn max_size(&self, wanted: Option<u64>) -> Option<u64> {
        let Some(longest) = longest_file(&self.root.file) else {
            return wanted;
        };
        if wanted.is_none_or(|wanted| wanted > longest) {
            log::warn!(
                "{}: no upload may be longer than {longest} bytes: \
                 limit of the file system, or file size limit of the server (ulimit -f)",
                self.root.path.display()
            );
        }
        Some(wanted.map_or(longest, |wanted| wanted.min(longest)))
    }

    fn warn_of_unknown_space(&self) {
        if let Ok(Space { bytes: None, .. }) = self.free() {
            log::warn!(
                "{}: the file system does not report its free space: uploads are admitted without a check, \
                 and --min-free has no effect",
                self.root.path.display()
            );
        }
    }
}

impl Drop for Disk {
    /// Unlocks the directory. Closing is not enough: a program that was just started can still have the file open.
    fn drop(&mut self) {
        let _ = lock::unlock(&self.lock);
    }
}

/// The bytes of an upload, `<key>`.
impl Disk {
    /// Opens the data file of `key`, and returns its length; `None` if it does not exist.
    pub(crate) fn open_data(&self, key: Key) -> io::Result<Option<(Data, u64)>> {
        self.faults.check(Op::Open)?;
        let opened = self.partials.open(&key.to_string(), OFlags::RDWR);
        let Some(file) = found(opened)? else {
            return Ok(None);
        };
        match file.metadata()? {
            about if about.is_file() => Ok(Some((Data(file), about.len()))),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Creates the empty data file of `key`. Its permissions follow the umask.
    pub(crate) fn create_data(&self, key: Key) -> io::Result<Data> {
        self.faults.check(Op::Create)?;
        let new = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        self.partials.open(&key.to_string(), new).map(Data)
    }

    /// Writes once, and returns the number of bytes written: the kernel may write fewer.
    pub(crate) fn write_at(&self, data: &Data, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let bytes = self.faults.clip(bytes);
        self.faults.check(Op::Write)?;
        data.0.write_at(bytes, offset)
    }

    /// Reads from `offset` on until `bytes` is full.
    pub(crate) fn read_at(&self, data: &Data, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.faults.check(Op::Read)?;
        data.0.read_exact_at(bytes, offset)
    }

    pub(crate) fn length(&self, data: &Data) -> io::Result<u64> {
        self.faults.check(Op::Length)?;
        Ok(data.0.metadata()?.len())
    }

    /// Truncates the file to `length`.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file is shorter.
    pub(crate) fn truncate(&self, data: &Data, length: u64) -> io::Result<()> {
        match self.length(data)? {
            now if now < length => Err(io::ErrorKind::UnexpectedEof.into()),
            now if now == length => Ok(()),
            _ => {
                self.faults.check(Op::Cut)?;
                data.0.set_len(length)
            }
        }
    }

    pub(crate) fn modified_of(&self, data: &Data) -> io::Result<SystemTime> {
        modified_of(&data.0)
    }

    /// Sets the time of last change, and sets the time of last access to now.
    ///
    /// File systems on libfuse 2 ignore a request that sets only one of the two.
    pub(crate) fn set_modified(&self, data: &Data, time: SystemTime) -> io::Result<()> {
        self.faults.check(Op::SetTime)?;
        set_modified(&data.0, time)
    }

    /// Makes the bytes, the length and the marker durable.
    pub(crate) fn sync(&self, data: &Data) -> io::Result<()> {
        self.gated(Op::Sync, || data.0.sync_all())
    }
}

/// Directories and names.
impl Disk {
    pub(crate) fn free(&self) -> io::Result<Space> {
        let about = self.faults.check(Op::Free);
        let about = about.and_then(|()| Ok(fstatvfs(&self.root.file)?));
        Space::of(about)
    }

    /// Returns the names in `.resumed`, without locks, clock and log. In a name that is not UTF-8, U+FFFD replaces the
    /// invalid bytes: no upload has such a name.
    pub(crate) fn names(&self) -> io::Result<impl Iterator<Item = io::Result<String>> + use<>> {
        self.faults.check(Op::List)?;
        let entries = Entries::read_from(&self.partials.file)?;
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let is_upload = |name: &str| ![".", "..", LOCK, LOCKS, LOG, CLOCK].contains(&name);
        Ok(names.filter(move |name| name.as_deref().map_or(true, is_upload)))
    }

    /// Creates the directory `name` in `.resumed`, unless it exists.
    pub(crate) fn make_dir(&self, name: &str) -> io::Result<()> {
        match mkdirat(&self.partials.file, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        // A default ACL can have taken rights from the owner. A file system without modes refuses the mode.
        let _ = chmodat(&self.partials.file, name, Mode::RWXU, AtFlags::empty());
        Ok(())
    }

    /// Returns the names in the directory `name` in `.resumed` that are numbers, in order.
    pub(crate) fn numbers_in(&self, name: &str) -> io::Result<Vec<u32>> {
        let Some(dir) = found(self.partials.open(name, OFlags::RDONLY))? else {
            return Ok(Vec::new());
        };
        let mut numbers = Vec::new();
        for entry in Entries::read_from(dir)? {
            numbers.extend(entry?.file_name().to_string_lossy().parse::<u32>());
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Returns the time of last change of `name` in `.resumed`; `None` if it does not exist.
    pub(crate) fn modified(&self, name: &str) -> io::Result<Option<SystemTime>> {
        match statat(&self.partials.file, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(about) => Ok(Some(modified(&about))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Sets the time of last change of `name` in `.resumed` to now, by the clock of this machine: that of a file server may
    /// differ.
    pub(crate) fn date_anew(&self, name: &str) -> io::Result<()> {
        let times = changed_at(SystemTime::now())?;
        let no_follow = AtFlags::SYMLINK_NOFOLLOW;
        Ok(utimensat(&self.partials.file, name, &times, no_follow)?)
    }

    /// Returns whether this server made the temporary file `name`; `None` if it is no temporary file.
    pub(crate) fn is_temporary(&self, name: &str) -> Option<bool> {
        name.starts_with(TEMPORARY)
            .then(|| name.starts_with(&self.temporary))
    }

    /// Removes `name` from `.resumed`, if it exists.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        self.faults.check(Op::Remove)?;
        unlink(&self.partials.file, name)
    }

    /// Warns once if the ext4 may lose synced data. Not called at start: the check takes two syncs.
    pub(crate) fn warn_of_ext4(&self) {
        if self.durable {
            let warn = || warn_of_ext4(&self.lock, &self.root.path);
            self.commits_checked.call_once(warn);
        }
    }

    /// Waits for a permit, and runs a sync on the file system of `DIR`. Does nothing with `--sync fast`.
    pub(crate) fn gated(&self, op: Op, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let whole = self.needs_whole_syncs.then_some(&self.partials.file);
        self.gated_after(whole, op, sync)
    }

    /// Does the same for a sync of `file` in a folder, which may be a mount of another file system.
    pub(crate) fn gated_in_folder(
        &self,
        file: &File,
        op: Op,
        sync: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        let needs_whole = self.durable && needs_whole_syncs(file);
        self.gated_after(needs_whole.then_some(file), op, sync)
    }

    /// Syncs the file system of `whole` first.
    fn gated_after(
        &self,
        whole: Option<&File>,
        op: Op,
        sync: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        if !self.durable {
            return Ok(());
        }
        let _permit = self.sync_permits.enter();
        self.faults.check(op)?;
        if let Some(file) = whole {
            // Before the sync below: only that one empties the cache of the disk.
            sync_whole(file)?;
        }
        sync()
    }
}

/// Does the work of [`Disk::set_modified`]. Not with `std`: on 32-bit ARM its times of files end in 2038.
pub(crate) fn set_modified(file: impl AsFd, time: SystemTime) -> io::Result<()> {
    Ok(futimens(file, &changed_at(time)?)?)
}

/// Returns the times of a file that was changed at `time` and is accessed now.
fn changed_at(time: SystemTime) -> io::Result<Timestamps> {
    Ok(Timestamps {
        last_access: timespec(SystemTime::now())?,
        last_modification: timespec(time)?,
    })
}

pub(crate) fn modified_of(file: impl AsFd) -> io::Result<SystemTime> {
    Ok(modified(&fstat(file)?))
}

fn timespec(time: SystemTime) -> io::Result<Timespec> {
    let from_1970 = |distance: Duration| Timespec::try_from(distance).map_err(io::Error::other);
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => from_1970(after),
        Err(before) => Ok(Timespec::default() - from_1970(before.duration())?),
    }
}

/// Returns the time of last change. The types of its fields differ between architectures.
fn modified(about: &Stat) -> SystemTime {
    let (seconds, nanos) = (i128::from(about.st_mtime), i128::from(about.st_mtime_nsec));
    let nanos = seconds * 1_000_000_000 + nanos;
    let from_1970 = Duration::from_nanos(u64::try_from(nanos.unsigned_abs()).unwrap_or(u64::MAX));
    let time = match nanos < 0 {
        true => SystemTime::UNIX_EPOCH.checked_sub(from_1970),
        false => SystemTime::UNIX_EPOCH.checked_add(from_1970),
    };
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}

fn path_bytes(dir: &Path) -> usize {
    let bytes = |path: &Path| path.as_os_str().len();
    let absolute = fs::canonicalize(dir).map_or(0, |path| bytes(&path));
    absolute.max(bytes(dir))
}

/// Removes `name` from `dir`, if it exists.
pub(crate) fn unlink(dir: impl AsFd, name: &str) -> io::Result<()> {
    found(unlinkat(dir, name, AtFlags::empty()).map_err(io::Error::from)).map(drop)
}

/// Returns `None` if the file does not exist.
pub(crate) fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

fn open_root(path: &Path) -> Result<Directory, OpenError> {
    fs::create_dir_all(path).map_err(|error| match error.kind() {
        ALREADY | io::ErrorKind::NotADirectory => OpenError::NotDirectory(path.into()),
        _ => OpenError::refused(path, error),
    })?;
    access(path, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| OpenError::refused(path, error.into()))?;
    Directory::at(path)
}

fn open_partials(path: &Path, root: &Directory) -> Result<Directory, OpenError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != ALREADY => return Err(OpenError::refused(path, error)),
        _ => {}
    }
    let failed = |error| OpenError::Io(path.into(), error);
    let about = fs::symlink_metadata(path).map_err(failed)?;
    if about.is_symlink() {
        return Err(OpenError::Symlink(path.into()));
    }
    if !about.is_dir() {
        return Err(OpenError::NotDirectory(path.into()));
    }
    if about.dev() != root.file.metadata().map_err(failed)?.dev() {
        return Err(OpenError::OtherFileSystem(path.into()));
    }
    // A default ACL of `DIR` can have taken the right to open the directory from its owner.
    if about.mode() & 0o700 != 0o700 {
        let _ = fs::set_permissions(path, Permissions::from_mode(0o700));
    }
    let partials = Directory::at(path)?;
    private::make_private(&root.file, &partials.file, path)?;
    Ok(partials)
}

fn take_lock(
    partials: &Directory,
    root: &Path,
    sharing: Sharing,
    faults: &Faults,
) -> Result<File, OpenError> {
    let path = partials.path.join(LOCK);
    let opened = partials.open(LOCK, OFlags::RDWR | OFlags::APPEND | OFlags::CREATE);
    let file = opened.map_err(|error| OpenError::refused(&path, error))?;
    let locked = faults.check(Op::LockAtOpen);
    match locked.and_then(|()| lock::try_lock(&file, sharing)) {
        Ok(true) => Ok(file),
        Ok(false) => Err(OpenError::InUse(root.into())),
        Err(error) => Err(OpenError::NotLockable(path, error)),
    }
}

impl Directory {
    /// Opens a file in the directory. The permissions of a new file follow the umask.
    pub(crate) fn open(&self, name: &str, flags: OFlags) -> io::Result<File> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.file, name, flags, Mode::from_raw_mode(0o666))?;
        Ok(file.into())
    }

    fn at(path: &Path) -> Result<Self, OpenError> {
        let file = File::open(path).map_err(|error| OpenError::Io(path.into(), error))?;
        Ok(Self {
            path: path.into(),
            file,
            syncs: SharedSync::default(),
        })
    }
}
