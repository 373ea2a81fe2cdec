//! The files that the operands of the command name.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use resumed_client::Error;

/// An entry of a folder, or an operand.
pub(super) enum Found {
    File(Named),
    /// An entry that is not sent, with the reason. No failure.
    LeftOut(Named, &'static str),
    Failed(Named, Error),
}

/// A local path and its name on the server. In a folder, the name is the path from that folder on, separated by `/`.
pub(super) struct Named {
    pub(super) path: PathBuf,
    pub(super) name: Vec<u8>,
}

impl Named {
    /// Names an operand by its own text.
    fn as_given(path: &Path) -> Named {
        Named {
            path: path.to_owned(),
            name: path.as_os_str().as_bytes().to_vec(),
        }
    }

    /// Returns the name for messages.
    pub(super) fn shown(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.name)
    }

    fn child(&self, name: &OsStr) -> Named {
        let parts = [self.name.as_slice(), name.as_bytes()];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Named {
            path: self.path.join(name),
            name: parts.join(&b'/'),
        }
    }
}

/// Returns the files that `paths` name: folders with all entries below them, sorted by name.
pub(super) fn gather(paths: &[PathBuf]) -> Vec<Found> {
    let mut found = Vec::new();
    for path in paths {
        match named(path) {
            Ok((named, is_folder)) if is_folder => walk(named, &mut found),
            Ok((named, _)) => found.push(Found::File(named)),
            Err(error) => found.push(Found::Failed(Named::as_given(path), error.into())),
        }
    }
    found
}

/// Returns the name of an operand, and whether it is a folder. Follows links.
fn named(path: &Path) -> io::Result<(Named, bool)> {
    let is_folder = path.metadata()?.is_dir();
    let name = match path.file_name() {
        Some(name) => name.as_bytes().to_vec(),
        // `.` and `..` have the name of the folder that they lead to; the root has none.
        None => fs::canonicalize(path)?
            .file_name()
            .map(|name| name.as_bytes().to_vec())
            .unwrap_or_default(),
    };
    let path = path.to_owned();
    Ok((Named { path, name }, is_folder))
}

/// Walks a folder without recursion: a deep tree would exhaust the stack. Follows no links: they may form a cycle.
fn walk(folder: Named, found: &mut Vec<Found>) {
    let mut ahead = vec![(folder, Kind::Folder)];
    while let Some((named, kind)) = ahead.pop() {
        match kind {
            Kind::File => found.push(Found::File(named)),
            Kind::Link => found.push(Found::LeftOut(named, "a symbolic link in a folder")),
            Kind::Other => found.push(Found::LeftOut(named, "neither a file nor a folder")),
            Kind::Folder => match list(&named) {
                Ok(children) => ahead.extend(children.into_iter().rev()),
                Err(error) => found.push(Found::Failed(named, error.into())),
            },
        }
    }
}

enum Kind {
    File,
    Folder,
    Link,
    Other,
}

fn list(folder: &Named) -> io::Result<Vec<(Named, Kind)>> {
    let mut children = Vec::new();
    for entry in fs::read_dir(&folder.path)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let kind = match (kind.is_file(), kind.is_dir(), kind.is_symlink()) {
            (true, _, _) => Kind::File,
            (_, true, _) => Kind::Folder,
            (_, _, true) => Kind::Link,
            (false, false, false) => Kind::Other,
        };
        children.push((folder.child(&entry.file_name()), kind));
    }
    children.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
    Ok(children)
}
