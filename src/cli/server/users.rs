//! The users of `--user` and `--user-file`, and the reloading of these files.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::mem;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use resumed::{PasswordHash, Users};

/// The mode bits that let other users read or write.
const OTHERS_READ_OR_WRITE: u32 = 0o006;

/// The users of the command line.
#[derive(Default)]
pub(super) struct UserFlags {
    given: Vec<Entry>,
    files: Vec<PathBuf>,
}

#[derive(Clone)]
struct Entry {
    name: String,
    secret: Secret,
}

#[derive(Clone)]
enum Secret {
    Plain(String),
    Hash(PasswordHash),
}

/// The files of `--user-file`, which the server reads again after a change.
pub(crate) struct UserFiles {
    flags: UserFlags,
    /// The state of the files when they were read.
    read: Vec<Stamp>,
    /// The state of the files at the last look.
    seen: Vec<Stamp>,
    /// The error of the last read.
    error: Option<String>,
}

/// A state of a file: device, inode, length, and times of the last change of its bytes and of its metadata. The permissions
/// are metadata. `None`: there is no such file.
type Stamp = Option<(u64, u64, u64, (i64, i64), (i64, i64))>;

impl UserFlags {
    /// Adds the user of a `--user`, or the file of a `--user-file`.
    pub(super) fn set(&mut self, flag: &str, value: &str) -> Result<(), String> {
        match flag {
            "user-file" => self.files.push(value.into()),
            _ => self.given.push(Entry::read(value)?),
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.given.is_empty() && self.files.is_empty()
    }

    /// Reads all users. `None` without a flag. The second value has the files, if there are any.
    pub(super) fn build(
        self,
        warnings: &mut Vec<String>,
    ) -> Result<Option<(Users, Option<UserFiles>)>, String> {
        if self.is_empty() {
            return Ok(None);
        }
        let stamps = self.stamps();
        let users = self.read(warnings)?;
        let files = (!self.files.is_empty()).then(|| UserFiles {
            flags: self,
            read: stamps.clone(),
            seen: stamps,
            error: None,
        });
        Ok(Some((users, files)))
    }

    fn read(&self, warnings: &mut Vec<String>) -> Result<Users, String> {
        let mut users = Users::new();
        let mut plain = 0;
        for entry in &self.given {
            plain += usize::from(entry.add_to(&mut users));
        }
        for path in &self.files {
            let unusable = |error: &dyn fmt::Display| format!("{}: {error}", path.display());
            let entries = read_file(path, warnings).map_err(|error| unusable(&error))?;
            for (line, entry) in entries {
                if users.contains(&entry.name) {
                    let name = &entry.name;
                    return Err(unusable(&format_args!(
                        "line {line}: there is a user {name:?} already"
                    )));
                }
                plain += usize::from(entry.add_to(&mut users));
            }
        }
        if plain > 0 {
            warnings.push(format!(
                "plain passwords: {plain}; replace each by a hash, which `resumed hash-password` prints"
            ));
        }
        Ok(users)
    }

    fn stamps(&self) -> Vec<Stamp> {
        let stamp = |path: &PathBuf| {
            let file = fs::metadata(path).ok()?;
            let bytes = (file.mtime(), file.mtime_nsec());
            let metadata = (file.ctime(), file.ctime_nsec());
            Some((file.dev(), file.ino(), file.size(), bytes, metadata))
        };
        self.files.iter().map(stamp).collect()
    }
}

impl UserFiles {
    /// Reads the users again after a change of a file. A change counts when two calls in a row see the same state: a file
    /// may be written in parts. After an error, each call reads them again, and returns only another result.
    pub(crate) fn changed(&mut self) -> Option<Result<Users, String>> {
        let now = self.flags.stamps();
        let is_settled = now == self.seen;
        self.seen.clone_from(&now);
        let is_read = now == self.read;
        if !is_settled || (is_read && self.error.is_none()) {
            return None;
        }
        self.read = now;
        let mut warnings = Vec::new();
        let users = self.flags.read(&mut warnings);
        let earlier = mem::replace(&mut self.error, users.as_ref().err().cloned());
        if is_read && earlier == self.error {
            return None;
        }
        warnings.iter().for_each(|warning| log::warn!("{warning}"));
        Some(users)
    }
}

impl Entry {
    /// Reads `NAME:PASSWORD` or `NAME:HASH`. The error contains neither.
    fn read(text: &str) -> Result<Entry, String> {
        let parts = text.split_once(':');
        let parts = parts.filter(|(name, secret)| !name.is_empty() && !secret.is_empty());
        let Some((name, secret)) = parts else {
            return Err("a user is NAME:PASSWORD or NAME:HASH, and no part may be empty".into());
        };
        let name = name.to_owned();
        let secret = if PasswordHash::is_likely(secret) {
            let hash = secret.parse().map_err(|error| format!("{error}"));
            Secret::Hash(hash?)
        } else {
            Secret::Plain(secret.to_owned())
        };
        Ok(Entry { name, secret })
    }

    /// Returns whether the password is plain.
    fn add_to(&self, users: &mut Users) -> bool {
        match &self.secret {
            Secret::Plain(password) => users.add(&self.name, password),
            Secret::Hash(hash) => users.add_hash(&self.name, hash.clone()),
        }
        matches!(self.secret, Secret::Plain(_))
    }
}

/// Returns the users of a file with one NAME:PASSWORD or NAME:HASH per line, and the numbers of their lines. Empty lines and
/// comments are allowed.
fn read_file(path: &Path, warnings: &mut Vec<String>) -> Result<Vec<(usize, Entry)>, String> {
    let text = read_private(path, warnings).map_err(|error| unreadable(&error))?;
    let mut entries = Vec::new();
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if !line.is_empty() && !line.starts_with('#') {
            let number = number + 1;
            let entry = Entry::read(line).map_err(|error| format!("line {number}: {error}"));
            entries.push((number, entry?));
        }
    }
    if entries.is_empty() {
        return Err("the file has no user; without users, every client could upload".into());
    }
    Ok(entries)
}

fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => {
            "there is no such file; `resumed hash-password NAME` prints a line for it".into()
        }
        _ => error.to_string(),
    }
}

/// Reads a file with passwords, and warns if other users of the machine can read or change it.
fn read_private(path: &Path, warnings: &mut Vec<String>) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode();
    if mode & OTHERS_READ_OR_WRITE != 0 {
        warnings.push(format!(
            "{} holds passwords or hashes, and other users of this machine can read or change it: chmod 600 {0}",
            path.display()
        ));
    }
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(path: &Path) -> UserFiles {
        let mut flags = UserFlags::default();
        let value = path.to_str().expect("text");
        flags.set("user-file", value).expect("a flag");
        let built = flags.build(&mut Vec::new()).expect("users");
        built.and_then(|(_, files)| files).expect("a file")
    }

    #[test]
    fn change_of_the_permissions_alone_is_seen() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("users");
        fs::write(&path, "ann:secret\n").expect("written");
        let mut files = files(&path);
        assert!(files.changed().is_none());
        // The clock of the file system may be coarse.
        while files.flags.stamps() == files.read {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
        }
        assert!(files.changed().is_none(), "not settled");
        assert!(matches!(files.changed(), Some(Ok(_))));
        assert!(files.changed().is_none());
    }

    #[test]
    fn file_is_read_again_after_an_error() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("users");
        fs::write(&path, "ann:secret\n").expect("written");
        let mut files = files(&path);
        files.error = Some("the disk has failed".into());
        assert!(matches!(files.changed(), Some(Ok(_))));
        assert!(files.changed().is_none());
        fs::write(&path, "ann\n").expect("written");
        assert!(files.changed().is_none(), "not settled");
        assert!(matches!(files.changed(), Some(Err(_))));
        assert!(files.changed().is_none(), "the same error is reported once");
    }
}
