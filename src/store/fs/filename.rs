//! Published names: the harmless form of a declared name, and the candidates if the name is taken.

use std::iter;
use std::ops::Deref;

use sha2::{Digest as _, Sha256};

use crate::store::id::{Key, draw};

/// Maximum length of a name in bytes, on Linux file systems.
pub(crate) const NAME_MAX: usize = 255;

/// Longest extension kept when a name is shortened, in bytes with its dot. A longer one is no extension.
const EXTENSION_MAX: usize = 32;

/// The maximum depth of folders. A deeper file gets a name made of its path.
pub(crate) const FOLDERS_MAX: usize = 32;

/// Numbered names tried beside a taken one: `name (1).ext` to `name (8).ext`.
const NUMBERED: u32 = 8;

/// Names tried after those, each with eight hexadecimal digits. In a folder of a million files, one in 4,000 is taken.
const DRAWN: u32 = 16;

/// A harmless file name: no path, not hidden, and no device name of Windows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name(String);

impl Name {
    /// Returns the harmless form of a declared name; `upload-<key8>` if the name is missing or empty.
    pub(crate) fn new(wanted: Option<&str>, key: Key) -> Self {
        let name = wanted.and_then(Self::harmless);
        name.unwrap_or_else(|| Self(neutral(key)))
    }

    /// Returns the name of a folder. The result depends on `wanted` alone, so that all files get the same folder.
    pub(crate) fn of_folder(wanted: &str) -> Self {
        Self::harmless(wanted).unwrap_or_else(|| Self("_".to_owned()))
    }

    /// Returns the harmless form; `None` if no character is left.
    fn harmless(wanted: &str) -> Option<Self> {
        let name = visible(wanted);
        let name = name.trim_end_matches(['.', ' ']);
        let visible = name.trim_start_matches('.');
        let mut name = Self("_".repeat(name.len() - visible.len()) + visible).shortened();
        if is_device(&name.0) {
            name = Self(format!("_{}", name.0)).shortened();
        }
        (!name.0.is_empty()).then_some(name)
    }

    /// Shortens the name to 255 bytes, and removes dots and spaces at its end.
    fn shortened(mut self) -> Self {
        if self.0.len() > NAME_MAX {
            self.0 = self.with_suffix("", NAME_MAX);
        }
        let end = self.0.trim_end_matches(['.', ' ']).len();
        self.0.truncate(end);
        self
    }

    /// Returns the name for a file whose name the file system refuses: `upload-<key8>.<ext>`.
    pub(crate) fn neutral(&self, key: Key) -> Self {
        let extension = self.split().1;
        let plain = extension.chars().skip(1).all(|c| c.is_ascii_alphanumeric());
        Self(neutral(key) + if plain { extension } else { "" })
    }

    /// Returns the name in at most `max` bytes, with `_` for each character that may not stay. `None`: nothing is left.
    pub(crate) fn spelled(&self, stays: impl Fn(char) -> bool, max: usize) -> Option<Self> {
        let name = Self(self.0.replace(|c| !stays(c), "_"));
        let short = name.with_suffix("", max);
        // The cut name may be that of a device, or end with a space.
        let harmless = Self::harmless(&short)?;
        Self::harmless(&harmless.with_suffix("", max))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name itself, then `name (1).ext` to `name (8).ext`, then names such as `name (5f0c3a91).ext` with
    /// digits drawn at random. Each has at most `max` bytes.
    ///
    /// The number of names is small: in a folder with thousands of files of one name, each lookup costs time.
    pub(crate) fn candidates(&self, max: usize) -> impl Iterator<Item = String> {
        self.numbered(max)
            .chain((0..DRAWN).map(move |_| self.with_digits(draw(), max)))
    }

    /// Does the same for a folder. The digits are computed from its name, so that all its files get the same folder.
    pub(crate) fn folder_candidates(&self, max: usize) -> impl Iterator<Item = String> {
        let hashed = (0..DRAWN).map(move |n| {
            let hash = Sha256::new().chain_update(n.to_be_bytes());
            let hash: [u8; 32] = hash.chain_update(&self.0).finalize().into();
            let digits = |digits, byte: &u8| digits << 8 | u64::from(*byte);
            self.with_digits(hash.iter().fold(0, digits), max)
        });
        self.numbered(max)
            .chain(hashed)
            .chain((0..DRAWN).map(move |_| self.with_digits(draw(), max)))
    }

    fn numbered(&self, max: usize) -> impl Iterator<Item = String> {
        let numbered = (1..=NUMBERED).map(move |n| self.with_suffix(&format!(" ({n})"), max));
        iter::once(self.0.clone()).chain(numbered)
    }

    fn with_digits(&self, digits: u64, max: usize) -> String {
        self.with_suffix(&format!(" ({:08x})", digits as u32), max)
    }

    /// Puts `suffix` before the extension. Shortens the stem if the name has more than `max` bytes.
    fn with_suffix(&self, suffix: &str, max: usize) -> String {
        let (stem, extension) = self.split();
        let room = max - suffix.len() - extension.len();
        // A joiner has no effect at the end of a cut name.
        let stem = cut(stem, room).trim_end_matches(is_joiner);
        format!("{stem}{suffix}{extension}")
    }

    /// Returns stem and extension. The extension is empty or begins with its dot.
    fn split(&self) -> (&str, &str) {
        match self.0.rfind('.') {
            Some(dot) if dot > 0 && self.0.len() - dot <= EXTENSION_MAX => self.0.split_at(dot),
            _ => (&self.0, ""),
        }
    }
}

/// The path of a finished file below the directory: names of folders and of the file, separated by `/`.
///
/// Each name in it obeys the rules for names of clients. So no path leads out of the directory or into `.resumed`, also
/// if the path was read from a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FilePath(Box<str>);

impl FilePath {
    /// Reads a path from a record; `None` if no server gives such a path to a file.
    ///
    /// Invisible characters are accepted: an earlier version kept them in names.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let is_name = |part: &str| {
            let part: String = part.chars().filter(|c| !is_invisible(*c)).collect();
            Name::harmless(&part).is_some_and(|name| name.0 == part)
        };
        let is_path = path.split('/').count() <= FOLDERS_MAX + 1 && path.split('/').all(is_name);
        is_path.then(|| Self(path.into()))
    }

    /// Returns the folders of the path, separated by `/`; empty without folders.
    pub(crate) fn folders(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(folders, _)| folders)
    }

    /// Returns the path of the file `name` in `folder`, which is empty or ends with `/`.
    pub(crate) fn in_folder(folder: &str, name: &str) -> Self {
        let path = Self([folder, name].concat().into());
        debug_assert!(Self::parse(&path).is_some(), "{path:?}");
        path
    }
}

impl Deref for FilePath {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Returns the whole characters of `text` that fit into `room` bytes.
fn cut(text: &str, room: usize) -> &str {
    let ends = text.char_indices().map(|(start, c)| start + c.len_utf8());
    &text[..ends
        .take_while(|end| *end <= room)
        .last()
        .unwrap_or_default()]
}

fn neutral(key: Key) -> String {
    format!("upload-{:.8}", key.to_string())
}

/// Replaces each character that cannot be in a name. A joiner between two visible characters stays, and so does a
/// variation selector after one: Persian words and emoji need them.
fn visible(wanted: &str) -> String {
    let mut name = String::with_capacity(wanted.len());
    let mut rest = wanted.chars();
    while let Some(c) = rest.next() {
        let (before, after) = (name.chars().next_back(), rest.clone().next());
        let stays = match c {
            c if is_joiner(c) => {
                before.is_some_and(|c| shows(c) || is_selector(c)) && after.is_some_and(shows)
            }
            c if is_selector(c) => before.is_some_and(shows),
            c => !is_unsafe(c),
        };
        name.push(if stays { c } else { '_' });
    }
    name
}

/// Returns whether a joiner or a variation selector may stand beside this character.
fn shows(c: char) -> bool {
    !is_unsafe(c) && !matches!(c, '.' | ' ')
}

/// ZERO WIDTH NON-JOINER and ZERO WIDTH JOINER.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

/// The property Variation_Selector of Unicode 16.
fn is_selector(c: char) -> bool {
    matches!(c, '\u{180b}'..='\u{180d}' | '\u{180f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Returns whether this is a separator, a control character, or an invisible character.
fn is_unsafe(c: char) -> bool {
    matches!(c, '/' | '\\') || c.is_control() || is_invisible(c)
}

/// Returns whether a character is invisible or changes the direction of text: Default_Ignorable_Code_Point of Unicode
/// 16, the separators of lines and paragraphs, and the marks of annotations.
///
/// Such a character makes a name look like another (`exe.gpj`). A case-folding file system ignores some of them, and
/// opens another file.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Returns whether Windows takes the name for a device, with any extension: the directory may be shared with Windows.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    let Some((start, rest)) = stem.split_at_checked(3) else {
        return false;
    };
    let is_one_of = |devices: &[&str]| devices.iter().any(|of| start.eq_ignore_ascii_case(of));
    match rest.as_bytes() {
        [] => is_one_of(&["CON", "PRN", "AUX", "NUL"]),
        [b'1'..=b'9'] => is_one_of(&["COM", "LPT"]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key::parse("0123456789abcdef0123456789abcdef").unwrap()
    }

    fn named(wanted: &str) -> String {
        Name::new(Some(wanted), key()).0
    }

    #[test]
    fn table() {
        for (wanted, name) in [
            ("holiday.mp4", "holiday.mp4"),
            ("Käse & 日本.tar.gz", "Käse & 日本.tar.gz"),
            ("../../etc/passwd", "___.._etc_passwd"),
            ("C:\\temp\\x", "C:_temp_x"),
            (".bashrc", "_bashrc"),
            ("..", "upload-01234567"),
            ("...x", "___x"),
            (" . . ", "upload-01234567"),
            ("", "upload-01234567"),
            ("a. .", "a"),
            ("a\0b\nc\u{7f}d\u{85}e", "a_b_c_d_e"),
            ("photo\u{202e}gpj.exe", "photo_gpj.exe"),
            ("con", "_con"),
            ("Nul.txt", "_Nul.txt"),
            ("AUX .tar.gz", "_AUX .tar.gz"),
            ("com1", "_com1"),
            ("LPT9.x", "_LPT9.x"),
            ("com0", "com0"),
            ("com10", "com10"),
            ("console", "console"),
        ] {
            assert_eq!(named(wanted), name, "{wanted:?}");
        }
        assert_eq!(Name::new(None, key()).0, "upload-01234567");
    }

    #[test]
    fn invisible_characters_in_names_are_replaced() {
        for (wanted, name) in [
            ("\u{200b}.resumed", "_.resumed"),
            ("\u{ad}.resumed", "_.resumed"),
            ("\u{200d}.resumed", "_.resumed"),
            ("\u{fe0f}.resumed", "_.resumed"),
            ("a\u{2028}b\u{2029}c", "a_b_c"),
            ("\u{2066}a\u{2069}", "_a_"),
            ("a\u{200b}b\u{feff}c\u{3164}d\u{e0041}e", "a_b_c_d_e"),
            ("a\u{200d}", "a_"),
            ("a\u{200c}.txt", "a_.txt"),
            ("a.\u{fe0f}txt", "a._txt"),
            ("a\u{200d}\u{200d}b", "a_\u{200d}b"),
            ("a\u{fe0f}\u{fe0f}", "a\u{fe0f}_"),
            (".\u{200d}x", "__x"),
        ] {
            assert_eq!(named(wanted), name, "{wanted:?}");
        }
    }

    #[test]
    fn joiners_and_selectors_inside_a_name_stay() {
        for name in [
            "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}.jpg",
            "\u{2764}\u{fe0f}\u{200d}\u{1f525}.jpg",
            "\u{2764}\u{fe0f}",
            "\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{647}\u{645}.txt",
            "\u{845b}\u{e0100}.txt",
            "\u{1820}\u{180b}.txt",
        ] {
            assert_eq!(named(name), name, "{name:?}");
        }
        let cut = named(&format!("{}\u{200d}\u{1f525}", "a".repeat(252)));
        assert_eq!(cut, "a".repeat(252), "no joiner is left at the end");
    }

    #[test]
    fn only_a_path_that_obeys_the_name_rules_is_read() {
        let deep = "d/".repeat(FOLDERS_MAX) + "a";
        for path in [
            "a",
            "trip/day 1/a (1).jpg",
            "_resumed/lock",
            "\u{2764}\u{fe0f}/a",
            &deep,
        ] {
            assert_eq!(FilePath::parse(path).as_deref(), Some(path));
        }
        let (deeper, long) = ("d/".to_owned() + &deep, "x".repeat(256));
        for path in [
            "",
            ".",
            "..",
            "../a",
            "a/../b",
            "a/./b",
            "/a",
            "a/",
            "a//b",
            ".resumed/lock",
            "a/.resumed/b",
            ".a",
            "a\\b",
            "a\nb",
            "a\0",
            "con",
            "a ",
            "\u{200b}.resumed/a",
            &deeper,
            &long,
        ] {
            assert_eq!(FilePath::parse(path), None, "{path:?}");
        }
        for of_earlier_version in ["a\u{200b}b.txt", "a\u{202e}b/c"] {
            assert!(FilePath::parse(of_earlier_version).is_some());
        }
    }

    #[test]
    fn long_names_keep_their_extension_and_end_on_a_character() {
        let exact = format!("{}.mp4", "a".repeat(251));
        assert_eq!(named(&exact), exact);
        assert_eq!(named(&format!("{}.mp4", "a".repeat(300))), exact);
        let wide = named(&format!("{}.mp4", "日".repeat(100)));
        assert_eq!(wide, format!("{}.mp4", "日".repeat(83)));
        assert_eq!(named(&format!("a.{}", "b".repeat(300))).len(), NAME_MAX);
        let longest = Name::new(Some(&"日".repeat(100)), key())
            .candidates(NAME_MAX)
            .last()
            .unwrap();
        assert!(
            longest.len() <= NAME_MAX && longest.ends_with(')') && longest.contains("日 ("),
            "{longest}"
        );
    }

    #[test]
    fn shortened_name_is_harmless() {
        let cut = |start: &str, fill: &str| named(&format!("{start}{}end", fill.repeat(300)));
        assert_eq!(cut("a", " "), "a");
        assert_eq!(cut("con", " "), "_con");
        assert_eq!(cut("", " "), "upload-01234567");
        let device = cut("con.", "d");
        assert!(device.starts_with("_con.d") && device.len() == NAME_MAX);
    }

    #[test]
    fn number_goes_before_the_extension() {
        let names: Vec<_> = Name::new(Some("a.tar.gz"), key())
            .candidates(NAME_MAX)
            .take(3)
            .collect();
        assert_eq!(names, ["a.tar.gz", "a.tar (1).gz", "a.tar (2).gz"]);
        let names: Vec<_> = Name::new(Some("README"), key())
            .candidates(NAME_MAX)
            .take(2)
            .collect();
        assert_eq!(names, ["README", "README (1)"]);
    }

    #[test]
    fn names_after_the_numbered_ones_differ_at_each_draw() {
        let name = Name::new(Some("a.jpg"), key());
        let drawn = || name.candidates(NAME_MAX).nth(9).unwrap();
        assert_eq!(name.candidates(NAME_MAX).nth(8).unwrap(), "a (8).jpg");
        assert_eq!(drawn().len(), "a (01234567).jpg".len());
        assert_ne!(drawn(), drawn());
        let folder = || {
            name.folder_candidates(NAME_MAX)
                .skip(9)
                .take(16)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            folder(),
            folder(),
            "all files of a folder find the same one"
        );
        assert_ne!(folder()[0], folder()[1]);
    }

    #[test]
    fn neutral_name_keeps_a_plain_extension() {
        let neutral = |wanted| Name::new(Some(wanted), key()).neutral(key()).0;
        assert_eq!(neutral("a:b.mp4"), "upload-01234567.mp4");
        assert_eq!(neutral("a.m:4"), "upload-01234567");
        assert_eq!(neutral("a:b"), "upload-01234567");
    }
}
