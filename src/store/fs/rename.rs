//! Renames a file: without overwriting, by the safest method that the file system supports, or over another file.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, linkat, renameat, statat, unlinkat};
use rustix::io::Errno;

use crate::store::options::OnConflict;
use crate::sync::{Mutex, lock};

/// A name relative to an open directory.
#[derive(Clone, Copy)]
pub(crate) struct PathAt<'a> {
    pub(crate) dir: BorrowedFd<'a>,
    pub(crate) name: &'a str,
}

/// Renames `from` to `to`.
///
/// # Errors
/// `AlreadyExists` if a file has that name, and both must be kept.
pub(crate) fn rename(
    from: PathAt<'_>,
    to: PathAt<'_>,
    on_conflict: OnConflict,
    naming: &Mutex<()>,
) -> io::Result<()> {
    let done = match on_conflict {
        // If both are links to one file, `renameat` succeeds, and leaves both names.
        OnConflict::Replace if !is_same_file(from, to)? => {
            return Ok(renameat(from.dir, from.name, to.dir, to.name)?);
        }
        OnConflict::Replace => Err(io::ErrorKind::AlreadyExists.into()),
        OnConflict::KeepBoth => rename_new(from, to, naming),
    };
    match done {
        // A crash came between link and unlink.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_same_file(from, to)? => {
            Ok(unlinkat(from.dir, from.name, AtFlags::empty())?)
        }
        done => done,
    }
}

fn rename_new(from: PathAt<'_>, to: PathAt<'_>, naming: &Mutex<()>) -> io::Result<()> {
    match rename_noreplace(from, to) {
        // A refused name gives EINVAL too. Then the next method returns that error again.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
        done => return Ok(done?),
    }
    match link_and_unlink(from, to) {
        Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK) => {}
        done => return Ok(done?),
    }
    Ok(check_and_rename(from, to, naming)?)
}

/// Returns whether both names are links to one file; false if one is missing.
fn is_same_file(one: PathAt<'_>, other: PathAt<'_>) -> io::Result<bool> {
    let identity = |path: PathAt<'_>| match statat(path.dir, path.name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(about) => Ok(Some((about.st_dev, about.st_ino))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(io::Error::from(error)),
    };
    let other = identity(other)?;
    Ok(other.is_some() && identity(one)? == other)
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn rename_noreplace(from: PathAt<'_>, to: PathAt<'_>) -> rustix::io::Result<()> {
    rustix::fs::renameat_with(
        from.dir,
        from.name,
        to.dir,
        to.name,
        rustix::fs::RenameFlags::NOREPLACE,
    )
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn rename_noreplace(_: PathAt<'_>, _: PathAt<'_>) -> rustix::io::Result<()> {
    Err(Errno::NOSYS)
}

fn link_and_unlink(from: PathAt<'_>, to: PathAt<'_>) -> rustix::io::Result<()> {
    linkat(from.dir, from.name, to.dir, to.name, AtFlags::empty())?;
    unlinkat(from.dir, from.name, AtFlags::empty())
}

/// Renames on file systems without hard links (FAT). The lock excludes this server; another program can interfere.
fn check_and_rename(
    from: PathAt<'_>,
    to: PathAt<'_>,
    naming: &Mutex<()>,
) -> rustix::io::Result<()> {
    let _one_at_a_time = lock(naming);
    match statat(to.dir, to.name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Err(Errno::EXIST),
        Err(Errno::NOENT) => renameat(from.dir, from.name, to.dir, to.name),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use rustix::fs::{CWD, Mode, OFlags, openat};

    use super::*;

    type Rename = fn(PathAt<'_>, PathAt<'_>) -> rustix::io::Result<()>;

    #[test]
    fn no_method_of_renaming_overwrites() {
        let methods: [Rename; 4] = [
            rename_noreplace,
            link_and_unlink,
            |from, to| check_and_rename(from, to, &Mutex::default()),
            |from, to| {
                rename_new(from, to, &Mutex::default())
                    .map_err(|e| Errno::from_io_error(&e).unwrap())
            },
        ];
        for method in methods {
            let temporary = tempfile::tempdir().unwrap();
            let dir = openat(CWD, temporary.path(), OFlags::DIRECTORY, Mode::empty()).unwrap();
            let at = |name| PathAt {
                dir: dir.as_fd(),
                name,
            };
            let make = |name, bytes: &[u8]| {
                let file = openat(&dir, name, OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).unwrap();
                rustix::io::write(file, bytes).unwrap();
            };
            let length = |name| statat(&dir, name, AtFlags::empty()).map(|stat| stat.st_size);
            make("new", b"new one");
            make("old", b"old");
            assert_eq!(method(at("new"), at("old")), Err(Errno::EXIST));
            assert_eq!((length("new"), length("old")), (Ok(7), Ok(3)));
            method(at("new"), at("free")).unwrap();
            assert_eq!((length("new"), length("free")), (Err(Errno::NOENT), Ok(7)));
        }
    }

    #[test]
    fn two_links_to_one_file_become_one() {
        for on_conflict in [OnConflict::KeepBoth, OnConflict::Replace] {
            let temporary = tempfile::tempdir().unwrap();
            let dir = openat(CWD, temporary.path(), OFlags::DIRECTORY, Mode::empty()).unwrap();
            let at = |name| PathAt {
                dir: dir.as_fd(),
                name,
            };
            openat(&dir, "a", OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).unwrap();
            linkat(&dir, "a", &dir, "b", AtFlags::empty()).unwrap();
            rename(at("a"), at("b"), on_conflict, &Mutex::default()).unwrap();
            assert_eq!(
                statat(&dir, "a", AtFlags::empty()).map(drop),
                Err(Errno::NOENT)
            );
            assert_eq!(statat(&dir, "b", AtFlags::empty()).unwrap().st_nlink, 1);
        }
    }
}
