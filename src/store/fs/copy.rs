//! Copies a file into a folder on another file system, under a hidden name beside its target.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, OwnedFd};
use std::time::SystemTime;

use rustix::fs::{
    Access, AtFlags, Mode, OFlags, accessat, fstat, fstatvfs, openat, statat, unlinkat,
};
use rustix::io::Errno;

use crate::store::error::SpaceLimit;
use crate::store::fs::disk::{Data, Disk, unlink};
use crate::store::fs::fault::Op;
use crate::store::fs::fs_type::{longest_file, warn_of_ext4, warn_unless_durable};
use crate::store::fs::rename::{PathAt, rename};
use crate::store::fs::space::{Floor, Needed, Space};
use crate::store::fs::wanted::Wanted;
use crate::store::id::{Key, hidden_name};
use crate::store::options::OnConflict;
use crate::sync::lock;

/// Bytes copied in one step. Between two steps the copy can be stopped.
const STEP_BYTES: u64 = 4 << 20;

/// Bytes copied between two syncs, to keep each sync short.
const SYNC_EVERY: u64 = 64 << 20;

/// Bytes compared in one step.
const BUFFER_BYTES: usize = 1 << 18;

/// Seconds since the last write in which the copy of another server is not removed.
const FRESH_SECS: i64 = 60;

/// The copy of an upload, beside its target.
pub(crate) struct Copy {
    file: File,
    dir: OwnedFd,
    name: String,
}

impl Disk {
    /// Creates the empty copy of `key` beside `path`, if `length` bytes fit above the `floor`. Removes a copy
    /// that an earlier server left.
    ///
    /// # Errors
    /// `ResourceBusy` if another server is copying; `StorageFull`.
    pub(crate) fn begin_copy(
        &self,
        key: Key,
        path: &str,
        length: u64,
        floor: Floor,
        is_shared: bool,
    ) -> io::Result<Copy> {
        let (home, _) = self.home_of(path)?.ok_or(io::ErrorKind::NotFound)?;
        let name = hidden_name(key);
        match statat(&home, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(about) if is_shared && is_fresh(about.st_mtime) => {
                return Err(io::ErrorKind::ResourceBusy.into());
            }
            Ok(_) => unlinkat(&home, &name, AtFlags::empty())?,
            Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        if limit_of(&home, length, floor)?.is_some() {
            return Err(Errno::NOSPC.into());
        }
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = openat(&home, &name, flags, Mode::from_raw_mode(0o666))?;
        let dir = home.as_fd().try_clone_to_owned()?;
        let file = file.into();
        self.warn_of_mount(&file, path);
        Ok(Copy { file, dir, name })
    }

    /// Warns once of the file system of `file` at `path`, as the start does for that of `DIR`.
    fn warn_of_mount(&self, file: &File, path: &str) {
        let device = fstat(file).map(|about| about.st_dev);
        let is_new = device.is_ok_and(|device| lock(&self.devices_seen).insert(device));
        if self.durable && is_new {
            let path = self.published_path(path);
            let folder = path.parent().unwrap_or(&path);
            warn_unless_durable(file, folder);
            warn_of_ext4(file, folder);
        }
    }

    /// Copies `length` bytes, and syncs them. Returns `false` if `goes_on` stops the copy.
    pub(crate) fn fill_copy(
        &self,
        copy: &Copy,
        data: &Data,
        length: u64,
        goes_on: impl Fn() -> bool,
    ) -> io::Result<bool> {
        let (mut done, mut synced) = (0, 0);
        (&data.0).rewind()?;
        while done < length {
            if !goes_on() {
                return Ok(false);
            }
            self.faults.check(Op::Copy)?;
            let step = (length - done).min(STEP_BYTES);
            // On Linux, file systems with shared blocks (btrfs, XFS) copy no bytes.
            match io::copy(&mut (&data.0).take(step), &mut &copy.file)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                copied => done += copied,
            }
            if done - synced >= SYNC_EVERY {
                self.sync_copy(copy)?;
                synced = done;
            }
        }
        self.sync_copy(copy)?;
        Ok(true)
    }

    fn sync_copy(&self, copy: &Copy) -> io::Result<()> {
        self.gated_in_folder(&copy.file, Op::SyncCopy, || copy.file.sync_all())
    }

    /// Renames the copy of `key` to its published `path`, durably. The caller then removes the data file.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is taken and must not be replaced; `NotFound` if the folder was removed, or another
    /// copy has the hidden name.
    pub(crate) fn publish_copy(
        &self,
        copy: &Copy,
        path: &str,
        on_conflict: OnConflict,
    ) -> io::Result<()> {
        self.faults.check(Op::PublishCopy)?;
        let (home, name) = self.home_of(path)?.ok_or(io::ErrorKind::NotFound)?;
        if !copy.is_there()? {
            return Err(io::ErrorKind::NotFound.into());
        }
        let from = PathAt {
            dir: copy.dir.as_fd(),
            name: &copy.name,
        };
        let to = PathAt {
            dir: home.as_fd(),
            name,
        };
        rename(from, to, on_conflict, &self.naming)?;
        self.sync_home(&home)
    }

    /// Returns whether the file at `path` has the same bytes as `data`, whose length is `length`.
    pub(crate) fn is_copied(&self, data: &Data, length: u64, path: &str) -> io::Result<bool> {
        let Some(copy) = self.open_published(path)? else {
            return Ok(false);
        };
        if copy.0.metadata()?.len() != length {
            return Ok(false);
        }
        let (mut ours, mut theirs) = (vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES]);
        let mut done = 0;
        while done < length {
            let step = (length - done).min(BUFFER_BYTES as u64) as usize;
            self.read_at(data, &mut ours[..step], done)?;
            self.read_at(&copy, &mut theirs[..step], done)?;
            if ours[..step] != theirs[..step] {
                return Ok(false);
            }
            done += step as u64;
        }
        Ok(true)
    }

    /// Removes the file `name` beside `path`, if it exists.
    pub(crate) fn remove_beside(&self, path: &str, name: &str) -> io::Result<()> {
        match self.home_of(path)? {
            Some((home, _)) => unlink(home, name),
            None => Ok(()),
        }
    }

    /// Checks the innermost folder of `wanted` that exists, and creates none: whether a file can be created there. If the
    /// folder is on another file system, also returns the limit there that `length` bytes exceed.
    ///
    /// # Errors
    /// The error that the file would get there: EACCES, EPERM, EROFS; EFBIG; `NotADirectory` if the user has no folder.
    pub(crate) fn foresee(
        &self,
        wanted: &Wanted,
        length: Option<u64>,
        floor: Floor,
    ) -> io::Result<Option<SpaceLimit>> {
        let home = self.innermost(wanted)?;
        let may = Access::WRITE_OK | Access::EXEC_OK;
        let access = accessat(&home, ".", may, AtFlags::EACCESS);
        // Any other error shows when the file is created.
        if let Err(error @ (Errno::ACCESS | Errno::PERM | Errno::ROFS)) = access {
            return Err(error.into());
        }
        let Some(length) = length.filter(|_| wanted.has_folder()) else {
            return Ok(None);
        };
        if fstat(&home)?.st_dev == fstat(&self.root.file)?.st_dev {
            return Ok(None);
        }
        if longest_file(&home).is_some_and(|longest| length > longest) {
            return Err(Errno::FBIG.into());
        }
        limit_of(&home, length, floor)
    }
}

impl Copy {
    /// Returns whether the copy still has its name: another server may have begun its own copy.
    pub(crate) fn is_there(&self) -> io::Result<bool> {
        let held = fstat(&self.file)?;
        match statat(&self.dir, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(named) => Ok((named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the copy as an open data file, to set its times.
    pub(crate) fn data(&self) -> io::Result<Data> {
        Ok(Data(self.file.try_clone()?))
    }

    /// Removes the copy, unless the name belongs to another copy now.
    pub(crate) fn remove(&self) {
        if self.is_there().unwrap_or(false) {
            let _ = unlinkat(&self.dir, &self.name, AtFlags::empty());
        }
    }
}

/// Returns the limit that a new file of `length` bytes in `dir` exceeds, if there is one.
fn limit_of(dir: impl AsFd, length: u64, floor: Floor) -> io::Result<Option<SpaceLimit>> {
    let space = Space::of(fstatvfs(dir).map_err(io::Error::from))?;
    let needed = Needed::bytes(length) + Needed::inodes(1);
    Ok(space.limit(needed, floor))
}

/// Returns whether the time, in seconds since 1970, is in the last `FRESH_SECS` seconds.
fn is_fresh(modified: i64) -> bool {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    modified.saturating_add(FRESH_SECS) > now.as_secs() as i64
}
