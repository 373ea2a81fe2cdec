//! One writer: the newest append wins, and no append writes to a cancelled or published upload.

use super::*;
use crate::store::fs::fault::Op;

#[test]
fn newer_append_fences_the_older() {
    let bench = Bench::new();
    let mut old = bench.append_with(&id(), 0, declared(10, "a")).unwrap();
    old.write(b"12345").unwrap();
    assert_refused!(bench.append(&id(), 4), Error::Mismatch);
    old.write(b"6").unwrap();
    let mut new = bench.append(&id(), 6).unwrap();
    assert_refused!(old.write(b"xxxx"), Error::Superseded);
    new.write(b"7890").unwrap();
    assert_refused!(old.finish(Completes::AtLength), Error::Superseded);
    assert_eq!(
        new.finish(Completes::AtLength).unwrap().progress,
        complete(10)
    );
    assert_eq!(bench.published(), [file("a", b"1234567890")]);
}

#[test]
fn append_without_bytes_fences_nothing() {
    let bench = Bench::new();
    let mut writer = bench.append_with(&id(), 0, declared(6, "a")).unwrap();
    writer.write(b"123").unwrap();
    let mut asks = bench.append_with(&id(), 3, nothing()).unwrap();
    assert_refused!(asks.write(b"x"), Error::Superseded);
    assert_eq!(bench.status(&id()).unwrap(), held(3));
    writer.write(b"45").unwrap();
    assert_eq!(asks.finish(Completes::AtLength).unwrap().progress, held(5));
    writer.write(b"6").unwrap();
    assert_eq!(
        writer.finish(Completes::AtLength).unwrap().progress,
        complete(6)
    );
}

#[test]
fn append_from_before_a_cancel_writes_nothing() {
    let bench = Bench::new();
    let mut old = bench.append_with(&id(), 0, declared(10, "a")).unwrap();
    old.write(b"12345").unwrap();
    bench.cancel(&id()).unwrap();
    assert!(bench.left().is_empty());
    assert_refused!(old.write(b"x"), Error::Superseded);

    let mut new = bench.append_with(&id(), 0, declared(7, "b")).unwrap();
    new.write(b"abcde").unwrap();
    assert_refused!(old.write(b"x"), Error::Superseded);
    old.cut();
    new.write(b"fg").unwrap();
    new.finish(Completes::AtLength).unwrap();
    assert_eq!(bench.published(), [file("b", b"abcdefg")]);
}

#[test]
fn append_from_before_a_publish_writes_nothing() {
    let bench = Bench::new();
    let mut old = bench.append(&id(), 0).unwrap();
    old.write(b"12345").unwrap();
    let new = bench.append(&id(), 5).unwrap();
    new.finish(Completes::AtEnd).unwrap();
    assert_refused!(old.write(b"x"), Error::Superseded);
    assert_eq!(bench.published().len(), 1);
    // The append has sent all bytes, and gets the result.
    assert_eq!(
        old.finish(Completes::AtLength).unwrap().progress,
        complete(5)
    );
}

#[test]
fn end_of_a_cancelled_append_is_refused() {
    let bench = Bench::new();
    let mut append = bench.append_with(&id(), 0, declared(3, "a")).unwrap();
    append.write(b"123").unwrap();
    bench.cancel(&id()).unwrap();
    assert_refused!(append.finish(Completes::AtLength), Error::Superseded);
    assert!(bench.left().is_empty() && bench.published().is_empty());
    assert_eq!(bench.registry.len(), 0);
}

#[test]
fn published_file_stays_after_a_cancel() {
    let bench = Bench::new();
    bench.send_whole("a", b"123");
    bench.cancel(&id()).unwrap();
    assert_eq!(bench.published(), [file("a", b"123")]);
    assert_eq!(bench.status(&id()).unwrap(), held(0));
    bench.send_whole("a", b"123");
    assert_eq!(
        bench.published(),
        [file("a", b"123"), file("a (1)", b"123")]
    );
}

#[test]
fn concurrent_appends_leave_one_whole_file() {
    let bench = Bench::new();
    let bytes: Vec<u8> = (0..20_000u32).map(|n| (n % 253) as u8).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| send_until_complete(&bench, &bytes));
        }
    });
    assert_eq!(bench.published(), [file("a", &bytes)]);
    assert_eq!(bench.registry.len(), 0);
}

fn send_until_complete(store: &Store, bytes: &[u8]) {
    loop {
        let at = store.status(&id()).unwrap();
        if at.complete {
            return;
        }
        let from = &bytes[at.offset as usize..];
        let Ok(mut append) = store.append_with(&id(), at.offset, declared(bytes.len(), "a")) else {
            continue;
        };
        if from
            .chunks(997)
            .take(3)
            .all(|window| append.write(window).is_ok())
        {
            let _ = append.finish(Completes::AtLength);
        }
    }
}

#[test]
fn append_and_store_are_send() {
    fn sendable<T: Send>() {}
    sendable::<Append>();
    sendable::<Store>();
}

#[test]
fn status_does_not_wait_for_a_running_write() {
    let bench = Bench::fast();
    let mut writer = bench.append_with(&id(), 0, declared(9, "a")).unwrap();
    writer.write(b"123").unwrap();
    assert_eq!(bench.status(&id()).unwrap(), held(3));

    let write = || writer.write(b"456").unwrap();
    let asked = bench.during(Op::Write, write, || {
        let tail = bench.tail(&id(), held(3)).unwrap().unwrap();
        (bench.durable_progress(&id()), tail.length)
    });
    assert_eq!(asked, (Some(held(3)), 3));
    assert_eq!(bench.durable_progress(&id()), Some(held(6)));
}
