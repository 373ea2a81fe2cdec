//! CRC-32 of whole uploads: compared before publishing, kept through restarts, never sent to a client.

use rustix::fs::XattrFlags;
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::store::fs::fault::Op;
use crate::store::fs::hashed::Algorithm;
use crate::store::{Crc32, Difference, Tail};

const SYNCS: [SyncMode; 2] = [SyncMode::Durable, SyncMode::Fast];

fn bench(sync: SyncMode) -> Bench {
    Bench::with(Options {
        sync,
        ..Options::default()
    })
}

fn asked(length: usize) -> AppendRequest {
    AppendRequest {
        crc32: Some(Crc32::Asked),
        ..declared(length, "a")
    }
}

/// Returns the intent of an append that declares the CRC-32 of these bytes.
fn claims(bytes: &[u8]) -> AppendRequest {
    AppendRequest {
        crc32: Some(Crc32::Is(crc32fast::hash(bytes))),
        ..AppendRequest::default()
    }
}

impl Bench {
    /// Returns the value of an attribute; `None` if there is none.
    fn attribute(&self, algorithm: Algorithm) -> Option<Vec<u8>> {
        let mut text = [0; 512];
        match rustix::fs::getxattr(self.data_path(), algorithm.attribute(), &mut text) {
            Ok(length) => Some(text[..length].to_vec()),
            Err(Errno::OPNOTSUPP | Errno::NODATA) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Asks about a complete upload again.
    fn ask(&self, at: u64, intent: AppendRequest) -> Result<Finished, Error> {
        let intent = AppendRequest {
            body_length: BodyLength::Nothing,
            ..intent
        };
        let append = self.append_with(&id(), at, intent)?;
        append.finish(Completes::AtLength)
    }

    /// Sends the right last bytes of an upload.
    #[track_caller]
    fn completes(&self, start: u64, bytes: &[u8], whole: &[u8]) {
        let finished = self.send(start, bytes, claims(whole)).unwrap();
        assert!(finished.progress.complete);
        assert_eq!(finished.is_compared, Some(true));
        assert_eq!(self.published(), [file("a", whole)]);
        let left = rustix::fs::listxattr(self.path().join("a"), &mut [0_u8; 64]);
        assert!(matches!(left, Ok(0) | Err(Errno::OPNOTSUPP)), "{left:?}");
    }

    /// Sends wrong last bytes of an upload.
    #[track_caller]
    fn spoils(&self, start: u64, bytes: &[u8], whole: &[u8]) {
        let sent = self.send(start, bytes, claims(whole));
        assert_refused!(sent, Error::Differs(Difference::Crc32));
        assert!(self.published().is_empty());
        assert!(self.left().is_empty());
        assert_eq!(self.status(&id()).unwrap(), held(0));
    }
}

#[test]
fn crc32_goes_on_after_restarts() {
    for sync in SYNCS {
        let mut bench = bench(sync);
        for is_right in [false, true] {
            bench.send(0, b"abc", asked(9)).unwrap();
            bench.reopen();
            bench.append(&id(), 3).unwrap().write(b"def").unwrap();
            bench.reopen();
            match is_right {
                false => bench.spoils(6, b"ghi", b"Abcdefghi"),
                true => bench.completes(6, b"ghi", b"abcdefghi"),
            }
        }
        bench.reopen();
        let again = bench.ask(9, claims(b"abcdefghi")).unwrap();
        assert_eq!(again.is_compared, Some(true));
        let other = bench.ask(9, claims(b"Abcdefghi"));
        assert_refused!(other, Error::Differs(Difference::Finished));
        assert_eq!(bench.published(), [file("a", b"abcdefghi")]);
    }
}

#[test]
fn bytes_with_kept_crc32_are_not_read_again() {
    for sync in SYNCS {
        let mut bench = bench(sync);
        bench.send(0, b"abc", asked(6)).unwrap();
        if bench.attribute(Algorithm::Crc32).is_some() {
            // The file holds other bytes now, so only the stored hash state can give this result.
            bench.closed(|bench| on_disk::write(bench.data_path(), b"xyz").unwrap());
            let finished = bench.send(3, b"def", claims(b"abcdef")).unwrap();
            assert_eq!(finished.is_compared, Some(true));
        }
    }
}

#[test]
fn lost_crc32_is_computed_from_the_file() {
    for sync in SYNCS {
        let mut bench = bench(sync);
        let lose = |bench: &Bench| {
            let name = Algorithm::Crc32.attribute();
            match rustix::fs::removexattr(bench.data_path(), name) {
                Ok(()) | Err(Errno::OPNOTSUPP) => {}
                Err(error) => panic!("{error}"),
            }
        };
        bench.send(0, b"abc", asked(6)).unwrap();
        bench.closed(lose);
        bench.spoils(3, b"def", b"Abcdef");
        bench.send(0, b"abc", asked(6)).unwrap();
        bench.closed(lose);
        bench.completes(3, b"def", b"abcdef");
    }
}

#[test]
fn no_crc32_is_kept_without_a_request_for_it() {
    let bench = Bench::new();
    bench.send(0, b"abc", declared(6, "a")).unwrap();
    assert_eq!(bench.attribute(Algorithm::Crc32), None);
    bench.send(3, b"def", AppendRequest::default()).unwrap();
    assert!(!bench.record().expect("there").contains("crc32"));
    let unknown = bench.ask(6, claims(b"Abcdef")).unwrap();
    assert_eq!(unknown.is_compared, Some(false));
}

#[test]
fn algorithms_started_at_different_bytes_are_both_right() {
    let mut bench = Bench::new();
    let long: Vec<u8> = (0..700_000_u32).map(|at| (at % 251) as u8).collect();
    let sha256 = AppendRequest {
        digest: Some(Sha256::digest(&long).into()),
        ..declared(long.len(), "a")
    };
    bench.send(0, &long[..300_000], sha256).unwrap();
    let asked = asked(long.len());
    bench.send(300_000, &long[300_000..600_000], asked).unwrap();
    bench.reopen();
    bench.completes(600_000, &long[600_000..], &long);
    let finished = bench.ask(700_000, AppendRequest::default()).unwrap();
    assert_eq!(finished.sha256, Some(Sha256::digest(&long).into()));
}

#[test]
fn failed_sync_takes_lost_bytes_out_of_the_crc32() {
    let bench = Bench::new();
    bench.send(0, b"abc", asked(9)).unwrap();
    // The upload stays in memory, so that the server does not read the attribute.
    let _in_memory = bench.upload(&id());
    bench.append(&id(), 3).unwrap();
    bench.fail(Op::Sync, 0, 1, 5, None);
    let mut append = bench.append(&id(), 3).unwrap();
    append.write(b"xyz").unwrap();
    assert!(append.finish(Completes::AtLength).is_err());
    assert_eq!(bench.status(&id()).unwrap(), held(3));
    bench.completes(3, b"defghi", b"abcdefghi");
}

#[test]
fn crc32_of_superseded_append_is_compared_with_the_file() {
    let bench = Bench::new();
    let mut late = bench.append_with(&id(), 0, asked(6)).unwrap();
    late.write(b"abc").unwrap();
    let mut wrong = (bench.append_with(&id(), 3, claims(b"Abcdef"))).unwrap();
    bench.send(3, b"def", claims(b"abcdef")).unwrap();
    assert_refused!(wrong.write(b"def"), Error::Superseded);
    let wrong = bench.ask(6, claims(b"Abcdef"));
    assert_refused!(wrong, Error::Differs(Difference::Finished));
    assert_eq!(bench.published(), [file("a", b"abcdef")]);
}

#[test]
fn crc32_of_another_file_does_not_change_the_published_one() {
    let bench = Bench::new();
    bench.send(0, b"abc", asked(6)).unwrap();
    bench.fail(Op::Publish, 0, 1, 13, None);
    assert!(bench.send(3, b"def", claims(b"abcdef")).is_err());
    let other = AppendRequest {
        digest: Some(Sha256::digest(b"Abcdef").into()),
        ..claims(b"Abcdef")
    };
    assert_refused!(
        bench.ask(6, other.clone()),
        Error::Differs(Difference::Finished)
    );
    assert_eq!(bench.status(&id()).unwrap(), complete(6));
    assert_refused!(bench.ask(6, other), Error::Differs(Difference::Finished));
    let right = bench.ask(6, claims(b"abcdef")).unwrap();
    assert_eq!((right.is_compared, right.sha256), (Some(true), None));
}

#[test]
fn crc32_sent_after_the_last_byte_is_not_recorded() {
    let bench = Bench::new();
    bench.send(0, b"abc", declared(6, "a")).unwrap();
    bench.fail(Op::Publish, 0, 1, 13, None);
    assert!(bench.send(3, b"def", AppendRequest::default()).is_err());
    let other = AppendRequest {
        digest: Some(Sha256::digest(b"Abcdef").into()),
        ..claims(b"Abcdef")
    };
    let finished = bench.ask(6, other).unwrap();
    assert_eq!(finished.progress, complete(6));
    assert_eq!((finished.is_compared, finished.sha256), (Some(false), None));
    let finished = bench.ask(6, claims(b"abcdef")).unwrap();
    assert_eq!(finished.is_compared, Some(false));
}

#[test]
fn full_partial_is_compared_by_the_request_that_finds_it() {
    for is_right in [true, false] {
        let mut bench = Bench::new();
        bench.send(0, b"abc", asked(6)).unwrap();
        bench.closed(|bench| on_disk::write(bench.data_path(), b"abcdef").unwrap());
        match is_right {
            true => {
                let finished = bench.ask(6, claims(b"abcdef")).unwrap();
                assert_eq!(finished.is_compared, Some(true));
                assert_eq!(bench.published(), [file("a", b"abcdef")]);
            }
            false => {
                let refused = bench.ask(6, claims(b"Abcdef"));
                assert_refused!(refused, Error::Differs(Difference::Crc32));
                assert!(bench.published().is_empty() && bench.left().is_empty());
            }
        }
    }
}

/// The last bytes are compared before they are written, so a crash never leaves a full upload with wrong bytes.
#[test]
fn wrong_last_window_is_not_written() {
    for first in [asked(6), declared(6, "a")] {
        let bench = Bench::new();
        bench.send(0, b"abc", first).unwrap();
        let said = claims(b"Abcdef");
        let before = bench.faults().log().len();
        let mut append = bench.append_with(&id(), 3, said).unwrap();
        assert_refused!(append.write(b"def"), Error::Differs(Difference::Crc32));
        assert!(!bench.changes_since(before).contains(&Op::Write));
        assert!(bench.left().is_empty());
    }
}

/// More bytes are not hashed than one window can read.
#[test]
fn full_upload_not_compared_yet_is_compared_after_a_crash() {
    const HELD: u64 = 300 << 20;
    for is_right in [true, false] {
        let mut bench = Bench::new();
        bench
            .send(0, b"\0", declared(HELD as usize + 3, "a"))
            .unwrap();
        bench.closed(|bench| {
            let file = on_disk::File::options().write(true).open(bench.data_path());
            file.unwrap().set_len(HELD).unwrap();
        });
        let mut crc32 = crc32fast::Hasher::new();
        (0..HELD >> 20).for_each(|_| crc32.update(&[0; 1 << 20]));
        crc32.update(b"abc");
        let said = AppendRequest {
            crc32: Some(Crc32::Is(crc32.finalize() ^ u32::from(!is_right))),
            ..AppendRequest::default()
        };
        let mut append = bench.append_with(&id(), HELD, said).unwrap();
        append.write(b"abc").unwrap();
        drop(append);
        bench.reopen();
        assert_eq!(bench.status(&id()).unwrap().complete, is_right);
        assert_eq!(bench.path().join("a").exists(), is_right);
    }
}

#[test]
fn upload_begun_after_a_cancel_has_its_own_crc32() {
    let mut bench = Bench::new();
    let mut stale = bench.append_with(&id(), 0, asked(6)).unwrap();
    stale.write(b"xyz").unwrap();
    bench.cancel(&id()).unwrap();
    bench.send(0, b"abc", asked(6)).unwrap();
    assert_refused!(stale.write(b"xyz"), Error::Superseded);
    drop(stale);
    bench.reopen();
    bench.completes(3, b"def", b"abcdef");
}

/// Reads files written by a version without CRC-32.
#[test]
fn older_records_and_hashes_are_read() {
    let key = id().key();
    let record = format!(
        "{{\"v\":1,\"id\":\"{}\",\"owner\":\"{}\",\"name\":\"a\",\"length\":6,\"sha256\":\"{}\",\"state\":\"receiving\"}}",
        "686f6c696461792e6d70342d31302d31373030303030303030303030",
        "616c696365",
        "bef57ec7f53a6d40beb640a780a639c83bc29ac8a9816f1fc6c5c6dcd93c4721",
    );
    let hashed = "3 67e6096a85ae67bb72f36e3c3af54fa57f520e518c68059babd9831f19cde05b000000000000000003616263000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000";
    for is_kept in [false, true] {
        let mut bench = Bench::new();
        bench.closed(|bench| {
            on_disk::write(bench.record_path(), &record).unwrap();
            on_disk::write(bench.data_path(), if is_kept { b"xyz" } else { b"abc" }).unwrap();
            let name = Algorithm::Sha256.attribute();
            let value = hashed.as_bytes();
            let set = || rustix::fs::setxattr(bench.data_path(), name, value, XattrFlags::CREATE);
            match is_kept.then(set) {
                None | Some(Ok(())) => {}
                Some(Err(Errno::OPNOTSUPP)) => on_disk::write(bench.data_path(), b"abc").unwrap(),
                Some(Err(error)) => panic!("{key}: {error}"),
            }
        });
        let finished = bench.send(3, b"def", AppendRequest::default()).unwrap();
        assert!(finished.progress.complete);
        assert_eq!(finished.sha256, Some(Sha256::digest(b"abcdef").into()));
    }
}

#[test]
fn tail_that_differs_changes_nothing() {
    for sync in SYNCS {
        let mut bench = bench(sync);
        bench.send(0, b"abc", declared(6, "a")).unwrap();
        bench.reopen();
        let ends_in = |bytes: &[u8]| AppendRequest {
            tail: Some(Tail {
                crc32: crc32fast::hash(bytes),
                length: bytes.len() as u64,
            }),
            crc32: Some(Crc32::Asked),
            ..AppendRequest::default()
        };
        let (record, mut other) = (bench.record(), bench.append(&id(), 3).unwrap());
        for not in [&b"x"[..], b"bC", b"aabc", b"abcd"] {
            let refused = bench.send(3, b"def", ends_in(not));
            assert_refused!(refused, Error::Differs(Difference::Tail));
        }
        other.write(b"d").unwrap();
        assert_eq!(bench.record(), record);
        assert_eq!(bench.partial().as_deref(), Some(&b"abcd"[..]));
        let rest = bench.send(4, b"ef", ends_in(b"bcd")).unwrap();
        assert_eq!(rest.progress, complete(6));
    }
}
