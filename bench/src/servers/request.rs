//! As much of HTTP as the bench's own client speaks.

use std::io::{self, Read};

/// The fields of a request head.
pub(super) struct Request {
    /// The target without its slash.
    pub(super) name: String,
    pub(super) length: u64,
    /// The number of body bytes at the start of the buffer.
    pub(super) begun: usize,
}

/// Reads up to the end of a head, and moves what came behind it to the front. `None` when the client has left.
pub(super) fn read(stream: &mut impl Read, buffer: &mut [u8]) -> io::Result<Option<Request>> {
    let mut end = 0;
    loop {
        let count = stream.read(&mut buffer[end..])?;
        if count == 0 {
            return Ok(None);
        }
        end += count;
        // A head is short: what is behind the first page is body.
        let Some(at) = buffer[..end.min(4096)]
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
        else {
            continue;
        };
        let head = String::from_utf8_lossy(&buffer[..at]).into_owned();
        buffer.copy_within(at + 4..end, 0);
        let name = head
            .split(' ')
            .nth(1)
            .unwrap_or_default()
            .trim_start_matches('/');
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "));
        return Ok(Some(Request {
            name: name.to_owned(),
            length: length.and_then(|text| text.parse().ok()).unwrap_or(0),
            begun: end - at - 4,
        }));
    }
}
