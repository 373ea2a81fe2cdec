//! What is believed of a partial when the file system has forgotten what was only written.
//!
//! As long as it remembers, the length of a data file is the offset. When the plug was pulled, the length may say more
//! than was synced: ext4 makes a new length durable before the bytes, where they go on in a block that was there; and
//! any file system may write later bytes before earlier ones. What is missing then reads as zeros. So a data file
//! is marked with how much of it is synced, durably, before that is told; and on a file system that was mounted anew
//! each partial is cut back to its mark when it is next looked at.

use std::io;
use std::sync::{MutexGuard, PoisonError};

use rustix::io::Errno;

use crate::store::fs::disk::{Data, Disk};
use crate::store::fs::fault::Op;
use crate::store::fs::hashed::{Algorithm, Hashed};
use crate::store::fs::record::Record;
use crate::store::fs::xattr;
use crate::store::id::Key;
use crate::store::options::Sharing;
use crate::store::upload::registry::Registry;

/// The extended attribute.
pub(crate) const MARK: &str = "user.resumed.synced";

/// Parses the value of the marker. An earlier version appended ` told`.
fn parse(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?;
    text.strip_suffix(" told").unwrap_or(text).parse().ok()
}

impl Registry {
    /// Finds out whether the file system may have forgotten what was only written. If so, each partial is put right
    /// when it is next looked at: opening must not take the longer the more of them there are.
    pub(crate) fn begin_to_doubt(&self) -> io::Result<()> {
        // A mount belongs to one machine. Its end says nothing about the bytes that other servers write.
        if self.options.sharing == Sharing::Shared {
            return Ok(());
        }
        let Some(mount) = system::mount_of(&self.disk.lock) else {
            return Ok(());
        };
        if self.disk.was_opened_on(&mount)? {
            return Ok(());
        }
        *self.unsure() = Some(mount);
        // Nothing was ever told of what is not there.
        if !self.disk.durable || self.disk.is_new()? {
            self.doubt_no_more();
        }
        Ok(())
    }

    fn unsure(&self) -> MutexGuard<'_, Option<String>> {
        self.unsure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that lies there has been looked at. Where this is never said, the next server doubts once more, and may
    /// believe less than this one wrote, but nothing less than it told.
    pub(crate) fn doubt_no_more(&self) {
        let Some(mount) = self.unsure().take() else {
            return;
        };
        // On a full disk, say.
        if let Err(error) = self.disk.note_opened_on(&mount) {
            log::debug!("what was opened cannot be noted: {error}");
        }
    }

    /// Whether the partial `key` may have to be cut back.
    pub(crate) fn is_unsure_of(&self, key: Key) -> io::Result<bool> {
        if self.unsure().is_none() {
            return Ok(false);
        }
        let Some((data, length)) = self.disk.open_data(key)? else {
            return Ok(false);
        };
        let mark = self.disk.mark_of(&data)?;
        Ok(mark.is_some_and(|synced| synced < length))
    }

    /// How much of the `length` bytes of `data` is believed. The rest is cut off; that needs no sync, for should it
    /// come back, the mark is still there.
    pub(crate) fn drop_unsure(
        &self,
        key: Key,
        data: &Data,
        length: u64,
        synced: u64,
        record: Option<&Record>,
    ) -> io::Result<u64> {
        // Its record does not say that all is held before all is synced.
        let is_publishing = record
            .is_some_and(|record| record.publishing.is_some() && record.length == Some(length));
        if synced >= length || is_publishing || self.unsure().is_none() {
            return Ok(length);
        }
        log::info!("{key}: of {length} bytes {synced} are sure to have been written");
        // A hash of what is cut off would be taken for that of what comes in its place.
        self.disk.forget_hashed(data)?;
        self.disk.cut(data, synced)?;
        Ok(synced)
    }
}

/// The mark on a data file, and the note of what was opened last.
impl Disk {
    /// Returns the synced length in the marker of `data`; `None` where files cannot have a marker.
    pub(crate) fn mark_of(&self, data: &Data) -> io::Result<Option<u64>> {
        self.faults.check(Op::Read)?;
        let mut text = [0; 32];
        match xattr::get(&data.0, MARK, &mut text) {
            Ok(length) => Ok(Some(parse(&text[..length]).unwrap_or_default())),
            Err(Errno::NODATA) => Ok(Some(0)),
            Err(Errno::OPNOTSUPP) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes the synced length into the marker of `data`. Does not sync the marker.
    pub(crate) fn mark(&self, data: &Data, synced: u64) -> io::Result<()> {
        self.faults.check(Op::Marker)?;
        match xattr::set(&data.0, MARK, synced.to_string().as_bytes()) {
            Err(Errno::OPNOTSUPP) => Ok(()),
            done => Ok(done?),
        }
    }

    /// Takes the mark off: a finished file has none.
    pub(crate) fn unmark(&self, data: &Data) -> io::Result<()> {
        self.faults.check(Op::Marker)?;
        Ok(xattr::remove(&data.0, MARK)?)
    }

    /// How far `data` is kept to be hashed.
    pub(crate) fn hashed_of(&self, data: &Data, by: Algorithm) -> io::Result<Option<Hashed>> {
        self.faults.check(Op::Read)?;
        let mut text = [0; 512];
        match xattr::get(&data.0, by.attribute(), &mut text) {
            Ok(length) => Ok(Hashed::parse(by, &text[..length])),
            Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps on `data` how far it is hashed. That is left to be synced.
    pub(crate) fn keep_hashed(&self, data: &Data, hashed: &Hashed) -> io::Result<()> {
        self.faults.check(Op::Marker)?;
        let name = hashed.algorithm().attribute();
        Ok(xattr::set(&data.0, name, hashed.text().as_bytes())?)
    }

    /// Keeps on `data` no more how far it is hashed.
    pub(crate) fn forget_hashed(&self, data: &Data) -> io::Result<()> {
        self.faults.check(Op::Marker)?;
        for algorithm in Algorithm::ALL {
            match xattr::remove(&data.0, algorithm.attribute()) {
                Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn was_opened_on(&self, mount: &str) -> io::Result<bool> {
        let mut noted = [0; 128];
        let length = rustix::io::pread(&self.lock, &mut noted, 0)?;
        Ok(noted[..length] == *mount.as_bytes())
    }

    /// Whether no server was ever here, and nothing is.
    fn is_new(&self) -> io::Result<bool> {
        Ok(self.lock.metadata()?.len() == 0 && self.names()?.next().is_none())
    }

    fn note_opened_on(&self, mount: &str) -> io::Result<()> {
        rustix::fs::ftruncate(&self.lock, 0)?;
        rustix::io::write(&self.lock, mount.as_bytes())?;
        Ok(rustix::fs::fdatasync(&self.lock)?)
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::os::fd::AsFd;

    use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxFlags, openat, statx};
    use rustix::io::read;

    /// `STATX_MNT_ID_UNIQUE`, since Linux 6.8: before that, numbers are given again.
    const MNT_ID_UNIQUE: StatxFlags = StatxFlags::from_bits_retain(0x4000);

    const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

    /// What tells one mounting of the file system of `file` from another, across starts of the machine.
    pub(crate) fn mount_of(file: impl AsFd) -> Option<String> {
        let flags = StatxFlags::MNT_ID | MNT_ID_UNIQUE;
        let about = statx(file, "", AtFlags::EMPTY_PATH, flags).ok()?;
        let mut boot = [0; 36];
        read(
            openat(CWD, BOOT_ID, OFlags::RDONLY, Mode::empty()).ok()?,
            &mut boot,
        )
        .ok()?;
        Some(format!(
            "{} {}\n",
            String::from_utf8_lossy(&boot),
            about.stx_mnt_id
        ))
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::os::fd::AsFd;

    pub(crate) fn mount_of(_: impl AsFd) -> Option<String> {
        None
    }
}
