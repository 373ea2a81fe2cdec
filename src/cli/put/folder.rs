//! The files that the operands of the command name.

use std::ffi::{OsStr, OsString};
use std::fs::{self, FileType, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::vec;

use resumed_client::{Error, SMALL_FILE_MAX};

/// An entry of a folder, or an operand.
pub(super) enum Found {
    File(LocalFile),
    /// An entry that is not sent, with the reason. No failure.
    LeftOut(Named, &'static str),
    Failed(Named, Error),
}

/// A local path and its name on the server. In a folder, the name is the path from that folder on, separated by `/`.
pub(super) struct Named {
    pub(super) path: PathBuf,
    pub(super) name: Vec<u8>,
}

/// A file and its length when it was found.
pub(super) struct LocalFile {
    pub(super) named: Named,
    pub(super) length: u64,
}

impl LocalFile {
    /// Returns whether the file needs more than one request.
    pub(super) fn is_large(&self) -> bool {
        self.length > SMALL_FILE_MAX
    }

    #[cfg(test)]
    pub(super) fn for_test(length: u64) -> LocalFile {
        let named = Named::as_given(Path::new("a"));
        LocalFile { named, length }
    }
}

impl Named {
    /// Names an operand by its own text.
    fn as_given(path: &Path) -> Named {
        Named {
            path: path.to_owned(),
            name: path.as_os_str().as_encoded_bytes().to_vec(),
        }
    }

    /// Returns the name for messages.
    pub(super) fn shown(&self) -> String {
        String::from_utf8_lossy(&self.name).into_owned()
    }

    fn child(&self, name: &OsStr) -> Named {
        let parts = [self.name.as_slice(), name.as_encoded_bytes()];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Named {
            path: self.path.join(name),
            name: parts.join(&b'/'),
        }
    }
}

/// The files that paths name: folders with all entries below them, sorted by name.
///
/// The walk keeps only the names of the folders on its way in memory. It follows no links in folders: they may form a
/// cycle.
pub(super) struct Walk {
    paths: vec::IntoIter<PathBuf>,
    /// The folders from an operand down to the current one. A stack, because recursion fails in a deep tree.
    open: Vec<Folder>,
    /// A folder that is created later is not entered: the server may store the files there.
    began: SystemTime,
}

/// A folder and its entries that follow.
struct Folder {
    named: Named,
    entries: vec::IntoIter<(OsString, FileType)>,
}

impl Walk {
    pub(super) fn new(paths: Vec<PathBuf>) -> Walk {
        Walk {
            paths: paths.into_iter(),
            open: Vec::new(),
            began: SystemTime::now(),
        }
    }

    /// Returns a file or a failure; `None` for a folder, which is open then. Follows links.
    fn operand(&mut self, path: &Path) -> Option<Found> {
        let found = path
            .metadata()
            .and_then(|metadata| Ok((operand_name(path)?, metadata)));
        let (named, metadata) = match found {
            Ok(found) => found,
            Err(error) => return Some(Found::Failed(Named::as_given(path), error.into())),
        };
        match metadata.is_dir() {
            true => self.enter(named),
            false => Some(file(named, &metadata)),
        }
    }

    /// Opens a folder. Returns its failure.
    fn enter(&mut self, named: Named) -> Option<Found> {
        match list(&named.path) {
            Ok(entries) => {
                let entries = entries.into_iter();
                self.open.push(Folder { named, entries });
                None
            }
            Err(error) => Some(Found::Failed(named, error.into())),
        }
    }

    fn entry(&mut self, named: Named, kind: FileType) -> Option<Found> {
        if kind.is_symlink() {
            return Some(Found::LeftOut(named, "a symbolic link in a folder"));
        }
        if !kind.is_file() && !kind.is_dir() {
            return Some(Found::LeftOut(named, "neither a file nor a folder"));
        }
        let metadata = match fs::symlink_metadata(&named.path) {
            Ok(metadata) => metadata,
            Err(error) => return Some(Found::Failed(named, error.into())),
        };
        if kind.is_file() {
            return Some(file(named, &metadata));
        }
        if metadata.created().is_ok_and(|at| at > self.began) {
            let error = io::Error::other("the folder was created after the start");
            return Some(Found::Failed(named, error.into()));
        }
        self.enter(named)
    }
}

impl Iterator for Walk {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            let found = match self.open.last_mut() {
                None => {
                    let path = self.paths.next()?;
                    self.operand(&path)
                }
                Some(folder) => match folder.entries.next() {
                    None => {
                        self.open.pop();
                        None
                    }
                    Some((name, kind)) => {
                        let named = folder.named.child(&name);
                        self.entry(named, kind)
                    }
                },
            };
            if found.is_some() {
                return found;
            }
        }
    }
}

fn file(named: Named, metadata: &Metadata) -> Found {
    let length = metadata.len();
    Found::File(LocalFile { named, length })
}

/// Returns the name of an operand.
fn operand_name(path: &Path) -> io::Result<Named> {
    let name = match path.file_name() {
        Some(name) => name.as_encoded_bytes().to_vec(),
        // `.` and `..` have the name of the folder that they lead to; the root has none.
        None => fs::canonicalize(path)?
            .file_name()
            .map(|name| name.as_encoded_bytes().to_vec())
            .unwrap_or_default(),
    };
    let path = path.to_owned();
    Ok(Named { path, name })
}

fn list(folder: &Path) -> io::Result<Vec<(OsString, FileType)>> {
    let entries = fs::read_dir(folder)?;
    let entries = entries.map(|entry| {
        let entry = entry?;
        Ok((entry.file_name(), entry.file_type()?))
    });
    let mut entries = entries.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_created_after_the_start_is_not_entered() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("a"), "x").expect("written");
        let walk = Walk::new(vec![dir.path().to_owned()]);
        let late = dir.path().join("late");
        loop {
            fs::create_dir(&late).expect("created");
            match late.metadata().and_then(|late| late.created()) {
                Ok(at) if at > walk.began => break,
                // The clock of the file system has not moved on.
                Ok(_) => fs::remove_dir(&late).expect("removed"),
                // This file system keeps no such time.
                Err(_) => return,
            }
        }
        fs::write(late.join("b"), "x").expect("written");
        let found: Vec<_> = walk.collect();
        let [Found::File(file), Found::Failed(folder, _)] = &found[..] else {
            panic!("{} entries", found.len());
        };
        assert_eq!(file.named.path, dir.path().join("a"));
        assert_eq!(folder.path, late);
    }
}
