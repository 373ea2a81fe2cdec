//! The uploaded content, and its check on the disk. All of it is cut from one static buffer, so that a sender has nothing to
//! make and nothing to fetch from memory.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::LazyLock;

/// After so many bytes the content begins again. A prime, so that no window is ever the same as its neighbour; and
/// small enough to stay in a processor's cache.
const PERIOD: usize = 262_139;

/// The longest slice that can be had at once.
pub(crate) const SLICE_BYTES: usize = 256 * 1024;

static BUFFER: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    let period: Vec<u8> = (0..PERIOD).map(|_| next()).collect();
    period
        .iter()
        .cycle()
        .take(PERIOD + SLICE_BYTES)
        .copied()
        .collect()
});

/// The bytes of one upload. Those of the next begin elsewhere in the buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Content {
    start: usize,
}

impl Content {
    pub(crate) fn of(number: u64) -> Content {
        Content {
            start: (number as usize).wrapping_mul(7919) % PERIOD,
        }
    }

    /// At most `most` bytes from `at` on; fewer only when that is more than can be had at once.
    pub(crate) fn slice(self, at: u64, most: u64) -> &'static [u8] {
        let from = ((at % PERIOD as u64) as usize + self.start) % PERIOD;
        let length = most.min(SLICE_BYTES as u64) as usize;
        &BUFFER[from..from + length]
    }

    /// Returns whether `file` has `length` bytes, and these from `from` on.
    pub(crate) fn check(self, file: &Path, from: u64, length: u64) -> io::Result<()> {
        let wrong = |what: String| io::Error::other(format!("{}: {what}", file.display()));
        let mut open = File::open(file).map_err(|error| wrong(error.to_string()))?;
        let found = open.metadata()?.len();
        if found != length {
            return Err(wrong(format!("{found} bytes arrived, not {length}")));
        }
        io::Seek::seek(&mut open, io::SeekFrom::Start(from))?;
        let mut buffer = vec![0; (length - from).min(SLICE_BYTES as u64) as usize];
        let mut at = from;
        while at < length {
            let expected = self.slice(at, length - at);
            let read = &mut buffer[..expected.len()];
            open.read_exact(read)?;
            if read != expected {
                return Err(wrong(format!("other bytes arrived after {at}")));
            }
            at += expected.len() as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displaced_cut_or_swapped_bytes_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        let content = Content::of(3);
        let (head, tail) = (content.slice(0, 200_000), content.slice(200_000, 200_000));
        std::fs::write(&file, [head, tail].concat()).unwrap();
        content.check(&file, 0, 400_000).unwrap();
        content.check(&file, 200_000, 400_000).unwrap();
        for wrong in [
            [tail, head].concat(),
            [head, &tail[1..]].concat(),
            [head, head].concat(),
        ] {
            std::fs::write(&file, wrong).unwrap();
            content.check(&file, 0, 400_000).unwrap_err();
        }
        Content::of(4).check(&file, 0, 400_000).unwrap_err();
    }
}
