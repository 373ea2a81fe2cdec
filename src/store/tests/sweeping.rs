//! Sweeping, and the hooks that are due.

use std::time::{Duration, SystemTime};

use super::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[test]
fn partials_expire_and_finished_files_stay() {
    let bench = Bench::new();
    bench.send(0, b"some", declared(10, "a")).unwrap();
    bench.store_other(b"whole");
    let now = SystemTime::now();
    let early = bench.sweep(now + 6 * DAY);
    assert_eq!((early.expired, early.forgotten), (0, 0));
    let late = bench.sweep(now + 8 * DAY);
    assert_eq!((late.expired, late.forgotten), (1, 1));
    assert!(bench.left().is_empty());
    assert_eq!(bench.published(), [file("other", b"whole")]);
    assert_eq!(bench.status(&id()).unwrap(), held(0));
}

#[test]
fn declarations_without_a_byte_expire_too() {
    let bench = Bench::new();
    let intent = AppendRequest {
        body_length: BodyLength::Nothing,
        ..declared(10, "a")
    };
    bench
        .append_with(&id(), 0, intent)
        .unwrap()
        .finish(Completes::AtLength)
        .unwrap();
    assert_eq!(bench.sweep(SystemTime::now() + 8 * DAY).expired, 1);
    assert!(bench.left().is_empty());
}

#[test]
fn small_partial_of_a_long_upload_expires_after_a_day() {
    let mut bench = Bench::fast();
    let begin = |name: &str, bytes: usize, length: Option<u64>| {
        let request = AppendRequest {
            length,
            ..declared(0, name)
        };
        let id = Id::new(b"", name.as_bytes());
        let mut append = bench.append_with(&id, 0, request).unwrap();
        append.write(&vec![1; bytes]).unwrap();
        let finished = append.finish(Completes::AtLength).unwrap();
        finished.expires.expect("it expires").left
    };
    assert_eq!(begin("few of many", 1, Some(65_537)), DAY);
    assert_eq!(begin("few of an unknown length", 65_535, None), DAY);
    assert_eq!(begin("many", 65_536, Some(65_537)), 7 * DAY);
    assert_eq!(begin("many of an unknown length", 65_536, None), 7 * DAY);
    assert_eq!(begin("few of few", 1, Some(65_536)), 7 * DAY);
    bench.reopen();
    let now = SystemTime::now();
    assert_eq!(bench.sweep(now + DAY / 2).expired, 0);
    assert_eq!(bench.sweep(now + DAY * 3 / 2).expired, 2);
    assert_eq!(bench.sweep(now + 6 * DAY).expired, 0);
    assert_eq!(bench.sweep(now + 8 * DAY).expired, 3);
}

#[test]
fn sweep_leaves_open_appends_alone() {
    let bench = Bench::new();
    let mut append = bench.append_with(&id(), 0, declared(8, "a")).unwrap();
    append.write(b"some").unwrap();
    assert_eq!(bench.sweep(SystemTime::now() + 8 * DAY).expired, 0);
    append.write(b"more").unwrap();
    append.finish(Completes::AtLength).unwrap();
    assert_eq!(bench.published(), [file("a", b"somemore")]);
}

#[test]
fn time_of_the_client_expires_nothing() {
    let bench = Bench::new();
    let old = changed_at(1, declared(10, "a"));
    bench.send(0, b"some", old).unwrap();
    assert_eq!(bench.sweep(SystemTime::now()).expired, 0);
}

#[test]
fn sweep_removes_temporaries_and_keeps_foreign_files() {
    let mut bench = Bench::new();
    bench.closed(|bench| {
        for name in [".record-77-99-abc", "notes.txt", "0123.json"] {
            on_disk::write(bench.path().join(".resumed").join(name), b"").unwrap();
        }
    });
    let report = bench.sweep(SystemTime::now());
    assert_eq!((report.temporaries, report.foreign), (1, 2));
    assert_eq!(bench.left(), ["0123.json", "notes.txt"]);
}

#[test]
fn sweep_keeps_temporaries_of_this_server_at_any_age() {
    let bench = Bench::new();
    bench.send(0, b"some", declared(10, "a")).unwrap();
    let change = changed_at(1_700_000_000_000, exactly(2));
    let send = || drop(bench.send(4, b"by", change).unwrap());
    let is_temporary = |name: &String| name.starts_with(".record-");
    let slow = bench.during(Op::WriteRecord, send, || {
        bench.left().into_iter().find(is_temporary)
    });
    let slow = bench.path().join(".resumed").join(slow.unwrap());
    on_disk::write(&slow, b"").unwrap();
    let later = SystemTime::now() + Duration::from_secs(3600);
    assert_eq!(bench.sweep(later).temporaries, 0);
    assert!(slow.exists());
}

#[test]
fn sweep_forgets_uploads_with_removed_files() {
    let bench = Bench::new();
    bench.send(0, b"by", declared(5, "a")).unwrap();
    bench.send(2, b"tes", AppendRequest::default()).unwrap();
    on_disk::remove_file(bench.path().join("a")).unwrap();
    assert_eq!(bench.sweep(SystemTime::now()).forgotten, 1);
    assert!(bench.left().is_empty());
}

#[test]
fn hooks_are_due_until_they_have_run() {
    let mut bench = Bench::with(Options {
        mark_hooks: true,
        ..Options::default()
    });
    let path = bench.send_whole("a", b"bytes").published.unwrap().path;
    assert!(bench.record().unwrap().contains("\"hook\":\"due\""));
    bench.reopen();
    let due = bench.due().unwrap();
    assert_eq!((due.len(), &due[0].id, &due[0].path), (1, &id(), &path));
    assert_eq!((due[0].file.name.as_deref(), due[0].length), (Some("a"), 5));

    // The hook moves the file, and then reports.
    on_disk::remove_file(path).unwrap();
    assert_eq!(bench.status(&id()).unwrap(), complete(5));
    bench.sweep(SystemTime::now() + 8 * DAY);
    bench.hooked(&id()).unwrap();
    assert!(bench.due().unwrap().is_empty());
    bench.reopen();
    assert!(bench.due().unwrap().is_empty());
    assert_eq!(bench.status(&id()).unwrap(), complete(5));
    assert_eq!(bench.sweep(SystemTime::now() + 8 * DAY).forgotten, 1);
    bench.hooked(&id()).unwrap();
    assert_eq!(bench.status(&id()).unwrap(), held(0));
}

#[test]
fn no_hook_is_due_without_the_option() {
    let bench = Bench::new();
    bench.send_whole("a", b"bytes");
    assert!(!bench.record().unwrap().contains("hook"));
    assert!(bench.due().unwrap().is_empty());
}

#[test]
fn after_a_sweep_only_uploads_with_files_are_looked_up() {
    let bench = Bench::new();
    bench.sweep(SystemTime::now());
    let lookups = |bench: &Bench, deed: &dyn Fn()| {
        let before = bench.faults().log().len();
        deed();
        let log = bench.faults().log();
        log[before..]
            .iter()
            .filter(|(op, _)| *op == Op::Open)
            .count()
    };
    let create = || bench.append(&id(), 0).unwrap().write(b"some").unwrap();
    assert_eq!(lookups(&bench, &create), 0);
    let ask = || assert_eq!(bench.status(&id()).unwrap(), held(4));
    assert_eq!(lookups(&bench, &ask), 1);
    bench.cancel(&id()).unwrap();
    assert_eq!(lookups(&bench, &create), 0);
    bench.send(4, b"more", declared(8, "a")).unwrap();
    assert_eq!(bench.status(&id()).unwrap(), complete(8));
}

#[test]
fn upload_begun_during_a_sweep_is_found() {
    let bench = Bench::new();
    let list = || drop(bench.sweep(SystemTime::now()));
    bench.during(Op::List, list, || {
        bench.append(&id(), 0).unwrap().write(b"some").unwrap();
    });
    assert_eq!(bench.status(&id()).unwrap(), held(4));
}
