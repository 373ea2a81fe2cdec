//! The attributes that a file gets when it is created in a folder: group, mode and access ACL.
//!
//! An empty file, created in the folder and removed at once, shows them: the rules differ between file systems and
//! mount options. The result is stored for all folders of the same kind.

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use rustix::fs::{AtFlags, Dev, FileType, Mode, OFlags, RawMode, fstat, openat, statat, unlinkat};
use rustix::io::Errno;

use crate::store::fs::xattr;
use crate::store::id::{Key, probe_name};
use crate::sync::{Mutex, lock};

pub(crate) const ACCESS_ACL: &str = "system.posix_acl_access";
pub(crate) const DEFAULT_ACL: &str = "system.posix_acl_default";

/// Maximum length of an ACL, in bytes: 512 entries.
const ACL_MAX: usize = 4 + 512 * 8;

/// Maximum number of kinds of folders whose attributes are stored.
const KINDS_MAX: usize = 32;

/// Maximum number of folders whose refusal is logged.
const WARNED_MAX: usize = 1000;

/// The stored attributes of new files, by kind of folder.
#[derive(Default)]
pub(crate) struct Ownership {
    kinds: Mutex<Vec<(Kind, Arc<Attributes>)>>,
    warned: Mutex<HashSet<(Dev, u64)>>,
}

/// The properties of a folder that decide the attributes of a new file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) device: Dev,
    gid: u32,
    is_set_gid: bool,
    default_acl: Option<Box<[u8]>>,
}

/// The attributes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attributes {
    /// `None`: the owner is not changed.
    pub(crate) uid: Option<u32>,
    pub(crate) gid: u32,
    pub(crate) mode: RawMode,
    /// `None` if there is no ACL beyond the mode.
    pub(crate) access_acl: Option<Box<[u8]>>,
}

impl Kind {
    pub(crate) fn of(folder: impl AsFd) -> io::Result<Self> {
        let about = fstat(&folder)?;
        Ok(Self {
            device: about.st_dev,
            gid: about.st_gid,
            is_set_gid: Mode::from_raw_mode(about.st_mode).contains(Mode::SGID),
            default_acl: acl(folder, DEFAULT_ACL)?,
        })
    }
}

impl Ownership {
    /// Returns the attributes of a file that is created in `home`.
    pub(crate) fn created_in(
        &self,
        home: BorrowedFd<'_>,
        kind: Kind,
        key: Key,
    ) -> io::Result<Arc<Attributes>> {
        let known = lock(&self.kinds)
            .iter()
            .find(|(known, _)| *known == kind)
            .cloned();
        if let Some((_, created)) = known {
            return Ok(created);
        }
        let created = Arc::new(Attributes::of_new_file_in(home, key)?);
        let mut kinds = lock(&self.kinds);
        if kinds.len() == KINDS_MAX {
            kinds.remove(0);
        }
        kinds.push((kind, Arc::clone(&created)));
        Ok(created)
    }

    /// Returns whether a refusal in this folder has to be logged.
    pub(crate) fn is_first_warning(&self, folder: (Dev, u64)) -> bool {
        let mut warned = lock(&self.warned);
        warned.len() < WARNED_MAX && warned.insert(folder)
    }
}

impl Attributes {
    /// Reads the attributes of an open file, and the device it is on.
    pub(crate) fn of(file: impl AsFd) -> io::Result<(Dev, Self)> {
        let about = fstat(&file)?;
        let attributes = Self {
            uid: Some(about.st_uid),
            gid: about.st_gid,
            mode: about.st_mode & 0o777,
            access_acl: acl(&file, ACCESS_ACL)?,
        };
        Ok((about.st_dev, attributes))
    }

    /// Reads the attributes of the regular file that is replaced; `None` if there is none. Its owner only as root.
    pub(crate) fn of_file_at(home: BorrowedFd<'_>, name: &str) -> io::Result<Option<Self>> {
        let about = match statat(home, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(None),
            about => about?,
        };
        if !FileType::from_raw_mode(about.st_mode).is_file() {
            return Ok(None);
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let access_acl = match openat(home, name, flags, Mode::empty()) {
            Ok(file) => Some(acl(file, ACCESS_ACL)?),
            Err(Errno::ACCESS) => None,
            Err(error) => return Err(error.into()),
        };
        // The group bits may be the mask of an unreadable ACL, and could give the group more rights than before.
        let hidden = if access_acl.is_none() { 0o070 } else { 0 };
        Ok(Some(Self {
            uid: Some(about.st_uid).filter(|_| rustix::process::geteuid().is_root()),
            gid: about.st_gid,
            mode: about.st_mode & 0o777 & !hidden,
            access_acl: access_acl.flatten(),
        }))
    }

    fn of_new_file_in(home: BorrowedFd<'_>, key: Key) -> io::Result<Self> {
        let name = probe_name(key);
        let new = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let flags = new | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let create = || openat(home, &name, flags, Mode::from_raw_mode(0o666));
        let remove = || unlinkat(home, &name, AtFlags::empty());
        let made = match create() {
            // A crash left this file.
            Err(Errno::EXIST) => remove().and_then(|()| create()),
            made => made,
        };
        let found = Self::of(made?);
        remove()?;
        let (_, attributes) = found?;
        Ok(Self {
            uid: None,
            ..attributes
        })
    }
}

/// Reads an ACL in the format of the kernel; `None` if there is none, or the file system supports none.
fn acl(file: impl AsFd, name: &str) -> io::Result<Option<Box<[u8]>>> {
    let mut value = [0; ACL_MAX];
    match xattr::get(file, name, &mut value) {
        Ok(length) => Ok(length.map(|length| value[..length].into())),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
