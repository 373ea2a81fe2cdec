//! What the operands of the command stand for.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::problem::Problem;

/// One thing that was found.
pub(super) enum Found {
    File(Named),
    /// Not to be sent, and no failure.
    LeftOut(Named, &'static str),
    Failed(Named, Problem),
}

/// A path here, and what it is called there: a folder that was asked for stands in the names of what is in it, with
/// `/` between the parts.
pub(super) struct Named {
    pub(super) path: PathBuf,
    pub(super) name: Vec<u8>,
}

impl Named {
    /// As it was asked for.
    fn as_given(path: &Path) -> Named {
        Named {
            path: path.to_owned(),
            name: path.as_os_str().as_bytes().to_vec(),
        }
    }

    /// For a person.
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

/// The files that the paths stand for: folders with all that is in them, in the order of their names.
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

/// A path that was asked for, links followed, and whether it is a folder.
fn named(path: &Path) -> io::Result<(Named, bool)> {
    let is_folder = path.metadata()?.is_dir();
    let name = match path.file_name() {
        Some(name) => name.as_bytes().to_vec(),
        // `.`, `..` and what ends in them have a name only from above; the root has none.
        None => fs::canonicalize(path)?
            .file_name()
            .map(|name| name.as_bytes().to_vec())
            .unwrap_or_default(),
    };
    let path = path.to_owned();
    Ok((Named { path, name }, is_folder))
}

/// Without a recursion, which a deep tree would end. Links are not followed: they may lead anywhere, and in circles.
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
