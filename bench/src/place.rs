//! Directories for the time of a measurement.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

const PREFIX: &str = "bench-";

/// The mount point in the directory of an image.
const MOUNTED: &str = "mounted";

/// A new one, removed when dropped.
pub(crate) fn new(root: &Path) -> io::Result<TempDir> {
    let prefix = format!("{PREFIX}{}-", std::process::id());
    tempfile::Builder::new().prefix(&prefix).tempdir_in(root)
}

/// A new one that goes with the one it is in.
pub(crate) fn within(outer: &TempDir) -> io::Result<TempDir> {
    tempfile::Builder::new()
        .disable_cleanup(true)
        .tempdir_in(outer)
}

/// An ext4 with a journal in an image file. Unmounted when dropped.
pub(crate) struct Journaled {
    path: PathBuf,
    home: TempDir,
}

impl Journaled {
    /// Makes the image in `root`, sparse, and mounts it. Needs root.
    pub(crate) fn mount(root: &Path) -> io::Result<Journaled> {
        const IMAGE_BYTES: u64 = 16 << 30;
        let home = new(root)?;
        let (image, path) = (home.path().join("image"), home.path().join(MOUNTED));
        fs::File::create(&image)?.set_len(IMAGE_BYTES)?;
        fs::create_dir(&path)?;
        run(Command::new("mkfs.ext4")
            .args(["-q", "-O", "has_journal"])
            .arg(&image))?;
        run(Command::new("mount")
            .args(["-o", "loop"])
            .arg(&image)
            .arg(&path))?;
        Ok(Journaled { path, home })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Journaled {
    fn drop(&mut self) {
        if let Err(error) = run(Command::new("umount").arg(&self.path)) {
            eprintln!("{}: {error}", self.home.path().display());
        }
    }
}

fn run(command: &mut Command) -> io::Result<()> {
    let output = command.output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )),
    }
}

/// Removes what a run left behind that was killed.
pub(crate) fn sweep(root: &Path) -> io::Result<()> {
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX)?.split_once('-'));
        let Some((owner, _)) = owner.filter(|(owner, _)| owner.parse::<u32>().is_ok()) else {
            continue;
        };
        if !fs::exists(format!("/proc/{owner}"))? {
            let mounted = entry.path().join(MOUNTED);
            if mounted.exists() {
                run(Command::new("umount").arg(mounted))?;
            }
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_dead_left_is_swept() {
        let root = tempfile::tempdir().unwrap();
        let own = new(root.path()).unwrap();
        for name in ["bench-4194305-x", "bench-notes", "other"] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        sweep(root.path()).unwrap();
        let mut left: Vec<_> = fs::read_dir(root.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        left.sort();
        let mut expected = vec![
            own.path().to_owned(),
            root.path().join("bench-notes"),
            root.path().join("other"),
        ];
        expected.sort();
        assert_eq!(left, expected);
    }
}
