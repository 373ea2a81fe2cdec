//! The path of a file, made of the name that its client declared.

use crate::store::fs::filename::{FOLDERS_MAX, Name};
use crate::store::fs::user_dir::UserDir;
use crate::store::id::Key;

/// Maximum length of the path of a finished file, in bytes: `PATH_MAX` of Linux without the NUL byte. A file can get a
/// longer path, but hooks and other programs cannot open it.
const PATH_MAX: usize = 4095;

/// Bytes that are added to a name at most if it is taken: ` (01234567)`.
const SUFFIX_MAX: usize = 11;

/// The folders and the name that a client wants for its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The folder of the user, around the others. `None`: users have no folders.
    pub(crate) user_dir: Option<UserDir>,
    /// One in the other, the outermost first.
    pub(crate) folders: Vec<Name>,
    pub(crate) name: Name,
}

impl Wanted {
    /// A path with parts that are no folder names, such as `..`, becomes one name. The path of the directory has
    /// `dir_bytes`; a path that is too long with it loses its folders.
    pub(crate) fn new(
        user_dir: Option<UserDir>,
        wanted: Option<&str>,
        key: Key,
        dir_bytes: usize,
    ) -> Self {
        let mut inside = Self::inside(user_dir, wanted, key);
        if !inside.fits(dir_bytes) {
            inside.folders.clear();
        }
        if !inside.fits(dir_bytes) {
            inside.name = inside.name.neutral(key);
        }
        inside
    }

    /// Returns the path below the directory, with `/` between its parts.
    pub(crate) fn path(&self) -> String {
        let user_dir = self.user_dir.iter().map(UserDir::name);
        let names = user_dir.chain(&self.folders).chain([&self.name]);
        names.map(Name::as_str).collect::<Vec<_>>().join("/")
    }

    pub(crate) fn has_folder(&self) -> bool {
        self.user_dir.is_some() || !self.folders.is_empty()
    }

    pub(crate) fn folder_count(&self) -> usize {
        usize::from(self.user_dir.is_some()) + self.folders.len()
    }

    /// Returns whether the path fits into `PATH_MAX`, even if each of its names is taken and grows.
    fn fits(&self, dir_bytes: usize) -> bool {
        let names = self.folders.iter().chain([&self.name]);
        let bytes: usize = names
            .map(|name| "/".len() + name.as_str().len() + SUFFIX_MAX)
            .sum();
        let user_dir = self.user_dir.as_ref();
        let user_bytes = user_dir.map_or(0, |dir| "/".len() + dir.name().as_str().len());
        dir_bytes + user_bytes + bytes <= PATH_MAX
    }

    fn inside(user_dir: Option<UserDir>, wanted: Option<&str>, key: Key) -> Self {
        let folders_max = FOLDERS_MAX - usize::from(user_dir.is_some());
        let parts: Vec<_> = wanted.unwrap_or_default().split('/').collect();
        let leads_down = parts.iter().all(|part| !matches!(*part, "" | "." | ".."));
        let (folders, name) = match parts.split_last() {
            Some((name, folders)) if leads_down && folders.len() <= folders_max => {
                (folders, Some(*name))
            }
            _ => (&[][..], wanted),
        };
        Self {
            user_dir,
            folders: folders.iter().map(|part| Name::of_folder(part)).collect(),
            name: Name::new(name, key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fs::filename::FilePath;

    fn key() -> Key {
        Key::parse("0123456789abcdef0123456789abcdef").unwrap()
    }

    fn put(wanted: &str) -> String {
        put_below(wanted, 0)
    }

    fn put_below(wanted: &str, dir_bytes: usize) -> String {
        Wanted::new(None, Some(wanted), key(), dir_bytes).path()
    }

    #[test]
    fn path_leads_down_or_becomes_a_name() {
        let deep = "d/".repeat(FOLDERS_MAX) + "a";
        let (deeper, flat) = (format!("d/{deep}"), "d_".repeat(FOLDERS_MAX + 1) + "a");
        let (long, cut) = ("x".repeat(300) + "/a", "x".repeat(255) + "/a");
        for (wanted, path) in [
            ("a.jpg", "a.jpg"),
            ("trip/day 1/a.jpg", "trip/day 1/a.jpg"),
            (".git/config", "_git/config"),
            (".resumed/lock", "_resumed/lock"),
            ("con/a\\b", "_con/a_b"),
            ("... /...", "_/upload-01234567"),
            ("a/./b", "a_._b"),
            ("a/../../b", "a_.._.._b"),
            ("/etc/passwd", "_etc_passwd"),
            ("a//b", "a__b"),
            ("a/", "a_"),
            (&deep, &deep),
            (&deeper, &flat),
            (&long, &cut),
        ] {
            assert_eq!(put(wanted), path, "{wanted:?}");
        }
    }

    #[test]
    fn path_beyond_the_longest_loses_its_folders() {
        let folder = "d".repeat(240) + "/";
        let path = folder.repeat(16) + "a.mp4";
        // Each of the 17 names may grow, and one more "/" is at the start.
        let most = PATH_MAX - path.len() - 1 - 17 * SUFFIX_MAX;
        assert_eq!(put_below(&path, most), path);
        assert_eq!(put_below(&path, most + 1), "a.mp4");
        let long = "x".repeat(200) + ".mp4";
        assert_eq!(put_below(&long, 4000), "upload-01234567.mp4");
    }

    #[test]
    fn path_of_a_user_stays_in_the_folder_of_the_user() {
        let put = |wanted: &str, dir_bytes| {
            let ann = UserDir::of(b"ann");
            Wanted::new(ann, Some(wanted), key(), dir_bytes).path()
        };
        let deepest = "d/".repeat(FOLDERS_MAX - 1) + "a";
        let flat = "d_".repeat(FOLDERS_MAX) + "a";
        for (wanted, path) in [
            ("a.txt", "ann/a.txt"),
            ("trip/a.txt", "ann/trip/a.txt"),
            ("../bob/a.txt", "ann/___bob_a.txt"),
            ("/bob/a.txt", "ann/_bob_a.txt"),
            ("", "ann/upload-01234567"),
            (&deepest, &*format!("ann/{deepest}")),
            (&*format!("d/{deepest}"), &*format!("ann/{flat}")),
        ] {
            assert_eq!(put(wanted, 0), path);
            assert!(FilePath::parse(path).is_some(), "a record with it is read");
        }
        let most = PATH_MAX - "/ann/d/a".len() - 2 * SUFFIX_MAX;
        assert_eq!(put("d/a", most), "ann/d/a");
        assert_eq!(put("d/a", most + 1), "ann/a");
    }
}
