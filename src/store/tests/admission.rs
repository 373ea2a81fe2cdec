//! Refusals, before the body and in mid-body. A refusal changes nothing.

use std::time::{Duration, SystemTime};

use super::*;
use crate::store::{Account, SpaceLimit};

#[test]
fn refusals_change_nothing() {
    let bench = Bench::with(Options {
        max_size: Some(100),
        ..Options::default()
    });
    assert_refused!(bench.append(&id(), 1), Error::Mismatch);
    assert_refused!(
        bench.append_with(&id(), 0, declared(101, "a")),
        Error::TooLarge { max: 100 }
    );
    assert_refused!(
        bench.append_with(&id(), 0, exactly(101)),
        Error::TooLarge { max: 100 }
    );
    assert!(bench.left().is_empty());

    bench.send(0, b"some", declared(10, "a")).unwrap();
    let before = (bench.partial(), bench.record());
    let length = |length| AppendRequest {
        length: Some(length),
        ..AppendRequest::default()
    };
    assert_refused!(
        bench.append_with(&id(), 4, length(11)),
        Error::LengthDiffers { declared: 10 }
    );
    assert_refused!(
        bench.append_with(&id(), 0, length(11)),
        Error::LengthDiffers { declared: 10 }
    );
    assert_refused!(bench.append(&id(), 3), Error::Mismatch);
    assert_refused!(bench.append(&id(), 5), Error::Mismatch);
    assert_refused!(
        bench.append_with(&id(), 4, exactly(7)),
        Error::Overshoot { length: 10 }
    );
    assert_refused!(
        bench.append_with(&id(), 4, exactly(u64::MAX)),
        Error::Overshoot { length: 10 }
    );
    assert_eq!((bench.partial(), bench.record()), before);
    assert_eq!(bench.registry.len(), 0);
}

#[test]
fn later_length_below_the_offset_is_refused() {
    let bench = Bench::new();
    bench.send(0, b"some", AppendRequest::default()).unwrap();
    let length = |length| AppendRequest {
        length: Some(length),
        ..nothing()
    };
    assert_refused!(
        bench.append_with(&id(), 4, length(3)),
        Error::Overshoot { length: 3 }
    );
    let finished = bench
        .append_with(&id(), 4, length(4))
        .unwrap()
        .finish(Completes::AtLength)
        .unwrap();
    assert_eq!(finished.progress, complete(4));
}

#[test]
fn first_declared_name_and_time_count() {
    let bench = Bench::new();
    let named = |name: &str, ms| changed_at(ms, declared(2, name));
    bench
        .send(0, b"a", named("first", 1_000_000_000_500))
        .unwrap();
    let published = bench
        .send(1, b"b", named("second", 5))
        .unwrap()
        .published
        .unwrap();
    assert_eq!(published.path, bench.path().join("first"));
    let modified = on_disk::metadata(published.path)
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(
        modified,
        SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_000_000_500)
    );
}

#[test]
fn bytes_that_fit_are_kept() {
    let bench = Bench::with(Options {
        max_size: Some(6),
        ..Options::default()
    });
    let mut append = bench.append_with(&id(), 0, declared(5, "a")).unwrap();
    assert_refused!(append.write(b"too long"), Error::Overshoot { length: 5 });
    assert_eq!(append.progress(), held(5));
    drop(append);
    assert_eq!(bench.partial().unwrap(), b"too l");
    bench.cancel(&id()).unwrap();

    let mut append = bench.append(&id(), 0).unwrap();
    assert_refused!(append.write(b"too long"), Error::TooLarge { max: 6 });
    append.cut();
    assert_eq!(bench.status(&id()).unwrap(), held(6));
    assert!(bench.published().is_empty());
}

#[test]
fn missing_space_is_refused_before_the_body() {
    let bench = Bench::new();
    assert_refused!(
        bench.append_with(&id(), 0, exactly(1 << 60)),
        Error::NoSpace(_)
    );
    let all = bench.registry.disk.free().unwrap().bytes.unwrap();
    // One upload reserves most of the free space, so a second is refused. A request without a body reserves nothing.
    let half = |name: &str| AppendRequest {
        length: Some(all / 4 * 3),
        ..declared(0, name)
    };
    let mut first = bench.append_with(&id(), 0, half("a")).unwrap();
    let other = Id::new(b"", b"other");
    assert_refused!(bench.append_with(&other, 0, half("b")), Error::NoSpace(_));
    first.write(b"x").unwrap();
    assert_refused!(bench.append_with(&other, 0, half("b")), Error::NoSpace(_));
    assert!(bench.append_with(&other, 0, nothing()).is_ok());
    drop(first);
    assert_refused!(bench.append_with(&other, 0, half("b")), Error::NoSpace(_));
    // An upload is not refused because of its own reservation.
    assert!(bench.append_with(&id(), 1, half("a")).is_ok());
    assert_refused!(bench.append_with(&other, 0, half("b")), Error::NoSpace(_));
    bench.cancel(&id()).unwrap();
    assert!(bench.append_with(&other, 0, half("b")).is_ok());

    let full = Bench::with_floor(u64::MAX);
    assert_refused!(full.append(&id(), 0), Error::NoSpace(_));
    assert!(full.append_with(&id(), 0, nothing()).is_ok());
}

#[test]
fn upload_is_admitted_when_free_space_is_unknown() {
    const ENOSYS: i32 = 38;
    let bench = Bench::with_floor(1 << 30);
    bench.fail(Op::Free, 0, usize::MAX, ENOSYS, None);
    let finished = bench.send(0, b"hello", declared(5, "a")).unwrap();
    assert_eq!(finished.progress, complete(5));
    assert!(bench.faults().came());
    assert_eq!(bench.published(), [file("a", b"hello")]);
}

#[test]
fn failed_check_of_free_space_refuses_the_upload() {
    const EIO: i32 = 5;
    let bench = Bench::new();
    bench.fail(Op::Free, 0, usize::MAX, EIO, None);
    assert_refused!(bench.append_with(&id(), 0, declared(5, "a")), Error::Io(_));
}

#[test]
fn reservation_lasts_from_first_request_to_last() {
    let bench = Bench::new();
    let is_kept = || bench.registry.reservations.has(id().key());
    bench.send(0, b"so", declared(6, "a")).unwrap();
    assert!(is_kept());
    bench.send(2, b"me", AppendRequest::default()).unwrap();
    assert!(is_kept());
    bench.send(4, b"..", AppendRequest::default()).unwrap();
    assert!(!is_kept());
}

impl Bench {
    fn with_floor(min_free: u64) -> Self {
        let mut bench = Self::new();
        bench.options.min_free = min_free;
        bench.reopen();
        bench
    }
}

#[test]
fn admission_reserves_space_until_an_empty_append_ends() {
    let free = Bench::new().registry.disk.free().unwrap().bytes.unwrap();
    let bench = Bench::with_floor(free / 2);
    let append = |name: &[u8]| bench.append_with(&Id::new(b"", name), 0, exactly(free / 3));
    let first = append(b"first").unwrap();
    assert_refused!(append(b"second"), Error::NoSpace(_));
    drop(first);
    append(b"second").unwrap();
}

/// Returns a request of a user that declares `length` bytes.
fn of_user(name: &[u8], length: u64) -> AppendRequest {
    AppendRequest {
        account: Some(Account::of_user(name)),
        length: Some(length),
        ..AppendRequest::default()
    }
}

#[test]
fn reservation_of_one_user_leaves_half_to_others() {
    let bench = Bench::new();
    let all = bench.registry.disk.free().unwrap().bytes.unwrap();
    let append = |name: &[u8], user: &[u8], length| {
        bench.append_with(&Id::new(user, name), 0, of_user(user, length))
    };
    let _first = append(b"1", b"ann", all / 10 * 9).unwrap();
    let too_much = append(b"1", b"bob", all / 10 * 6);
    assert_refused!(too_much, Error::NoSpace(SpaceLimit::Reserved));
    let _second = append(b"1", b"bob", all / 10 * 4).unwrap();
    let own = append(b"2", b"ann", all / 10 * 2);
    assert_refused!(own, Error::NoSpace(SpaceLimit::Reserved));
}

#[test]
fn upload_without_reservation_reserves_again_with_its_next_bytes() {
    let bench = Bench::new();
    let all = bench.registry.disk.free().unwrap().bytes.unwrap();
    let other = Id::new(b"", b"other");
    let admit_other = || bench.append_with(&other, 0, of_user(b"bob", all / 10 * 6));
    let mut append = bench
        .append_with(&id(), 0, of_user(b"ann", all / 10 * 9))
        .unwrap();
    append.write(b"abc").unwrap();
    assert_refused!(admit_other(), Error::NoSpace(SpaceLimit::Reserved));

    bench.registry.reservations.release(id().key());
    let second = admit_other().unwrap();
    let refused = append.write(b"def");
    assert_refused!(refused, Error::NoSpace(SpaceLimit::Reserved));
    assert_eq!(append.progress(), held(3));
    drop(second);
    append.write(b"def").unwrap();
    assert_refused!(admit_other(), Error::NoSpace(SpaceLimit::Reserved));
}
