//! Other spellings of a name that a file system refuses. They keep as much of the name as the file system allows.

use std::io;

use rustix::io::Errno;

use crate::store::fs::filename::{NAME_MAX, Name};

/// Maximum length of a name, in bytes. If a file system finds a name too long, the next value is tried. eCryptfs allows
/// 143 bytes, encfs about 170. Every file system allows the last value.
const LENGTHS: [usize; 3] = [NAME_MAX, 143, 64];

/// A way to spell names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spelling {
    characters: Characters,
    /// Index into `LENGTHS`.
    length: usize,
}

/// The characters that stay; the others become `_`.
#[derive(Debug, Clone, Copy)]
enum Characters {
    All,
    /// The portable ones.
    Portable,
    /// ASCII letters, digits and ` -_.()`.
    Plain,
}

/// A refusal of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The name is too long.
    TooLong,
    /// A character in the name is not allowed.
    Character,
    /// A refused name, a failing disk and a removed folder all give this error.
    Unclear,
}

impl Refusal {
    /// Finds the refusal by the errno; `None` if the error has another cause than the name.
    pub(crate) fn of(error: &io::Error) -> Option<Self> {
        match Errno::from_io_error(error)? {
            Errno::NAMETOOLONG => Some(Self::TooLong),
            Errno::INVAL | Errno::ILSEQ => Some(Self::Character),
            // exfat-fuse returns ENOENT; 9p and CIFS return one of the others, depending on the server.
            Errno::NOENT | Errno::IO | Errno::OPNOTSUPP => Some(Self::Unclear),
            _ => None,
        }
    }
}

impl Spelling {
    /// The unchanged name.
    pub(crate) const AS_IS: Self = Self {
        characters: Characters::All,
        length: 0,
    };

    /// Returns the next spelling, and `name` in that spelling; `None` if `name` has no other spelling.
    pub(crate) fn next(mut self, name: &Name, refusal: Refusal) -> Option<(Self, Name)> {
        let refused = self.spell(name);
        loop {
            self = match self.characters {
                Characters::All if refusal != Refusal::TooLong => Self {
                    characters: Characters::Portable,
                    ..self
                },
                Characters::Portable if refusal != Refusal::TooLong => Self {
                    characters: Characters::Plain,
                    ..self
                },
                _ if self.length + 1 < LENGTHS.len() => Self {
                    length: self.length + 1,
                    ..self
                },
                _ => return None,
            };
            let spelled = self.spell(name);
            if spelled != refused {
                return spelled.map(|spelled| (self, spelled));
            }
        }
    }

    fn spell(self, name: &Name) -> Option<Name> {
        let stays = |c: char| match self.characters {
            Characters::All => true,
            Characters::Portable => is_portable(c),
            Characters::Plain => is_plain(c),
        };
        name.spelled(stays, LENGTHS[self.length])
    }

    /// Returns the maximum length of a name in this spelling, in bytes.
    pub(crate) fn max_bytes(self) -> usize {
        LENGTHS[self.length]
    }
}

/// Returns whether Windows allows this character in a name. FAT, exFAT, NTFS and many file servers refuse the others.
pub(crate) fn is_portable(c: char) -> bool {
    !r#":*?"<>|"#.contains(c)
}

/// Returns whether every file system allows this character.
pub(crate) fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || " -_.()".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::id::Key;

    /// Returns the spellings of `wanted`, in the order in which they are tried.
    fn spellings(wanted: &str, refusal: Refusal) -> Vec<String> {
        let name = Name::new(Some(wanted), Key::of(b"", b"a"));
        let mut spelling = Spelling::AS_IS;
        let mut tried = vec![name.as_str().to_owned()];
        while let Some((next, spelled)) = spelling.next(&name, refusal) {
            spelling = next;
            tried.push(spelled.as_str().to_owned());
        }
        tried
    }

    #[test]
    fn refused_character_is_replaced_before_others() {
        assert_eq!(
            spellings("a: \"日\"?.jpg", Refusal::Character),
            ["a: \"日\"?.jpg", "a_ _日__.jpg", "a_ ____.jpg"]
        );
        assert_eq!(spellings("日.jpg", Refusal::Unclear), ["日.jpg", "_.jpg"]);
        assert_eq!(spellings("a.jpg", Refusal::Character), ["a.jpg"]);
    }

    #[test]
    fn too_long_name_is_shortened_and_keeps_its_extension() {
        let tried = spellings(&format!("{}:.jpg", "日".repeat(80)), Refusal::TooLong);
        let lengths: Vec<_> = tried.iter().map(String::len).collect();
        assert_eq!(lengths, [245, 142, 64]);
        assert!(tried.iter().all(|name| name.ends_with(".jpg")));
        assert_eq!(spellings("a:.jpg", Refusal::TooLong), ["a:.jpg"]);
    }

    #[test]
    fn long_name_with_refused_characters_is_replaced_then_shortened() {
        let tried = spellings(&format!("{}.jpg", "é".repeat(120)), Refusal::Character);
        let lengths: Vec<_> = tried.iter().map(String::len).collect();
        assert_eq!(lengths, [244, 124, 64]);
        assert!(tried[1].starts_with("____"));
    }
}
