//! The CRC-32 of a whole file. Most bytes are hashed while they are sent.

use std::fs::File;
use std::io;
use std::mem;
use std::ops::Range;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use crc32fast::Hasher;

use super::cancel::CancelToken;
use super::error::Error;
use super::os::read_at;

/// The interval of checks for a cancellation.
const CANCEL_CHECK: Duration = Duration::from_millis(200);
const BUFFER_BYTES: usize = 256 * 1024;

/// A checksum of the first bytes of a file.
pub(crate) struct Checksum {
    /// The parts before the bytes of `hasher`, in order.
    parts: Vec<Part>,
    hasher: Hasher,
    end: u64,
    /// Reading threads stop when this is dropped.
    wanted: Arc<()>,
}

enum Part {
    Hashed(Hasher),
    /// A part that another thread reads.
    Reading(Receiver<io::Result<Hasher>>),
}

impl Checksum {
    pub(crate) fn new() -> Checksum {
        Checksum {
            parts: Vec::new(),
            hasher: Hasher::new(),
            end: 0,
            wanted: Arc::new(()),
        }
    }

    /// Adds the bytes at `at`, which is at most the end. Skips bytes that were added before.
    pub(crate) fn add(&mut self, at: u64, bytes: &[u8]) {
        debug_assert!(at <= self.end);
        let known = usize::try_from(self.end - at).unwrap_or(usize::MAX);
        if let Some(new) = bytes.get(known..) {
            self.hasher.update(new);
            self.end += new.len() as u64;
        }
    }

    /// Reads the missing bytes up to `end` in the background.
    pub(crate) fn read_up_to(&mut self, end: u64, file: &File) -> io::Result<()> {
        if end <= self.end {
            return Ok(());
        }
        let (file, range) = (file.try_clone()?, self.end..end);
        let wanted = Arc::downgrade(&self.wanted);
        let (send, reading) = mpsc::channel();
        // The receiver is gone after a restart or the end of the upload.
        thread::spawn(move || send.send(hash(&file, range, &wanted)));
        self.parts.push(Part::Hashed(mem::take(&mut self.hasher)));
        self.parts.push(Part::Reading(reading));
        self.end = end;
        Ok(())
    }

    /// Waits for the background reads, and returns their error.
    pub(crate) fn value(&mut self, cancel: &CancelToken) -> Result<u32, Error> {
        let mut whole = Hasher::new();
        for part in self.parts.drain(..) {
            let next = match part {
                Part::Hashed(hasher) => hasher,
                Part::Reading(reading) => wait(&reading, cancel)?,
            };
            whole.combine(&next);
        }
        whole.combine(&mem::replace(&mut self.hasher, Hasher::new()));
        self.hasher = whole.clone();
        Ok(whole.finalize())
    }
}

fn wait(reading: &Receiver<io::Result<Hasher>>, cancel: &CancelToken) -> Result<Hasher, Error> {
    loop {
        match reading.recv_timeout(CANCEL_CHECK) {
            Ok(read) => return read.map_err(Error::of_file),
            Err(RecvTimeoutError::Timeout) if cancel.is_cancelled() => {
                return Err(Error::Cancelled);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(io::Error::other("the reading thread failed").into());
            }
        }
    }
}

fn hash(file: &File, range: Range<u64>, wanted: &Weak<()>) -> io::Result<Hasher> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut at = range.start;
    while at < range.end && wanted.strong_count() > 0 {
        let room = (range.end - at).min(BUFFER_BYTES as u64) as usize;
        match read_at(file, &mut buffer[..room], at) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                at += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(hasher)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn read_and_added_parts_give_the_checksum_of_the_file() {
        let bytes: Vec<u8> = (0..2_000_000_u32).map(|at| (at / 7 % 251) as u8).collect();
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&bytes).expect("written");
        let (mut sum, token) = (Checksum::new(), CancelToken::new());
        let add =
            |sum: &mut Checksum, range: Range<usize>| sum.add(range.start as u64, &bytes[range]);
        add(&mut sum, 0..10);
        sum.read_up_to(700_000, &file).expect("it reads");
        add(&mut sum, 700_000..800_000);
        // Sent again, after a cut.
        add(&mut sum, 650_000..900_000);
        let first = sum.value(&token).expect("read");
        assert_eq!(first, crc32fast::hash(&bytes[..900_000]));
        add(&mut sum, 0..100);
        sum.read_up_to(1_999_999, &file).expect("it reads");
        add(&mut sum, 1_999_999..2_000_000);
        for _ in 0..2 {
            assert_eq!(sum.value(&token).expect("read"), crc32fast::hash(&bytes));
        }
        sum.read_up_to(2_000_001, &file).expect("it reads");
        assert!(matches!(sum.value(&token), Err(Error::Changed)));
    }
}
