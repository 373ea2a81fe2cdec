//! The index of partial uploads by owner follows the uploads.

use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::*;
use crate::store::{Account, Precondition, Quota, Sharing};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const WEEKS: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl Bench {
    /// Returns the number and the bytes of the partial uploads of the owner of `id()`.
    fn used(&self) -> (u64, u64) {
        let usage = self.usage(Account::of_user(b"alice"));
        (usage.partials, usage.partial_bytes)
    }
}

#[test]
fn usage_counts_the_declared_length_until_published() {
    let bench = Bench::new();
    bench.send(0, b"abc", declared(6, "a")).unwrap();
    assert_eq!(bench.used(), (1, 6));
    bench.send(3, b"def", AppendRequest::default()).unwrap();
    assert_eq!(bench.used(), (0, 0));
}

#[test]
fn usage_counts_received_bytes_of_an_unknown_length() {
    let bench = Bench::new();
    let mut append = bench.append(&id(), 0).unwrap();
    append.write(b"abc").unwrap();
    append.write(b"de").unwrap();
    assert_eq!(bench.used(), (1, 5));
    append.cut();
    assert_eq!(bench.used(), (1, 5));
    bench.cancel(&id()).unwrap();
    assert_eq!(bench.used(), (0, 0));
}

#[test]
fn usage_omits_the_bytes_of_a_failed_write() {
    let bench = Bench::limited(None, Some(100));
    let mut append = bench.append(&id(), 0).unwrap();
    append.write(b"abc").unwrap();
    bench.fail(Op::Write, 0, 1, ENOSPC, None);
    append.write(b"de").unwrap_err();
    assert_eq!(bench.used(), (1, 3));
}

#[test]
fn usage_omits_an_append_without_bytes_and_counts_a_new_upload() {
    let bench = Bench::new();
    drop(bench.append_with(&id(), 0, declared(6, "a")).unwrap());
    assert_eq!(bench.used(), (0, 0));
    let new = AppendRequest {
        precondition: Precondition::New,
        body_length: BodyLength::Nothing,
        ..declared(6, "a")
    };
    let append = bench.append_with(&id(), 0, new).unwrap();
    append.finish(Completes::AtLength).unwrap();
    assert_eq!(bench.used(), (1, 6));
}

#[test]
fn usage_is_found_by_a_sweep_and_ends_at_the_expiry() {
    let mut bench = Bench::new();
    bench.send(0, b"abc", declared(6, "a")).unwrap();
    bench.reopen();
    assert_eq!(bench.used(), (0, 0));
    bench.sweep(SystemTime::now());
    assert_eq!(bench.used(), (1, 6));
    assert_eq!(bench.sweep(SystemTime::now() + WEEKS).expired, 1);
    assert_eq!(bench.used(), (0, 0));
}

#[test]
fn sweep_leaves_an_upload_without_files_in_the_count() {
    let bench = Bench::new();
    let mut append = bench.append_with(&id(), 0, declared(6, "a")).unwrap();
    bench.sweep(SystemTime::now());
    assert_eq!(bench.used(), (1, 6));
    append.write(b"abcdef").unwrap();
    append.finish(Completes::AtLength).unwrap();
    assert_eq!(bench.used(), (0, 0));
}

#[test]
fn sweep_no_longer_counts_a_complete_upload_as_partial() {
    for quota in [None, Some(100)] {
        let bench = Bench::limited(None, quota);
        // A record file, and an entry of the log.
        bench.send(0, b"abc", declared(6, "a")).unwrap();
        bench.send(3, b"def", AppendRequest::default()).unwrap();
        let mut whole = bench
            .append_with(&numbered(1), 0, declared(4, "b"))
            .unwrap();
        whole.write(b"0123").unwrap();
        whole.finish(Completes::AtLength).unwrap();
        let complete = bench.complete_bytes();
        bench.registry.accounts.set(&id(), 6);
        bench.registry.accounts.set(&numbered(1), 4);
        assert_eq!(bench.used(), (2, 10));
        bench.sweep(SystemTime::now());
        assert_eq!((bench.used(), bench.complete_bytes()), ((0, 0), complete));
    }
}

/// Returns a request that has all `length` bytes of an upload.
fn in_one_request(length: usize, name: &str) -> AppendRequest {
    AppendRequest {
        body_length: BodyLength::Exactly(length as u64),
        ..declared(length, name)
    }
}

/// Returns the upload `number` of the owner of `id()`.
fn numbered(number: u64) -> Id {
    Id::new(b"alice", &number.to_be_bytes())
}

impl Bench {
    fn limited(partials: Option<u64>, quota: Option<u64>) -> Self {
        Self::with(Options {
            max_partials: partials,
            quota,
            sync: SyncMode::Fast,
            ..Options::default()
        })
    }

    /// Begins an upload of 6 bytes with 3 of them.
    fn begin(&self, number: u64) -> Result<(), Error> {
        let mut append = self.append_with(&numbered(number), 0, declared(6, "a"))?;
        append.write(b"abc")?;
        append.finish(Completes::AtLength).map(drop)
    }

    fn complete_bytes(&self) -> u64 {
        self.usage(Account::of_user(b"alice")).complete_bytes
    }
}

#[test]
fn partial_beyond_the_limit_is_refused_without_a_trace() {
    let mut bench = Bench::limited(Some(2), None);
    bench.begin(1).unwrap();
    bench.begin(2).unwrap();
    let before = bench.left();
    assert_refused!(bench.begin(3), Error::TooManyPartials { max: 2 });
    assert_refused!(
        bench.append_with(&numbered(3), 0, exactly(1)),
        Error::TooManyPartials { .. }
    );
    assert!(bench.append_with(&numbered(3), 0, nothing()).is_ok());
    assert_eq!(bench.left(), before);
    assert_eq!((bench.used(), bench.partials()), ((2, 12), 2));

    bench.reopen();
    bench.sweep(SystemTime::now());
    assert_refused!(bench.begin(3), Error::TooManyPartials { .. });
    let mut append = bench.append(&numbered(1), 3).unwrap();
    append.write(b"def").unwrap();
    append.finish(Completes::AtLength).unwrap();
    bench.begin(3).unwrap();
}

#[test]
fn small_upload_in_one_request_passes_beyond_the_limit() {
    let bench = Bench::limited(Some(1), None);
    bench.begin(1).unwrap();
    let whole = in_one_request(6, "b");
    let append = |bytes| {
        let mut append = bench.append_with(&id(), 0, whole.clone()).unwrap();
        append.write(bytes).unwrap();
        append
    };
    assert!(append(b"abc").cut().is_none());
    assert_eq!(bench.status(&id()).unwrap(), held(0));
    assert_eq!((bench.used(), bench.left().len()), ((1, 6), 2));
    append(b"abcdef").finish(Completes::AtLength).unwrap();
    assert_eq!(bench.published(), [file("b", b"abcdef")]);
    assert_eq!(bench.used(), (1, 6));
}

#[test]
fn upload_beyond_the_limit_stays_so_for_a_second_append() {
    let bench = Bench::limited(Some(1), None);
    bench.begin(1).unwrap();
    let whole = in_one_request(6, "b");
    let mut first = bench.append_with(&id(), 0, whole.clone()).unwrap();
    first.write(b"ab").unwrap();
    assert_refused!(
        bench.append_with(&id(), 2, exactly(1)),
        Error::TooManyPartials { max: 1 }
    );
    first.write(b"c").unwrap();
    let mut second = bench.append_with(&id(), 3, exactly(3)).unwrap();
    second.write(b"d").unwrap();
    assert!(first.cut().is_none());
    assert!(second.cut().is_none());
    assert_eq!(bench.status(&id()).unwrap(), held(0));
    assert_eq!((bench.used(), bench.left().len()), ((1, 6), 2));

    let mut first = bench.append_with(&id(), 0, whole).unwrap();
    first.write(b"abc").unwrap();
    bench.cancel(&numbered(1)).unwrap();
    let mut second = bench.append_with(&id(), 3, exactly(1)).unwrap();
    second.write(b"d").unwrap();
    assert!(second.cut().is_none());
    assert_eq!(bench.status(&id()).unwrap(), held(4));
}

#[test]
fn upload_beyond_the_limit_is_removed_after_a_refused_write() {
    for errno in [ENOSPC, EIO] {
        let bench = Bench::limited(Some(1), None);
        bench.begin(1).unwrap();
        let whole = in_one_request(6, "b");
        let mut append = bench.append_with(&id(), 0, whole).unwrap();
        append.write(b"abc").unwrap();
        bench.fail(Op::Write, 0, 1, errno, None);
        append.write(b"def").unwrap_err();
        drop(append);
        assert_eq!(bench.status(&id()).unwrap(), held(0));
        assert_eq!((bench.used(), bench.left().len()), ((1, 6), 2));
    }
}

#[test]
fn upload_beyond_the_limit_is_removed_if_its_bytes_cannot_be_read() {
    let bench = Bench::limited(Some(1), None);
    bench.begin(1).unwrap();
    let whole = in_one_request(6, "b");
    let mut first = bench.append_with(&id(), 0, whole).unwrap();
    first.write(b"abc").unwrap();
    let checked = AppendRequest {
        digest: Some(Sha256::digest(b"abcdef").into()),
        ..exactly(3)
    };
    let mut second = bench.append_with(&id(), 3, checked).unwrap();
    bench.fail(Op::Read, 0, 1, EIO, None);
    assert_refused!(second.write(b"d"), Error::Io(_));
    assert_eq!(bench.status(&id()).unwrap(), held(0));
    assert_eq!(bench.used(), (1, 6));
}

#[test]
fn upload_without_space_is_not_counted() {
    let bench = Bench::new();
    let huge = AppendRequest {
        length: Some(1 << 60),
        ..exactly(1)
    };
    assert!(bench.append_with(&id(), 0, huge.clone()).is_err());
    assert_eq!((bench.used(), bench.partials()), ((0, 0), 0));
    bench.send(0, b"abc", AppendRequest::default()).unwrap();
    assert!(bench.append_with(&id(), 3, huge).is_err());
    assert_eq!(bench.used(), (1, 3));
}

#[test]
fn upload_whose_record_cannot_be_shared_is_not_counted() {
    let bench = Bench::with(Options {
        sharing: Sharing::Shared,
        ..Options::default()
    });
    let request = in_one_request(6, "a");
    bench.fail(Op::CreateRecord, 0, 1, EIO, None);
    assert_refused!(bench.append_with(&id(), 0, request.clone()), Error::Io(_));
    assert_eq!((bench.used(), bench.partials()), ((0, 0), 0));
    assert!(!bench.registry.reservations.has(id().key()));
    let mut append = bench.append_with(&id(), 0, request).unwrap();
    append.write(b"abcdef").unwrap();
    append.finish(Completes::AtLength).unwrap();
    assert_eq!(bench.published(), [file("a", b"abcdef")]);
}

#[test]
fn quota_refuses_a_declared_length_before_the_body() {
    let bench = Bench::limited(None, Some(20));
    bench.send_whole("a", b"0123456789");
    assert_eq!(bench.complete_bytes(), 10);
    bench.begin(1).unwrap();
    assert_refused!(
        bench.begin(2),
        Error::OverQuota(Quota {
            bytes: 20,
            used: 16
        })
    );
    assert_refused!(
        bench.append_with(&numbered(2), 0, exactly(5)),
        Error::OverQuota(_)
    );
    let mut append = bench.append_with(&numbered(2), 0, exactly(4)).unwrap();
    append.write(b"0123").unwrap();
    append.finish(Completes::AtEnd).unwrap();
    assert_eq!((bench.complete_bytes(), bench.used()), (14, (1, 6)));
    let other = Id::new(b"bob", b"1");
    assert!(bench.append_with(&other, 0, exactly(20)).is_ok());
}

#[test]
fn quota_ends_a_body_of_unknown_length_and_keeps_what_fits() {
    let bench = Bench::limited(None, Some(8));
    bench.begin(1).unwrap();
    let mut append = bench.append(&id(), 0).unwrap();
    assert_refused!(
        append.write(b"abc"),
        Error::OverQuota(Quota { bytes: 8, used: 8 })
    );
    append.cut();
    assert_eq!(bench.status(&id()).unwrap(), held(2));
    assert_refused!(bench.append(&id(), 2), Error::OverQuota(_));
    bench.cancel(&numbered(1)).unwrap();
    let mut append = bench.append(&id(), 2).unwrap();
    append.write(b"cdefgh").unwrap();
    append.finish(Completes::AtEnd).unwrap();
    assert_eq!((bench.complete_bytes(), bench.used()), (8, (0, 0)));
}

#[test]
fn quota_counts_a_complete_upload_until_its_record_expires() {
    let mut bench = Bench::limited(None, Some(100));
    // A record file, and an entry of the log.
    bench.send(0, b"abc", declared(6, "a")).unwrap();
    bench.send(3, b"def", AppendRequest::default()).unwrap();
    let whole = bench.append_with(&numbered(1), 0, declared(4, "b"));
    let mut whole = whole.unwrap();
    whole.write(b"0123").unwrap();
    whole.finish(Completes::AtLength).unwrap();
    assert_eq!(bench.complete_bytes(), 10);
    bench.reopen();
    bench.sweep(SystemTime::now());
    assert_eq!((bench.complete_bytes(), bench.used()), (10, (0, 0)));
    bench.forget(&numbered(1)).unwrap();
    bench.sweep(SystemTime::now());
    assert_eq!(bench.complete_bytes(), 6);
    bench.sweep(SystemTime::now() + WEEKS);
    assert_eq!(bench.complete_bytes(), 0);
    assert_eq!(bench.published().len(), 2);
}
