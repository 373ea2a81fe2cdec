//! Finished files: in the directory, or in folders below it.
//!
//! A folder is a directory, and no symbolic link. Each folder is opened relative to its parent, so that no path leads
//! out of the directory. `.resumed` is never used as a folder, under any of its names. FAT adds a short name
//! (`RESUME~1`), and a case-folding file system ignores some characters.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstat, mkdirat, openat, statat, unlinkat};
use rustix::io::Errno;
use rustix::path::Arg;

use crate::store::fs::dirs::Dir;
use crate::store::fs::disk::{Data, Disk};
use crate::store::fs::fault::Op;
use crate::store::fs::filename::Name;
use crate::store::fs::rename::{PathAt, rename};
use crate::store::fs::spelling::{Refusal, Spelling, is_plain};
use crate::store::fs::user_dir::UserDir;
use crate::store::fs::wanted::Wanted;
use crate::store::id::{Key, probe_name};
use crate::store::options::OnConflict;

/// The open directory of a finished file.
pub(crate) enum Home<'d> {
    Root(BorrowedFd<'d>),
    Folder(File),
}

/// Nested folders.
#[derive(Debug, Default)]
pub(crate) struct Folders {
    /// The path of the innermost folder, with `/` at its end; empty without folders.
    pub(crate) path: String,
    /// The number of innermost folders that were created; the others existed.
    pub(crate) created: u8,
}

/// One folder, open.
struct Folder {
    name: String,
    file: File,
    is_new: bool,
}

impl Folders {
    fn enter(&mut self, folder: Folder) -> Home<'static> {
        self.path += &folder.name;
        self.path.push('/');
        // The folders above an existing folder stay: another upload uses them.
        self.created = if folder.is_new { self.created + 1 } else { 0 };
        Home::Folder(folder.file)
    }
}

impl AsFd for Home<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Home::Root(root) => *root,
            Home::Folder(folder) => folder.as_fd(),
        }
    }
}

/// Finished files, by their paths below the directory: names separated by `/`.
impl Disk {
    /// Creates nested folders, durably. If another file has the name of a folder, the folder gets the next free name.
    /// After an error, removes the folders that it created.
    ///
    /// Syncs also the parents of existing folders: another upload may have created such a folder just before.
    ///
    /// # Errors
    /// `NotADirectory` if another file has the name of the user's folder.
    pub(crate) fn make_folders(&self, wanted: &Wanted, key: Key) -> io::Result<Folders> {
        let mut made = Folders::default();
        let result = self.make_each_folder(&mut made, wanted, key);
        result.inspect_err(|_| self.remove_folders(&made.path, made.created))?;
        Ok(made)
    }

    fn make_each_folder(&self, made: &mut Folders, wanted: &Wanted, key: Key) -> io::Result<()> {
        let mut above = self.root();
        if let Some(dir) = &wanted.user_dir {
            // The folder of a user has no second name to try: `name (1)` may be the folder of another user.
            let folder = self.make_one(&above, dir.name().as_str())?;
            let folder = made.enter(folder.ok_or_else(|| no_folder(dir))?);
            self.sync_home(&above)?;
            above = folder;
        }
        for folder in &wanted.folders {
            let folder = made.enter(self.make_folder(&above, folder, key)?);
            self.sync_home(&above)?;
            above = folder;
        }
        Ok(())
    }

    /// Removes the innermost `count` folders of `path` that are empty. Another upload may use them.
    pub(crate) fn remove_folders(&self, path: &str, count: u8) {
        let folders = path.rsplit_once('/').map_or("", |(folders, _)| folders);
        let paths = std::iter::successors(Some(folders), |path| Some(path.rsplit_once('/')?.0));
        let mut paths = paths.filter(|path| !path.is_empty()).take(count.into());
        paths.all(|path| self.remove_folder(path).is_ok());
    }

    fn remove_folder(&self, path: &str) -> io::Result<()> {
        self.faults.check(Op::Remove)?;
        let (home, name) = self.home_of(path)?.ok_or(io::ErrorKind::NotFound)?;
        Ok(unlinkat(home, name, AtFlags::REMOVEDIR)?)
    }

    /// Creates a folder. Tries another spelling if the file system refuses the name.
    fn make_folder(&self, above: &Home<'_>, folder: &Name, key: Key) -> io::Result<Folder> {
        let (mut spelling, mut spelled) = (Spelling::AS_IS, folder.clone());
        loop {
            let made = self.make_first_free(above, spelled.folder_candidates(spelling.max_bytes()));
            let Err(error) = made else {
                return made;
            };
            let next = self
                .refusal(above.as_fd(), spelled.as_str(), key, &error)
                .and_then(|refusal| spelling.next(folder, refusal));
            (spelling, spelled) = next.ok_or(error)?;
        }
    }

    fn make_first_free(
        &self,
        above: &Home<'_>,
        names: impl Iterator<Item = String>,
    ) -> io::Result<Folder> {
        for name in names {
            if let Some(folder) = self.make_one(above, &name)? {
                return Ok(folder);
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Creates a folder, unless it exists. `None` if another file has the name.
    ///
    /// # Errors
    /// `NotFound` if another upload has removed the folder, because it was empty, before this one opens it.
    fn make_one(&self, above: &Home<'_>, name: &str) -> io::Result<Option<Folder>> {
        self.faults.check(Op::MakeFolder)?;
        let is_new = match mkdirat(above, name, Mode::from_raw_mode(0o777)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(error) => return Err(error.into()),
        };
        let Some(file) = self.open_folder(above, name)? else {
            statat(above, name, AtFlags::SYMLINK_NOFOLLOW)?;
            return Ok(None);
        };
        let name = name.to_owned();
        Ok(Some(Folder { name, file, is_new }))
    }

    /// Returns whether the file system refused `name` in the folder `path`, and `error` has no other cause.
    pub(crate) fn refusal_in(
        &self,
        path: &str,
        name: &str,
        key: Key,
        error: &io::Error,
    ) -> Option<Refusal> {
        let (home, _) = self.home_of(path).ok()??;
        self.refusal(home.as_fd(), name, key, error)
    }

    fn refusal(
        &self,
        dir: BorrowedFd<'_>,
        name: &str,
        key: Key,
        error: &io::Error,
    ) -> Option<Refusal> {
        let refusal = Refusal::of(error)?;
        // A failing disk gives the same errors for every name.
        let is_clear = refusal != Refusal::Unclear
            || !name.chars().all(is_plain) && self.takes_plain_name(dir, key);
        is_clear.then_some(refusal)
    }

    /// Returns whether a file with an ASCII name can be created in `dir`.
    fn takes_plain_name(&self, dir: BorrowedFd<'_>, key: Key) -> bool {
        if self.faults.check(Op::Probe).is_err() {
            return false;
        }
        let name = probe_name(key);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = openat(dir, &name, flags, Mode::RUSR | Mode::WUSR);
        made.is_ok() && unlinkat(dir, &name, AtFlags::empty()).is_ok()
    }

    /// Moves the data file of `key` to its published `path`.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is taken and must not be replaced; `NotFound` if the folder was removed.
    pub(crate) fn publish(&self, key: Key, path: &str, on_conflict: OnConflict) -> io::Result<()> {
        self.faults.check(Op::Publish)?;
        let (home, name) = self.home_of(path)?.ok_or(io::ErrorKind::NotFound)?;
        let partial = key.to_string();
        let from = PathAt {
            dir: self.partials.file.as_fd(),
            name: &partial,
        };
        let dir = home.as_fd();
        rename(from, PathAt { dir, name }, on_conflict, &self.naming)
    }

    /// Returns whether a finished file has `path`; with `Replace`, whether a directory has it.
    pub(crate) fn is_taken(&self, path: &str, on_conflict: OnConflict) -> io::Result<bool> {
        self.faults.check(Op::Look)?;
        let Some((home, name)) = self.home_of(path)? else {
            return Ok(false);
        };
        match statat(home, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(about) => {
                let is_dir = FileType::from_raw_mode(about.st_mode).is_dir();
                Ok(is_dir || on_conflict == OnConflict::KeepBoth)
            }
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens the finished file at `path`; `None` if it was removed, or is no regular file.
    pub(crate) fn open_published(&self, path: &str) -> io::Result<Option<Data>> {
        self.faults.check(Op::Open)?;
        let Some((home, name)) = self.home_of(path)? else {
            return Ok(None);
        };
        // Opening a pipe would block until a writer opens it too.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match openat(home, name, flags, Mode::empty()) {
            Ok(file) => {
                let is_file = FileType::from_raw_mode(fstat(&file)?.st_mode).is_file();
                Ok(is_file.then(|| Data(file.into())))
            }
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the path of a finished file, for other programs.
    pub(crate) fn published_path(&self, path: &str) -> PathBuf {
        self.root.path.join(path)
    }

    /// Makes the name of the finished file at `path` durable.
    pub(crate) fn sync_published(&self, path: &str) -> io::Result<()> {
        // A removed folder has no name to keep.
        match self.home_of(path)? {
            Some((home, _)) => self.sync_home(&home),
            None => Ok(()),
        }
    }

    pub(crate) fn sync_home(&self, home: &Home<'_>) -> io::Result<()> {
        match home {
            Home::Root(_) => self.sync_dir(Dir::Root),
            Home::Folder(folder) => self.gated_in_folder(folder, Op::SyncDir, || folder.sync_all()),
        }
    }

    fn root(&self) -> Home<'_> {
        Home::Root(self.root.file.as_fd())
    }

    /// Returns the innermost of the nested folders that exists.
    ///
    /// # Errors
    /// `NotADirectory` if another file has the name of the user's folder.
    pub(crate) fn innermost(&self, wanted: &Wanted) -> io::Result<Home<'_>> {
        let mut home = self.root();
        if let Some(dir) = &wanted.user_dir {
            match self.user_dir(dir)? {
                Some(folder) => home = Home::Folder(folder),
                None => return Ok(home),
            }
        }
        for folder in &wanted.folders {
            match self.open_folder(&home, folder.as_str()) {
                Ok(Some(folder)) => home = Home::Folder(folder),
                Err(error) if Refusal::of(&error).is_none() => return Err(error),
                Ok(None) | Err(_) => break,
            }
        }
        Ok(home)
    }

    /// Opens the folder of a user; `None` if it does not exist yet.
    ///
    /// # Errors
    /// `NotADirectory` if another file has its name.
    pub(crate) fn user_dir(&self, dir: &UserDir) -> io::Result<Option<File>> {
        let name = dir.name().as_str();
        if let Some(folder) = self.open_folder(self.root(), name)? {
            return Ok(Some(folder));
        }
        match statat(self.root(), name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Err(no_folder(dir)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens the directory of the file at `path`, and returns the name of the file; `None` if there is no directory.
    pub(crate) fn home_of<'p>(&self, path: &'p str) -> io::Result<Option<(Home<'_>, &'p str)>> {
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut home = self.root();
        for folder in folders.split('/').filter(|folder| !folder.is_empty()) {
            match self.open_folder(&home, folder)? {
                Some(folder) => home = Home::Folder(folder),
                None => return Ok(None),
            }
        }
        Ok(Some((home, name)))
    }

    /// Opens a directory in another. `None` if it does not exist, is not a directory, is a link, or is `.resumed`.
    pub(crate) fn open_folder(&self, above: impl AsFd, name: impl Arg) -> io::Result<Option<File>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = match openat(above, name, flags, Mode::empty()) {
            Ok(folder) => folder,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let (about, hidden) = (fstat(&folder)?, fstat(&self.partials.file)?);
        let is_hidden = (about.st_dev, about.st_ino) == (hidden.st_dev, hidden.st_ino);
        Ok((!is_hidden).then(|| folder.into()))
    }
}

/// Returns the error of a user whose folder is another file.
fn no_folder(dir: &UserDir) -> io::Error {
    let name = dir.name().as_str();
    let reason = format!("the folder {name:?} of the user is another file or a symbolic link");
    io::Error::new(io::ErrorKind::NotADirectory, reason)
}
