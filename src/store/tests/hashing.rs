//! The hash of a whole upload, after restarts and faults.

use rustix::fs::XattrFlags;
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::super::Digest;
use super::super::SyncMode;
use super::*;
use crate::store::fs::hashed::Algorithm;

fn digest(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

fn hashing(sync: SyncMode) -> Bench {
    Bench::with(Options {
        sha256: true,
        sync,
        ..Options::default()
    })
}

impl Bench {
    /// Returns the kept hash. `None` if files cannot have attributes.
    fn kept(&self) -> Option<Vec<u8>> {
        let mut text = [0; 512];
        match rustix::fs::getxattr(self.data_path(), Algorithm::Sha256.attribute(), &mut text) {
            Ok(length) => Some(text[..length].to_vec()),
            Err(Errno::OPNOTSUPP) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Sends bytes to a server without hashing, and reopens the store with hashing.
    fn send_unhashed(&mut self, start: u64, bytes: &[u8]) {
        self.options.sha256 = false;
        self.reopen();
        self.send(start, bytes, AppendRequest::default()).unwrap();
        self.options.sha256 = true;
        self.reopen();
    }

    /// Sends the last bytes of an upload, and returns the hash of the whole.
    fn end(&self, start: u64, bytes: &[u8]) -> Option<Digest> {
        let finished = self.send(start, bytes, AppendRequest::default()).unwrap();
        let published = finished.published.expect("complete");
        assert_eq!(published.sha256, finished.sha256);
        finished.sha256
    }
}

#[test]
fn sha256_is_returned_at_the_end_and_afterwards() {
    for sync in [SyncMode::Durable, SyncMode::Fast] {
        let mut bench = hashing(sync);
        bench.send(0, b"abc", declared(9, "a")).unwrap();
        bench.reopen();
        bench.append(&id(), 3).unwrap().write(b"def").unwrap();
        bench.reopen();
        assert_eq!(bench.end(6, b"ghi"), Some(digest(b"abcdefghi")));
        bench.reopen();
        let again = bench.append_with(&id(), 9, nothing()).unwrap();
        let again = again.finish(Completes::AtLength).unwrap();
        assert_eq!(again.sha256, Some(digest(b"abcdefghi")));
        let left = rustix::fs::listxattr(bench.path().join("a"), &mut [0_u8; 64]);
        assert!(matches!(left, Ok(0) | Err(Errno::OPNOTSUPP)), "{left:?}");
    }
    let empty = hashing(SyncMode::Durable).send(0, b"", declared(0, "a"));
    assert_eq!(empty.unwrap().sha256, Some(digest(b"")));
    let unasked = Bench::new().send_whole("a", b"abc");
    assert_eq!(unasked.sha256, None);
}

#[test]
fn hash_state_beyond_the_offset_is_removed() {
    let mut bench = hashing(SyncMode::Fast);
    bench.send(0, b"abcdef", declared(9, "a")).unwrap();
    if bench.kept().is_some() {
        bench.closed(|bench| {
            let file = on_disk::File::options().write(true).open(bench.data_path());
            file.unwrap().set_len(3).unwrap();
        });
        bench.append(&id(), 3).unwrap();
        bench.send_unhashed(3, b"DEF");
        assert_eq!(bench.end(6, b"ghi"), Some(digest(b"abcDEFghi")));
    }
}

#[test]
fn power_loss_removes_the_hash_with_the_bytes() {
    let mut bench = hashing(SyncMode::Durable);
    bench.send(0, b"sync", declared(10, "a")).unwrap();
    let Some(_) = bench.kept() else {
        return;
    };
    // The hash state of later bytes is on the disk, and the marker of these bytes is not.
    let ahead = hashing(SyncMode::Durable);
    ahead.send(0, b"syncmore", declared(10, "a")).unwrap();
    bench.append(&id(), 4).unwrap().write(b"more").unwrap();
    bench.closed(|bench| {
        let text = ahead.kept().expect("kept");
        rustix::fs::setxattr(
            bench.data_path(),
            Algorithm::Sha256.attribute(),
            &text,
            XattrFlags::REPLACE,
        )
        .unwrap();
        on_disk::write(bench.path().join(".resumed/lock"), "another boot").unwrap();
    });
    // A server without hashing writes other bytes in their place.
    bench.send_unhashed(4, b"MORE");
    assert_eq!(bench.end(8, b"!!"), Some(digest(b"syncMORE!!")));
}

#[test]
fn hashing_can_begin_in_the_middle_of_an_upload() {
    let mut bench = Bench::new();
    let long: Vec<u8> = (0..700_000_u32).map(|at| (at % 251) as u8).collect();
    bench
        .send(0, &long[..600_000], declared(long.len(), "a"))
        .unwrap();
    bench.options.sha256 = true;
    bench.reopen();
    assert_eq!(bench.end(600_000, &long[600_000..]), Some(digest(&long)));
}
