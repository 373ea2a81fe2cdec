//! Closes `.resumed` to other users of the machine: they could write records into it, or change uploads.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, RawMode, fchmod, fstat, mkdirat, statat, unlinkat};
use rustix::process::geteuid;

use crate::store::error::OpenError;
use crate::store::fs::ownership::DEFAULT_ACL;
use crate::store::fs::xattr;
use crate::store::id::draw;

/// The permission bits of a mode.
const PERMISSIONS: RawMode = 0o777;
/// The permission bits of the group and of others.
const OTHERS: RawMode = 0o077;

/// Makes `partials`, which lies in `root`, readable and writable by its owner alone. Removes its default ACL: the files
/// in it follow the umask, so that the server can open them again.
///
/// Warns where the file system stores no owners or no modes, as FAT and CIFS do not.
///
/// # Errors
/// `NotOurs` if another user owns it.
pub(crate) fn make_private(
    root: impl AsFd,
    partials: impl AsFd,
    path: &Path,
) -> Result<(), OpenError> {
    let failed = |error| OpenError::Io(path.into(), error);
    let owner = fstat(&partials)
        .map_err(|error| failed(error.into()))?
        .st_uid;
    let user = geteuid().as_raw();
    if owner != user {
        let made = owner_of_new(&root).map_err(failed)?;
        if made == user {
            return Err(OpenError::NotOurs(path.into(), owner));
        }
        log::warn!(
            "{} belongs to uid {owner}, and its file system stores no owners: \
             another user of this machine may be able to change uploads",
            path.display()
        );
    }
    // Fails where no file has one. Publishing sets the ACL of a finished file.
    let _ = xattr::remove(&partials, DEFAULT_ACL);
    if !is_private(&partials).map_err(failed)? {
        log::warn!(
            "{} is open to other users, and its mode cannot be changed to 0700: \
             they may be able to read or change uploads",
            path.display()
        );
    }
    Ok(())
}

/// Removes the permissions of others; returns whether they are removed.
fn is_private(partials: impl AsFd) -> io::Result<bool> {
    let mode = fstat(&partials)?.st_mode;
    if mode & PERMISSIONS == 0o700 {
        return Ok(true);
    }
    // A file system without modes refuses the new mode, or ignores it.
    let _ = fchmod(
        &partials,
        Mode::from_raw_mode(mode & !PERMISSIONS & 0o7777 | 0o700),
    );
    Ok(fstat(&partials)?.st_mode & OTHERS == 0)
}

/// Returns the owner of a new directory in `root`.
fn owner_of_new(root: impl AsFd) -> io::Result<u32> {
    let name = format!(".resumed-probe-{:016x}", draw());
    mkdirat(&root, &name, Mode::RWXU)?;
    let about = statat(&root, &name, AtFlags::SYMLINK_NOFOLLOW);
    unlinkat(&root, &name, AtFlags::REMOVEDIR)?;
    Ok(about?.st_uid)
}
