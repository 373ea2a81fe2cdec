//! The files in the directory of a server.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Returns the paths of the finished files below `dir`, in order.
pub(crate) fn finished(dir: &Path) -> Vec<String> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).expect("listed") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("text");
        match entry.file_type().expect("a type").is_dir() {
            true if name == ".resumed" => {}
            true => {
                let inner = finished(&entry.path()).into_iter();
                paths.extend(inner.map(|path| format!("{name}/{path}")));
            }
            false => paths.push(name),
        }
    }
    paths.sort();
    paths
}

/// Returns the data files of the partial uploads in `dir`: none without `.resumed`. Their names are keys, of 32 digits.
pub(crate) fn partials(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join(".resumed")).into_iter().flatten();
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .filter(|path| path.file_name().is_some_and(|name| name.len() == 32))
        .collect()
}

/// Returns the data file of the only partial upload.
pub(crate) fn partial(dir: &Path) -> PathBuf {
    let mut files = partials(dir);
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

/// Returns a temporary directory on the disk of the build. Others may be in memory, where files have no attributes.
pub(crate) fn tempdir_on_disk() -> TempDir {
    let dir = env!("CARGO_TARGET_TMPDIR");
    fs::create_dir_all(dir).expect("made");
    tempfile::tempdir_in(dir).expect("a temporary directory")
}
