//! One upload as fast as it is taken.

use std::io;
use std::time::{Duration, Instant};

use crate::content::SLICE_BYTES;
use crate::peers::{Peer, Upload};
use crate::wire::{Answer, Line};

/// Sends `upload` whole, and says how long that took, from the first byte to the answer.
pub(crate) fn upload(
    peer: &dyn Peer,
    line: &mut Line,
    upload: Upload,
) -> io::Result<(Duration, Answer)> {
    let head = peer.head(upload);
    let begin = Instant::now();
    line.send(head.as_bytes())?;
    send_body(line, upload, 0, upload.bytes)?;
    let answer = line.answer()?;
    Ok((begin.elapsed(), answer))
}

/// The bytes of `upload` from `from` to `to`.
pub(crate) fn send_body(line: &mut Line, upload: Upload, from: u64, to: u64) -> io::Result<()> {
    let content = upload.content();
    let mut at = from;
    while at < to {
        let slice = content.slice(at, (to - at).min(SLICE_BYTES as u64));
        line.send(slice)?;
        at += slice.len() as u64;
    }
    Ok(())
}
