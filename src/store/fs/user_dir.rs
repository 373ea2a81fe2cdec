//! The folders of users: with [`Options::user_dirs`](crate::store::Options::user_dirs), `DIR/<user>/` has the files of a
//! user.

use std::collections::HashMap;

use crate::store::error::UserDirClash;
use crate::store::fs::filename::{NAME_MAX, Name, is_invisible};
use crate::store::fs::spelling::is_portable;

/// The folder of a user. Its name depends on the name of the user only: there is no second spelling, and no number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UserDir(Name);

impl UserDir {
    /// Returns the folder of an owner. `None` for the empty owner: nobody logs in.
    pub(crate) fn of(owner: &[u8]) -> Option<Self> {
        if owner.is_empty() {
            return None;
        }
        let name = Name::of_folder(&String::from_utf8_lossy(owner));
        let portable = name.spelled(is_portable, NAME_MAX);
        Some(Self(portable.unwrap_or(name)))
    }

    pub(crate) fn name(&self) -> &Name {
        &self.0
    }

    /// Returns the part of a path below the directory that is inside the folder; the whole path if it is outside.
    pub(crate) fn inside<'p>(&self, path: &'p str) -> &'p str {
        let inside = path.strip_prefix(self.0.as_str());
        inside
            .and_then(|rest| rest.strip_prefix('/'))
            .unwrap_or(path)
    }

    /// Returns a text that is equal for names which some file system takes for the same one.
    fn folded(&self) -> String {
        let seen = self.0.as_str().chars().filter(|c| !is_invisible(*c));
        // Upper case first: `ß` and `SS` are one name to a case-folding file system.
        let upper = seen.flat_map(char::to_uppercase);
        upper.flat_map(char::to_lowercase).collect()
    }
}

/// Checks that no two users would share a folder with [`Options::user_dirs`](crate::store::Options::user_dirs), also on a
/// file system that ignores case. A name may occur twice.
///
/// # Errors
/// The first clash.
pub fn check_user_dirs<'u>(users: impl IntoIterator<Item = &'u str>) -> Result<(), UserDirClash> {
    let mut folders = HashMap::new();
    for user in users {
        let Some(folder) = UserDir::of(user.as_bytes()) else {
            continue;
        };
        let (first, name) = folders
            .entry(folder.folded())
            .or_insert_with(|| (user, folder.0));
        if *first != user {
            return Err(UserDirClash {
                first: (*first).to_owned(),
                second: user.to_owned(),
                folder: name.as_str().to_owned(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fs::filename::FilePath;

    fn folder(user: &str) -> String {
        UserDir::of(user.as_bytes()).unwrap().0.as_str().to_owned()
    }

    #[test]
    fn folder_of_any_user_is_one_safe_name() {
        let long = "x".repeat(300);
        for (user, name) in [
            ("ann", "ann"),
            ("Käthe 日本", "Käthe 日本"),
            ("ann@example.org", "ann@example.org"),
            ("..", "_"),
            (".", "_"),
            (" ", "_"),
            ("/", "_"),
            ("../bob", "___bob"),
            ("../../etc", "___.._etc"),
            ("a/b", "a_b"),
            ("a\\b", "a_b"),
            ("a:b*?\"<>|", "a_b______"),
            (".resumed", "_resumed"),
            ("\u{200b}.resumed", "_.resumed"),
            (".Resumed.", "_Resumed"),
            ("a\0\nb\u{7f}", "a__b_"),
            ("con", "_con"),
            ("a.", "a"),
            (&long, &long[..255]),
        ] {
            assert_eq!(folder(user), name, "{user:?}");
            assert!(
                FilePath::parse(&format!("{name}/a")).is_some(),
                "a record with {name:?} is read"
            );
        }
        assert_eq!(UserDir::of(b""), None);
        assert_eq!(UserDir::of(b"a\xff").unwrap().0.as_str(), "a\u{fffd}");
    }

    #[test]
    fn path_inside_the_folder_has_no_user() {
        let ann = UserDir::of(b"ann").unwrap();
        for (path, inside) in [
            ("ann/trip/a.txt", "trip/a.txt"),
            ("ann/ann/a", "ann/a"),
            ("anna/a", "anna/a"),
            ("ann", "ann"),
            ("a.txt", "a.txt"),
        ] {
            assert_eq!(ann.inside(path), inside);
        }
    }

    #[test]
    fn users_of_one_folder_clash() {
        for (first, second) in [
            ("Ann", "ann"),
            ("a:b", "a_b"),
            ("a*b", "A?B"),
            ("ann", "ann."),
            ("ann", "ann "),
            (".ann", "_ann"),
            ("..", "."),
            ("straße", "STRASSE"),
            ("Σ", "ς"),
            ("a\u{200d}b", "ab"),
            ("con", "_con"),
        ] {
            let clash = check_user_dirs(["x", first, "y", second]).unwrap_err();
            assert_eq!((&*clash.first, &*clash.second), (first, second));
            let shown = clash.to_string();
            assert!(shown.contains(&format!("{first:?} and {second:?}")));
        }
    }

    #[test]
    fn users_of_different_folders_do_not_clash() {
        let users = ["ann", "bob", "ann", "anna", "ann (1)", "王", "李", "", ""];
        assert_eq!(check_user_dirs(users), Ok(()));
    }
}
