//! A page of the journal: a file of lines, to which lines are added.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::io::{pread, pwrite};

use crate::store::id::Key;

/// A page that is longer is added to no more: 8 MiB, some 30,000 lines.
const FULL_BYTES: u64 = 8 << 20;

/// How long a key is in text.
const KEY_LETTERS: usize = 32;

/// How much is read at once of a line (nearly all are shorter), and of a page.
const LINE_READ_BYTES: usize = 1024;
const PAGE_READ_BYTES: usize = 64 * 1024;

/// What a page says about an upload.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line<'t> {
    /// Where it is in its text, or page.
    pub(crate) at: u64,
    pub(crate) key: Key,
    /// `None`: it is forgotten.
    pub(crate) record: Option<&'t [u8]>,
}

impl<'t> Line<'t> {
    /// Adds it to `text`. A record is JSON without line breaks.
    pub(crate) fn write(&self, text: &mut Vec<u8>) {
        text.reserve(KEY_LETTERS + 2 + self.record.map_or(0, <[u8]>::len));
        text.extend_from_slice(&self.key.digits());
        if let Some(record) = self.record {
            text.push(b' ');
            text.extend_from_slice(record);
        }
        text.push(b'\n');
    }

    /// Those in `text`, in order. What is none is passed over, and so is one that was cut.
    pub(crate) fn all_in(text: &'t [u8]) -> impl Iterator<Item = Line<'t>> {
        let mut end = 0;
        let lines = text.split_inclusive(|&byte| byte == b'\n');
        lines.filter_map(move |line| {
            let at = end;
            end += line.len() as u64;
            Line::parse(at, line.strip_suffix(b"\n")?)
        })
    }

    fn parse(at: u64, line: &'t [u8]) -> Option<Line<'t>> {
        let (key, rest) = line.split_at_checked(KEY_LETTERS)?;
        let key = Key::parse(std::str::from_utf8(key).ok()?)?;
        let record = match rest {
            [] => None,
            [b' ', record @ ..] => Some(record),
            _ => return None,
        };
        Some(Line { at, key, record })
    }
}

/// The page that is added to.
pub(crate) struct Page {
    pub(crate) number: u32,
    pub(crate) file: Arc<OwnedFd>,
    /// Where the next line goes. What lies beyond is left of one that could not be written.
    pub(crate) end: u64,
    pub(crate) synced: u64,
    /// Whether its name is synced.
    pub(crate) listed: bool,
    begun: SystemTime,
}

impl Page {
    pub(crate) fn new(number: u32, file: OwnedFd) -> Page {
        Page {
            number,
            file: Arc::new(file),
            end: 0,
            synced: 0,
            listed: false,
            begun: SystemTime::now(),
        }
    }

    /// Adds whole lines.
    pub(crate) fn add(&mut self, lines: &[u8]) -> io::Result<()> {
        let mut at = self.end;
        let mut rest = lines;
        while !rest.is_empty() {
            match pwrite(&self.file, rest, at)? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => (at, rest) = (at + count as u64, &rest[count..]),
            }
        }
        self.end = at;
        Ok(())
    }

    pub(crate) fn is_full(&self) -> bool {
        self.end >= FULL_BYTES
    }

    /// Whether it was begun more than `age` before `now`.
    pub(crate) fn is_older(&self, age: Duration, now: SystemTime) -> bool {
        let since = now.duration_since(self.begun);
        since.is_ok_and(|since| since > age)
    }
}

/// Shows the lines of a page from `from` on, where one begins.
pub(crate) fn each_line(
    page: impl AsFd,
    from: u64,
    mut see: impl FnMut(Line<'_>),
) -> io::Result<()> {
    let (mut text, mut at, mut buffer) = (Vec::new(), from, vec![0; PAGE_READ_BYTES]);
    loop {
        let count = pread(&page, &mut buffer, at + text.len() as u64)?;
        text.extend_from_slice(&buffer[..count]);
        let last = text.iter().rposition(|&byte| byte == b'\n');
        let whole = last.map_or(0, |last| last + 1);
        for line in Line::all_in(&text[..whole]) {
            let at = at + line.at;
            see(Line { at, ..line });
        }
        text.drain(..whole);
        at += whole as u64;
        if count == 0 {
            return Ok(());
        }
    }
}

/// The record in the line at `at`, if it is one about `key`.
pub(crate) fn read_record(page: impl AsFd, at: u64, key: Key) -> io::Result<Option<Vec<u8>>> {
    let (mut text, mut buffer) = (Vec::new(), [0; LINE_READ_BYTES]);
    while !text.contains(&b'\n') {
        match pread(&page, &mut buffer, at + text.len() as u64)? {
            0 => break,
            count => text.extend_from_slice(&buffer[..count]),
        }
    }
    let first = Line::all_in(&text).next();
    let record = first.filter(|line| line.at == 0 && line.key == key);
    Ok(record.and_then(|line| line.record).map(<[u8]>::to_vec))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_were_written_and_what_is_none_is_passed_over() {
        let [one, two, three] = [b"one", b"two", b"3rd"].map(|id| Key::of(b"", id));
        let line = |text: &mut Vec<u8>, key, record: Option<&'static str>| {
            let (at, record) = (text.len() as u64, record.map(str::as_bytes));
            Line { at, key, record }.write(text);
            Line { at, key, record }
        };
        let mut text = b"not a line\n\0\0\0\0\n".to_vec();
        let first = line(&mut text, one, Some("{\"v\":1}"));
        text.extend_from_slice(format!("{one}x\n\n").as_bytes());
        let second = line(&mut text, two, None);
        let both = text.len();
        line(&mut text, three, Some("{}"));
        assert_eq!(Line::all_in(&text).count(), 3);
        for cut in both..text.len() {
            let mut read = Line::all_in(&text[..cut]);
            assert_eq!(read.next().as_ref(), Some(&first));
            assert_eq!(read.next().as_ref(), Some(&second));
            assert_eq!(read.next(), None);
        }
    }

    #[test]
    fn a_page_of_any_length_is_read_line_by_line() {
        let file = tempfile::tempfile().unwrap();
        let mut page = Page::new(1, file.into());
        let record = vec![b'r'; PAGE_READ_BYTES / 3];
        let keys = [1, 2, 3, 4, 5, 6, 7_u8].map(|id| Key::of(b"", &[id]));
        let mut begun = Vec::new();
        for key in keys {
            begun.push((key, page.end));
            let (mut line, record) = (Vec::new(), Some(&record[..]));
            Line { at: 0, key, record }.write(&mut line);
            page.add(&line).unwrap();
        }
        let mut read = Vec::new();
        each_line(&page.file, begun[1].1, |line| {
            read.push((line.key, line.at))
        })
        .unwrap();
        assert_eq!(read, begun[1..]);
        for (key, at) in begun {
            assert_eq!(
                read_record(&page.file, at, key).unwrap().as_ref(),
                Some(&record)
            );
        }
    }
}
