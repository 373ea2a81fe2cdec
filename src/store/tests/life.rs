//! The life of an upload, from the first request to publishing, and the order of its operations on the disk.

use std::os::unix::fs::PermissionsExt;

use super::super::OnConflict;
use super::*;
use crate::store::fs::fault::Op;

#[test]
fn upload_in_three_parts_is_published() {
    let mut bench = Bench::new();
    assert_eq!(
        bench
            .send(0, b"hell", declared(10, "a.txt"))
            .unwrap()
            .progress,
        held(4)
    );
    bench.reopen();
    assert_eq!(bench.status(&id()).unwrap(), held(4));
    assert_eq!(
        bench.send(4, b"o wo", exactly(4)).unwrap().progress,
        held(8)
    );
    assert!(bench.published().is_empty());

    let finished = bench.send(8, b"rd", AppendRequest::default()).unwrap();
    let published = finished.published.unwrap();
    assert_eq!(finished.progress, complete(10));
    assert_eq!((published.id, published.length), (id(), 10));
    assert_eq!(published.path, bench.path().join("a.txt"));
    assert_eq!(bench.published(), [file("a.txt", b"hello word")]);

    bench.reopen();
    assert_eq!(bench.status(&id()).unwrap(), complete(10));
    let again = bench
        .append_with(&id(), 10, exactly(0))
        .unwrap()
        .finish(Completes::AtLength)
        .unwrap();
    assert_eq!(
        (again.progress, again.published.is_none()),
        (complete(10), true)
    );
    assert_refused!(
        bench.append_with(&id(), 10, exactly(1)),
        Error::Overshoot { length: 10 }
    );
    let mut unknown = bench.append(&id(), 10).unwrap();
    assert_refused!(unknown.write(b"!"), Error::Overshoot { length: 10 });
    let unknown = unknown.finish(Completes::AtLength).unwrap();
    assert_eq!(unknown.progress, complete(10));
    assert_refused!(bench.append(&id(), 9), Error::Mismatch);
    assert_eq!(bench.registry.len(), 0, "nobody holds it");
}

#[test]
fn one_request_writes_one_record_and_syncs_in_order() {
    let bench = Bench::new();
    bench.store_other(b"a page is begun for it");
    let before = bench.faults().log().len();
    let mut append = bench.append_with(&id(), 0, declared(5, "a")).unwrap();
    append.write(b"by").unwrap();
    append.write(b"tes").unwrap();
    append.finish(Completes::AtLength).unwrap();
    let log = bench.changes_since(before);
    use Op::*;
    let order = [
        [Create, Write, Write, Sync].as_slice(),
        &[WriteRecord, SyncRecord, SyncDir],
        &[Publish, SyncDir, SyncDir],
    ];
    assert_eq!(log, order.concat());
}

#[test]
fn empty_file_is_synced_before_its_rename() {
    let bench = Bench::new();
    let before = bench.faults().log().len();
    bench.send_whole("empty", b"");
    let log = bench.faults().log()[before..].to_vec();
    let at = |wanted: Op| log.iter().position(|(op, _)| *op == wanted);
    assert!(at(Op::Sync).expect("it is synced") < at(Op::Publish).expect("it is published"));
}

#[test]
fn progress_is_returned_after_all_syncs() {
    let bench = Bench::new();
    let before = bench.faults().log().len();
    bench.send(0, b"some", declared(10, "a")).unwrap();
    let log: Vec<_> = bench.faults().log()[before..]
        .iter()
        .map(|(op, _)| *op)
        .collect();
    use Op::*;
    let matter = |op: &Op| matches!(op, Write | SyncRecord | Sync | Marker | SyncDir);
    let log: Vec<_> = log.into_iter().filter(matter).collect();
    let at = |op| log.iter().position(|it| *it == op);
    assert!(at(Write) < at(Marker) && at(Marker) < at(Sync), "{log:?}");
    // The syncs run at the same time. Afterwards the marker has the synced length alone.
    let syncs = [Sync, SyncRecord, SyncDir];
    assert!(
        log[1..5]
            .iter()
            .all(|op| *op == Marker || syncs.contains(op))
    );
    assert!(syncs.into_iter().all(|op| at(op).is_some()), "{log:?}");
    assert_eq!(log[5..], [Marker]);
}

#[test]
fn end_of_the_body_declares_the_length() {
    let bench = Bench::new();
    let empty = AppendRequest {
        body_length: BodyLength::Nothing,
        ..declared(0, "empty")
    };
    let append = bench.append_with(&id(), 0, empty).unwrap();
    assert_eq!(
        append.finish(Completes::AtLength).unwrap().progress,
        complete(0)
    );

    let other = Id::new(b"", b"other");
    let mut append = bench.append(&other, 0).unwrap();
    append.write(b"abc").unwrap();
    assert_eq!(
        append.finish(Completes::AtLength).unwrap().progress,
        held(3)
    );
    let mut append = bench.append(&other, 3).unwrap();
    append.write(b"d").unwrap();
    assert_eq!(
        append.finish(Completes::AtEnd).unwrap().progress,
        complete(4)
    );
    let name = format!("upload-{}", &other.key().to_string()[..8]);
    assert_eq!(
        bench.published(),
        [file("empty", b""), file(&name, b"abcd")]
    );
}

#[test]
fn end_before_the_declared_length_keeps_bytes() {
    let bench = Bench::new();
    let mut append = bench.append_with(&id(), 0, declared(10, "a")).unwrap();
    append.write(b"half").unwrap();
    assert_refused!(
        append.finish(Completes::AtEnd),
        Error::LengthDiffers { declared: 10 }
    );
    assert_eq!(bench.status(&id()).unwrap(), held(4));
}

#[test]
fn requests_without_bytes_and_declarations_leave_no_file() {
    let bench = Bench::new();
    assert_eq!(bench.status(&id()).unwrap(), held(0));
    assert_eq!(bench.durable_progress(&id()), Some(held(0)));
    assert_eq!(bench.tail(&id(), held(0)).unwrap(), None);
    bench.cancel(&id()).unwrap();
    bench.append_with(&id(), 0, nothing()).unwrap().cut();
    let empty = bench.append_with(&id(), 0, exactly(0)).unwrap();
    assert_eq!(empty.finish(Completes::AtLength).unwrap().progress, held(0));
    assert!(bench.left().is_empty());
    assert_eq!(bench.registry.len(), 0);
}

#[test]
fn declaration_without_bytes_survives_a_restart() {
    let mut bench = Bench::new();
    let intent = AppendRequest {
        body_length: BodyLength::Nothing,
        ..declared(10, "a")
    };
    let append = bench.append_with(&id(), 0, intent).unwrap();
    assert_eq!(
        append.finish(Completes::AtLength).unwrap().progress,
        held(0)
    );
    bench.reopen();
    assert_refused!(
        bench.append_with(&id(), 0, declared(9, "a")),
        Error::LengthDiffers { declared: 10 }
    );
    assert_eq!(bench.left().len(), 1);
}

#[test]
fn long_record_is_read_whole() {
    let bench = Bench::new();
    for length in [900, 1_000, 3_000] {
        let name = "x".repeat(length);
        bench.send(0, b"some", declared(8, &name)).unwrap();
        let published = bench
            .send(4, b"more", AppendRequest::default())
            .unwrap()
            .published;
        assert_eq!(published.unwrap().file.name, Some(name.into()));
        bench.cancel(&id()).unwrap();
    }
}

#[test]
fn cut_or_dropped_append_keeps_its_bytes() {
    let mut bench = Bench::new();
    let mut append = bench.append_with(&id(), 0, declared(10, "a")).unwrap();
    append.write(b"some").unwrap();
    assert_eq!(bench.durable_progress(&id()), None, "not without a sync");
    append.cut();
    assert!(bench.record().unwrap().contains("\"length\":10"));

    let mut append = bench.append(&id(), 4).unwrap();
    append.write(b"more").unwrap();
    drop(append);
    bench.reopen();
    assert_eq!(bench.status(&id()).unwrap(), held(8));
}

#[test]
fn durable_progress_is_known_after_a_status() {
    let bench = Bench::new();
    let mut append = bench.append_with(&id(), 0, declared(10, "a")).unwrap();
    append.write(b"some").unwrap();
    assert_eq!(bench.status(&id()).unwrap(), held(4));
    assert_eq!(bench.durable_progress(&id()), Some(held(4)));
    append.write(b"m").unwrap();
    assert_eq!(bench.durable_progress(&id()), None);
}

#[test]
fn append_syncs_in_background_every_64_mib() {
    let bench = Bench::new();
    let mut append = bench.append(&id(), 0).unwrap();
    append.write(b"a").unwrap();
    let syncs = || {
        bench
            .faults()
            .log()
            .iter()
            .filter(|(op, _)| *op == Op::Sync)
            .count()
    };
    let upload = bench.upload(&id());
    upload
        .lock()
        .unwrap()
        .durability_mut()
        .set_dirty_bytes((64 << 20) - 2);
    append.write(b"b").unwrap();
    assert_eq!(syncs(), 0);
    append.write(b"c").unwrap();
    append.write(b"d").unwrap();
    append.wait_for_sync().unwrap();
    assert_eq!(syncs(), 1);
}

#[test]
fn only_an_incomplete_upload_has_a_tail() {
    let bench = Bench::new();
    let bytes: Vec<u8> = (0..100_000u32).map(|n| (n % 251) as u8).collect();
    bench
        .send(0, &bytes[..70_000], declared(bytes.len(), "a"))
        .unwrap();
    let tail = bench.tail(&id(), held(70_000)).unwrap().unwrap();
    assert_eq!(
        (tail.length, tail.crc32),
        (65_536, crc32fast::hash(&bytes[70_000 - 65_536..70_000]))
    );
    let earlier = bench.tail(&id(), held(10)).unwrap().unwrap();
    assert_eq!(
        (earlier.length, earlier.crc32),
        (10, crc32fast::hash(&bytes[..10]))
    );
    assert_eq!(bench.tail(&id(), held(70_001)).unwrap(), None);

    bench
        .send(70_000, &bytes[70_000..], AppendRequest::default())
        .unwrap();
    assert_eq!(bench.tail(&id(), complete(100_000)).unwrap(), None);
    assert_eq!(bench.tail(&id(), held(70_000)).unwrap(), None);
}

#[test]
fn taken_name_is_numbered_or_replaced() {
    let bench = Bench::new();
    on_disk::write(bench.path().join("a.txt"), b"old").unwrap();
    on_disk::create_dir(bench.path().join("a (1).txt")).unwrap();
    let published = bench.send_whole("a.txt", b"new").published.unwrap();
    assert_eq!(published.path, bench.path().join("a (2).txt"));
    assert_eq!(published.file.name.as_deref(), Some("a.txt"));
    assert_eq!(on_disk::read(bench.path().join("a.txt")).unwrap(), b"old");

    let bench = Bench::with(Options {
        on_conflict: OnConflict::Replace,
        ..Options::default()
    });
    on_disk::write(bench.path().join("a.txt"), b"old").unwrap();
    on_disk::create_dir(bench.path().join("b.txt")).unwrap();
    bench.send_whole("a.txt", b"new");
    assert_eq!(bench.published_file("a.txt"), b"new");
    let mut append = bench
        .append_with(&Id::new(b"", b"b"), 0, declared(1, "b.txt"))
        .unwrap();
    append.write(b"b").unwrap();
    append.finish(Completes::AtLength).unwrap();
    assert_eq!(bench.published_file("b (1).txt"), b"b");
}

#[test]
fn partials_are_private_and_files_follow_the_umask() {
    let bench = Bench::new();
    let mode = |path: &Path| on_disk::metadata(path).unwrap().permissions().mode() & 0o777;
    bench.send_whole("a", b"bytes");
    on_disk::write(bench.path().join("plain"), b"").unwrap();
    assert_eq!(mode(&bench.path().join(".resumed")), 0o700);
    assert_eq!(
        mode(&bench.path().join("a")),
        mode(&bench.path().join("plain"))
    );
}

#[test]
fn fast_mode_never_syncs() {
    let mut bench = Bench::fast();
    bench.send(0, b"some", declared(8, "a")).unwrap();
    assert_eq!(bench.durable_progress(&id()), Some(held(4)));
    bench.reopen();
    assert_eq!(bench.status(&id()).unwrap(), held(4));
    bench.send(4, b"more", AppendRequest::default()).unwrap();
    let syncs = |op: &Op| matches!(op, Op::Sync | Op::SyncRecord | Op::SyncDir);
    assert!(!bench.faults().log().iter().any(|(op, _)| syncs(op)));
    assert_eq!(bench.published(), [file("a", b"somemore")]);
}

impl Bench {
    fn published_file(&self, name: &str) -> Vec<u8> {
        on_disk::read(self.path().join(name)).unwrap()
    }
}

#[test]
fn published_file_replaced_by_its_copy_stays_known() {
    for length in [0, 5, 30_000, 100_000] {
        let mut bench = Bench::quick();
        // Every start runs a sweep.
        bench.sweep(std::time::SystemTime::now());
        let bytes = vec![b'a'; length];
        bench.send_whole("a.txt", &bytes);
        let (file, copy) = (bench.path().join("a.txt"), bench.path().join("copy"));
        for closed in [false, true] {
            on_disk::copy(&file, &copy).unwrap();
            on_disk::rename(&copy, &file).unwrap();
            if closed {
                bench.reopen();
            }
            assert_eq!(bench.status(&id()).unwrap(), complete(length as u64));
        }
    }
}
