//! Declared properties of an upload, and the answers about them.

use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};

use super::*;
use crate::store::{Digest, Precondition, Start};

fn digest(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

fn made() -> AppendRequest {
    AppendRequest {
        precondition: Precondition::New,
        body_length: BodyLength::Nothing,
        ..AppendRequest::default()
    }
}

fn known() -> AppendRequest {
    AppendRequest {
        precondition: Precondition::Exists,
        ..AppendRequest::default()
    }
}

#[test]
fn upload_can_be_created_without_bytes() {
    let mut bench = Bench::new();
    assert_refused!(bench.append_with(&id(), 0, known()), Error::Unknown);
    assert_eq!(bench.info(&id()).unwrap(), None);
    let made = bench.append_with(&id(), 0, made()).unwrap();
    assert_eq!(made.finish(Completes::AtLength).unwrap().progress, held(0));

    bench.reopen();
    assert!(bench.info(&id()).unwrap().is_some());
    let mut append = bench.append_with(&id(), 0, known()).unwrap();
    append.write(b"abc").unwrap();
    assert_eq!(
        append.finish(Completes::AtEnd).unwrap().progress,
        complete(3)
    );
    assert!(bench.cancel(&id()).unwrap());
    assert!(!bench.cancel(&id()).unwrap());
    assert_refused!(bench.append_with(&id(), 3, known()), Error::Unknown);
}

#[test]
fn first_declared_metadata_is_returned_unchanged() {
    let mut bench = Bench::new();
    let with = |metadata: &str| {
        let mut request = declared(6, "a");
        request.file.metadata = Some(metadata.into());
        request
    };
    bench.send(0, b"abc", with("one dHdv,three")).unwrap();
    bench.send(3, b"d", with("other")).unwrap();
    bench.reopen();
    let info = bench.info(&id()).unwrap().expect("known");
    assert_eq!(info.metadata.as_deref(), Some("one dHdv,three"));
    assert_eq!(info.length, Some(6));
}

/// File systems on libfuse 2 ignore a request that sets only one of the two times.
#[test]
fn publishing_sets_both_times_of_the_file() {
    let bench = Bench::new();
    let (declared, before) = (Duration::from_millis(1_000_000_000_123), SystemTime::now());
    let modified = changed_at(1_000_000_000_123, super::declared(6, "a"));
    bench.send(0, b"abc", modified).unwrap();
    let long_ago = before - Duration::from_secs(50);
    let data = on_disk::File::options().write(true).open(bench.data_path());
    let times = on_disk::FileTimes::new().set_accessed(long_ago);
    data.unwrap().set_times(times).unwrap();
    bench.send(3, b"def", nothing_said()).unwrap();
    let about = on_disk::metadata(bench.path().join("a")).unwrap();
    assert_eq!(about.modified().unwrap(), SystemTime::UNIX_EPOCH + declared);
    assert!(about.accessed().unwrap() >= before);
}

#[test]
fn incomplete_upload_expires_after_its_last_byte() {
    let expire = Duration::from_secs(100);
    let bench = Bench::with(Options {
        expire,
        ..Options::default()
    });
    let before = SystemTime::now();
    let expires = bench.send(0, b"abc", declared(6, "a")).unwrap().expires;
    assert!(expires.expect("it expires").at >= before + expire);

    let long_ago = before - Duration::from_secs(50);
    let data = on_disk::File::options().write(true).open(bench.data_path());
    data.unwrap().set_modified(long_ago).unwrap();
    // An age is the difference of four times in whole milliseconds: it may be 2 ms too short.
    bench.shift_clock(2, 2);
    let info = bench.info(&id()).unwrap().expect("known");
    let expires = info.expires.expect("it expires");
    let since = expires.at.duration_since(long_ago).unwrap();
    assert_eq!(since.as_secs_f64().round(), expire.as_secs_f64());
    assert!(expires.left <= Duration::from_secs(50));

    assert_eq!(bench.send(3, b"def", nothing_said()).unwrap().expires, None);
    let info = bench.info(&id()).unwrap().expect("known");
    assert_eq!(info.expires, None);
}

fn nothing_said() -> AppendRequest {
    AppendRequest::default()
}

#[test]
fn fence_stops_earlier_appends_only() {
    let bench = Bench::new();
    let mut old = bench.append_with(&id(), 0, declared(6, "a")).unwrap();
    old.write(b"abc").unwrap();
    bench.fence(&id()).unwrap();
    assert_refused!(old.write(b"d"), Error::Superseded);
    assert_eq!(bench.status(&id()).unwrap(), held(3));
    assert_eq!(
        bench.send(3, b"def", nothing_said()).unwrap().progress,
        complete(6)
    );
}

#[test]
fn fence_leaves_a_full_upload_to_its_append() {
    let bench = Bench::new();
    let mut append = bench.append_with(&id(), 0, declared(6, "a")).unwrap();
    append.write(b"abcdef").unwrap();
    bench.fence(&id()).unwrap();
    let finished = append.finish(Completes::AtLength).unwrap();
    assert_eq!(finished.progress, complete(6));
    assert_eq!(bench.published(), [file("a", b"abcdef")]);
}

#[test]
fn append_can_begin_at_the_unknown_end() {
    let bench = Bench::new();
    bench.send(0, b"abc", declared(6, "a")).unwrap();
    let mut append = bench
        .append_with(&id(), Start::End, AppendRequest::default())
        .unwrap();
    append.write(b"def").unwrap();
    append.finish(Completes::AtLength).unwrap();
    assert_eq!(bench.published(), [file("a", b"abcdef")]);
}

#[test]
fn id_can_be_used_again_after_its_hook_has_run() {
    let bench = Bench::with(Options {
        mark_hooks: true,
        ..Options::default()
    });
    bench.send(0, b"abc", declared(6, "a")).unwrap();
    bench.forget(&id()).unwrap();
    assert_eq!(bench.status(&id()).unwrap(), held(3), "it is not finished");

    bench.send(3, b"def", nothing_said()).unwrap();
    assert_refused!(bench.forget(&id()), Error::HookDue);
    bench.hooked(&id()).unwrap();
    bench.forget(&id()).unwrap();
    assert_eq!(bench.status(&id()).unwrap(), held(0));
    assert_eq!(bench.published(), [file("a", b"abcdef")]);
}

#[test]
fn upload_with_wrong_digest_is_not_published() {
    for pieces in [&[&b"abcdef"[..]][..], &[b"abc", b"def"]] {
        let mut bench = Bench::new();
        for (name, expected) in [("good", b"abcdef"), ("bad", b"abcxxx")] {
            let mut intent = AppendRequest {
                digest: Some(digest(expected)),
                ..declared(6, name)
            };
            let (mut at, mut last) = (0, None);
            for piece in pieces {
                last = Some(bench.send(at, piece, std::mem::take(&mut intent)));
                at += piece.len() as u64;
                bench.reopen();
            }
            match name {
                "good" => assert_eq!(last.unwrap().unwrap().progress, complete(6)),
                _ => assert_refused!(last.unwrap(), Error::DigestDiffers),
            }
            bench.cancel(&id()).unwrap();
        }
        assert_eq!(bench.published(), [file("good", b"abcdef")]);
        assert!(bench.left().is_empty());
    }
}

#[test]
fn wrong_body_digest_deletes_the_upload() {
    let bench = Bench::new();
    let said = |bytes| AppendRequest {
        body_digest: Some(digest(bytes)),
        ..declared(9, "a")
    };
    bench.send(0, b"abc", said(b"abc")).unwrap();
    assert_refused!(bench.send(3, b"def", said(b"def!")), Error::DigestDiffers);
    assert!(bench.left().is_empty());

    // The wrong bytes go also if a newer append followed them. Bytes of a later epoch stay.
    let mut wrong = bench.append_with(&id(), 0, said(b"xyz")).unwrap();
    wrong.write(b"abc").unwrap();
    bench.send(3, b"def", nothing_said()).unwrap();
    assert_refused!(wrong.finish(Completes::AtLength), Error::DigestDiffers);
    assert!(bench.left().is_empty());

    let mut wrong = bench.append_with(&id(), 0, said(b"xyz")).unwrap();
    wrong.write(b"abc").unwrap();
    bench.cancel(&id()).unwrap();
    bench.send(0, b"ghi", declared(9, "a")).unwrap();
    assert_refused!(wrong.finish(Completes::AtLength), Error::DigestDiffers);
    assert_eq!(bench.status(&id()).unwrap(), held(3));
}
