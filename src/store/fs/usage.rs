//! The bytes of the files in the folder of a user.

use std::ffi::CStr;
use std::fs::File;
use std::io;

use rustix::fs::{AtFlags, Dir as Entries, FileType, statat};

use crate::store::fs::disk::Disk;
use crate::store::fs::user_dir::UserDir;
use crate::store::id::is_hidden;

/// The maximum depth of folders that a count enters. Each level holds a descriptor and a buffer of about 9 KB. Uploads
/// have at most 32 levels; other programs may create deeper ones.
const DEPTH_MAX: usize = 64;

/// A count of bytes. Its memory does not depend on the number of files.
struct Count<'a> {
    disk: &'a Disk,
    goes_on: &'a dyn Fn() -> bool,
    bytes: u64,
    /// The number of files and folders that could not be read, or are too deep.
    left_out: u64,
}

impl Disk {
    /// Returns the sum of the lengths of the files in the folder of a user, and below. `None` if `goes_on` ends the count.
    ///
    /// Follows no symbolic link, and counts no unfinished copy. Enters folders that are other mounts, as uploads do.
    ///
    /// # Errors
    /// If the folder of the user cannot be read.
    pub(crate) fn bytes_of_user(
        &self,
        dir: &UserDir,
        goes_on: &dyn Fn() -> bool,
    ) -> io::Result<Option<u64>> {
        let Some(folder) = self.user_dir(dir)? else {
            return Ok(Some(0));
        };
        let mut count = Count {
            disk: self,
            goes_on,
            bytes: 0,
            left_out: 0,
        };
        let is_whole = count.add_folder(folder, 1)?;
        if count.left_out > 0 {
            let (name, left_out) = (dir.name().as_str(), count.left_out);
            log::debug!("{name}: {left_out} files or folders cannot be counted");
        }
        Ok(is_whole.then_some(count.bytes))
    }
}

impl Count<'_> {
    /// Adds the files in `folder` and below. Returns false if the count has to end.
    fn add_folder(&mut self, folder: File, depth: usize) -> io::Result<bool> {
        let mut entries = Entries::new(folder)?;
        while let Some(entry) = entries.read() {
            if !(self.goes_on)() {
                return Ok(false);
            }
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") || is_hidden(name) {
                continue;
            }
            match self.add(&entries, entry.file_name(), depth) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                // The file was removed in the meantime, or may not be read.
                Err(_) => self.left_out += 1,
            }
        }
        Ok(true)
    }

    fn add(&mut self, above: &Entries, name: &CStr, depth: usize) -> io::Result<bool> {
        let above = above.fd()?;
        let about = statat(above, name, AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(about.st_mode) {
            FileType::RegularFile => self.bytes = self.bytes.saturating_add(about.st_size as u64),
            FileType::Directory if depth == DEPTH_MAX => self.left_out += 1,
            FileType::Directory => {
                if let Some(folder) = self.disk.open_folder(above, name)? {
                    return self.add_folder(folder, depth + 1);
                }
            }
            _ => {}
        }
        Ok(true)
    }
}
