//! The attributes of a finished file: those of a file created in its folder, or those of the file that it replaces.
//!
//! A data file is created in `.resumed` and inherits its attributes from there. The folder of the finished file may
//! differ: the set-group-ID bit with another group, or a default ACL. The attributes are set before the file moves.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{Gid, Mode, Uid, fchmod, fchown, fstat};

use crate::store::fs::disk::{Data, Disk};
use crate::store::fs::fault::Op;
use crate::store::fs::ownership::{ACCESS_ACL, Attributes, Kind};
use crate::store::fs::xattr;
use crate::store::id::Key;
use crate::store::obstacle::is_full;
use crate::store::options::OnConflict;

/// The attributes set on a data file before it moves, and those still to be set.
#[derive(Debug, Default)]
pub(crate) struct Adopted {
    /// True if attributes were changed: they need a sync to be durable.
    pub(crate) changed: bool,
    /// The mode to set after the move. Before that, the server must be able to open the file again.
    pub(crate) last_mode: Option<Mode>,
    /// The error of an attribute that could not be set.
    refused: Option<io::Error>,
    /// True if a new file in the folder gets these attributes: a copy then gets them too.
    pub(crate) copy_has_them: bool,
}

impl Disk {
    /// Sets the mode that had to wait for the move.
    pub(crate) fn set_last_mode(&self, data: &Data, mode: Mode, path: &str) {
        if let Err(error) = fchmod(&data.0, mode) {
            log::warn!("{path}: cannot set the mode {mode:?}: {error}");
        }
    }

    /// Sets on `data` the attributes of a file created at `path`, or of the file that it replaces.
    ///
    /// # Errors
    /// If a disk or a quota is full. Other errors are logged, once per folder.
    pub(crate) fn adopt(
        &self,
        data: &Data,
        is_copy: bool,
        key: Key,
        path: &str,
        on_conflict: OnConflict,
    ) -> io::Result<Adopted> {
        let Some((home, name)) = self.home_of(path)? else {
            return Ok(Adopted::default());
        };
        let home = home.as_fd();
        let adopted = self.try_to_adopt(data, is_copy, key, home, name, on_conflict);
        let adopted = adopted.unwrap_or_else(|error| Adopted {
            refused: Some(error),
            ..Adopted::default()
        });
        match adopted.refused {
            Some(error) if is_full(&error) => return Err(error),
            Some(_) if adopted.copy_has_them => {}
            Some(ref error) => self.warn_once(home, path, error)?,
            None => {}
        }
        Ok(adopted)
    }

    fn try_to_adopt(
        &self,
        data: &Data,
        is_copy: bool,
        key: Key,
        home: BorrowedFd<'_>,
        name: &str,
        on_conflict: OnConflict,
    ) -> io::Result<Adopted> {
        let (device, now) = Attributes::of(&data.0)?;
        let kind = Kind::of(home)?;
        if kind.device != device {
            return Ok(Adopted::default());
        }
        let replaced = match on_conflict {
            OnConflict::Replace => Attributes::of_file_at(home, name)?,
            OnConflict::KeepBoth => None,
        };
        if let Some(replaced) = replaced {
            return self.set_attributes(data, &now, &replaced);
        }
        // A copy was created there. Its hidden name is that of the empty file, too.
        if is_copy {
            return Ok(Adopted::default());
        }
        let created = self.ownership.created_in(home, kind, key)?;
        let adopted = self.set_attributes(data, &now, &created)?;
        Ok(Adopted {
            copy_has_them: adopted.refused.is_some(),
            ..adopted
        })
    }

    /// Sets the attributes that differ. If one of them is refused, the others are set.
    fn set_attributes(
        &self,
        data: &Data,
        now: &Attributes,
        wanted: &Attributes,
    ) -> io::Result<Adopted> {
        let uid = wanted.uid.filter(|uid| Some(*uid) != now.uid);
        let gid = Some(wanted.gid).filter(|gid| *gid != now.gid);
        let is_same = now.mode == wanted.mode && now.access_acl == wanted.access_acl;
        if is_same && uid.is_none() && gid.is_none() {
            return Ok(Adopted::default());
        }
        let owned = match (uid, gid) {
            (None, None) => Ok(()),
            (uid, gid) => self.faults.check(Op::Own).and_then(|()| {
                Ok(fchown(
                    &data.0,
                    uid.map(Uid::from_raw),
                    gid.map(Gid::from_raw),
                )?)
            }),
        };
        let allowed = match &wanted.access_acl {
            acl if *acl == now.access_acl => Ok(()),
            Some(acl) => xattr::set(&data.0, ACCESS_ACL, acl),
            None => xattr::remove(&data.0, ACCESS_ACL),
        };
        let (mode, own) = (Mode::from_raw_mode(wanted.mode), Mode::RUSR | Mode::WUSR);
        fchmod(&data.0, mode | own)?;
        Ok(Adopted {
            changed: true,
            last_mode: Some(mode).filter(|mode| !mode.contains(own)),
            refused: owned.and(allowed.map_err(io::Error::from)).err(),
            copy_has_them: false,
        })
    }

    fn warn_once(&self, home: BorrowedFd<'_>, path: &str, error: &io::Error) -> io::Result<()> {
        let about = fstat(home)?;
        if self
            .ownership
            .is_first_warning((about.st_dev, about.st_ino))
        {
            let path = self.published_path(path);
            let folder = path.parent().unwrap_or(&path).display();
            log::warn!(
                "cannot give files in {folder} the group and access rights of files created there: {error}; they keep \
                 those of the server"
            );
        }
        Ok(())
    }
}
