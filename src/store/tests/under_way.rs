//! The list of uploads under way.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use super::{Bench, Completes, Id, declared, id, on_disk};
use crate::store::UnderWay;
use crate::store::fs::fault::Op;

/// Returns the offsets that the list states while `act` waits in `op`. The list needs no disk access.
fn offsets_during(bench: &Bench, op: Op, act: impl FnOnce() + Send) -> Vec<u64> {
    let (looks, listed) = bench.during(op, act, || {
        let before = bench.faults().log().len();
        let listed = bench.under_way(b"alice");
        (bench.faults().log().len() - before, listed)
    });
    assert_eq!(looks, 0);
    listed.iter().map(|upload| upload.offset).collect()
}

#[test]
fn upload_under_way_is_listed_without_disk_access() {
    let bench = Bench::new();
    let mut append = bench
        .append_with(&id(), 0, declared(10, "holiday.mp4"))
        .unwrap();
    append.write(b"01234").unwrap();
    let expected = UnderWay {
        id: id(),
        name: Some("holiday.mp4".into()),
        offset: 5,
        length: Some(10),
        idle_secs: 0,
        publishing: None,
    };
    assert_eq!(bench.under_way(b"alice"), [expected]);
    assert_eq!(bench.under_way(b"bob"), []);

    let write = || append.write(b"56789").unwrap();
    assert_eq!(offsets_during(&bench, Op::Write, write), [5]);
    let finish = || drop(append.finish(Completes::AtLength).unwrap());
    assert_eq!(offsets_during(&bench, Op::Sync, finish), [10]);
    assert_eq!(bench.under_way(b"alice"), []);
    assert_eq!(bench.registry.len(), 0);
}

#[test]
fn questions_do_not_list_an_upload_as_under_way() {
    let bench = Bench::new();
    let mut append = bench
        .append_with(&id(), 0, declared(10, "holiday.mp4"))
        .unwrap();
    append.write(b"01234").unwrap();
    append.cut();
    let hold = bench.upload(&id());
    hold.status(&id()).unwrap();
    assert_eq!(bench.under_way(b"alice"), []);
}

#[test]
fn at_most_1000_uploads_are_listed_as_under_way() {
    let bench = Bench::quick();
    let begin = |number: u32| {
        let id = Id::new(b"", &number.to_be_bytes());
        bench.append_with(&id, 0, declared(10, "a")).unwrap()
    };
    let _appends: Vec<_> = (0..1100).map(begin).collect();
    assert_eq!(bench.under_way(b"").len(), 1000);
}

#[test]
fn status_beside_removed_files_is_always_answered() {
    let bench = Bench::fast();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let asks = scope.spawn(|| {
            while !over.load(Relaxed) {
                bench.status(&id()).expect("an answer");
            }
        });
        let sent: Vec<_> = (0..1_000)
            .map(|_| bench.send(0, b"bytes", declared(5, "a")))
            .map(|sent| sent.and(Ok(on_disk::remove_file(bench.path().join("a"))?)))
            .collect();
        over.store(true, Relaxed);
        asks.join().expect("each was answered");
        assert!(sent.iter().all(Result::is_ok));
    });
}
