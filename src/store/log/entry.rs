//! The entries of a segment, one on each line.

use std::io::{self, BufRead};

use crate::store::id::Key;

const KEY_DIGITS: usize = 32;

/// A record, or a tombstone: the record of its key no longer counts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry<'t> {
    pub(crate) key: Key,
    /// `None` in a tombstone.
    pub(crate) record: Option<&'t [u8]>,
}

impl<'t> Entry<'t> {
    /// Returns the line of the entry. A record is JSON without line breaks.
    pub(crate) fn line(&self) -> Vec<u8> {
        let key = self.key.digits();
        match self.record {
            Some(record) => [&key, &b" "[..], record, b"\n"].concat(),
            None => [&key[..], b"\n"].concat(),
        }
    }

    /// Parses a line. `None` if the line is torn, or not an entry.
    pub(crate) fn parse(line: &'t [u8]) -> Option<Self> {
        let (key, rest) = line.strip_suffix(b"\n")?.split_at_checked(KEY_DIGITS)?;
        let key = Key::parse(std::str::from_utf8(key).ok()?)?;
        let record = match rest {
            [] => None,
            [b' ', record @ ..] => Some(record),
            _ => return None,
        };
        Some(Self { key, record })
    }
}

/// Passes each entry to `visit`, with the offset of its line. Skips lines that are not entries.
pub(crate) fn scan(
    mut lines: impl BufRead,
    mut visit: impl FnMut(u64, Entry<'_>),
) -> io::Result<()> {
    let (mut line, mut offset) = (Vec::new(), 0);
    while lines.read_until(b'\n', &mut line)? > 0 {
        if let Some(entry) = Entry::parse(&line) {
            visit(offset, entry);
        }
        offset += line.len() as u64;
        line.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(text: &[u8]) -> Vec<(u64, Key, Option<Vec<u8>>)> {
        let mut entries = Vec::new();
        scan(text, |offset, entry| {
            entries.push((offset, entry.key, entry.record.map(<[u8]>::to_vec)));
        })
        .unwrap();
        entries
    }

    #[test]
    fn scan_skips_torn_and_foreign_lines() {
        let [one, two, three] = [b"one", b"two", b"3rd"].map(|id| Key::of(b"", id));
        let mut text = b"not an entry\n\0\0\0\0\n".to_vec();
        let mut expected = Vec::new();
        for (key, record) in [(one, Some(&b"{\"v\":1}"[..])), (two, None)] {
            expected.push((text.len() as u64, key, record.map(<[u8]>::to_vec)));
            text.extend(Entry { key, record }.line());
            text.extend(format!("{one}x\n\n").as_bytes());
        }
        let before = text.len();
        let record = Some(&b"{}"[..]);
        text.extend(Entry { key: three, record }.line());
        assert_eq!(entries(&text).len(), 3);
        for torn in before..text.len() {
            assert_eq!(entries(&text[..torn]), expected);
        }
    }
}
