//! The completion log.

use std::time::SystemTime;

use super::super::{Precondition, Sharing};
use super::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const EIO: i32 = 5;

impl Bench {
    fn segment_path(&self, number: u32) -> PathBuf {
        self.path().join(format!(".resumed/journal/{number}"))
    }

    fn segment(&self, number: u32) -> String {
        on_disk::read_to_string(self.segment_path(number)).unwrap()
    }

    fn segments(&self) -> Vec<String> {
        let mut segments = names(&self.path().join(".resumed/journal"));
        segments.sort();
        segments
    }

    /// Returns the progress of the other upload.
    fn other(&self) -> Progress {
        self.status(&Id::new(b"", b"other")).unwrap()
    }
}

#[test]
fn upload_in_one_request_has_an_entry_and_others_a_record_file() {
    let mut bench = Bench::new();
    bench.store_other(b"whole");
    bench.send(0, b"so", declared(6, "a")).unwrap();
    bench.send(2, b"me", AppendRequest::default()).unwrap();
    bench.send(4, b"..", AppendRequest::default()).unwrap();
    assert_eq!(bench.segment(1).lines().count(), 1);
    assert_eq!(bench.left(), [format!("{}.json", id().key())]);
    assert_eq!(bench.entry(), None);
    bench.reopen();
    assert_eq!(bench.other(), complete(5));
    assert_eq!(bench.status(&id()).unwrap(), complete(6));
    bench.sweep(SystemTime::now());
    let known = AppendRequest {
        precondition: Precondition::Exists,
        ..nothing()
    };
    let other = Id::new(b"", b"other");
    assert!(bench.append_with(&other, 5, known.clone()).is_ok());
    let nobody = Id::new(b"", b"nobody");
    assert_refused!(bench.append_with(&nobody, 0, known), Error::Unknown);
}

#[test]
fn new_upload_does_not_wait_for_a_write_to_the_log() {
    let bench = Bench::fast();
    bench.store_other(b"whole");
    let store = || drop(bench.send_whole("a", b"bytes"));
    let new = Id::new(b"", b"new");
    let held_of_new = bench.during(Op::WriteRecord, store, || {
        let append = bench.append_with(&new, 0, declared(3, "b")).unwrap();
        append.progress()
    });
    assert_eq!(held_of_new, held(0));
    assert_eq!(bench.status(&id()).unwrap(), complete(5));
}

#[test]
fn torn_entry_does_not_count_and_earlier_entries_do() {
    let mut bench = Bench::new();
    bench.store_other(b"whole");
    bench.send_whole("a", b"bytes");
    let segment = bench.segment(1);
    let torn = &segment[..segment.len() - 1];
    bench.closed(|bench| on_disk::write(bench.segment_path(1), torn).unwrap());
    assert_eq!(bench.status(&id()).unwrap(), held(0));
    assert_eq!(bench.other(), complete(5));
    // A new entry behind the torn one would be torn too.
    bench.send_whole("a", b"bytes");
    assert_eq!(bench.segments(), ["1", "2"]);
    bench.reopen();
    assert_eq!(bench.status(&id()).unwrap(), complete(5));
}

#[test]
fn removed_record_stays_removed_until_the_upload_comes_again() {
    let mut bench = Bench::new();
    for name in ["a", "b"] {
        bench.send_whole(name, b"bytes");
        bench.reopen();
        assert!(bench.cancel(&id()).unwrap());
        for _ in 0..2 {
            assert_eq!(bench.status(&id()).unwrap(), held(0));
            assert_eq!(bench.record(), None);
            bench.reopen();
        }
    }
    // The upload now gets a record file, which counts before the log.
    bench.send(0, b"by", declared(5, "c")).unwrap();
    bench.send(2, b"tes", AppendRequest::default()).unwrap();
    bench.reopen();
    assert_eq!(bench.status(&id()).unwrap(), complete(5));
    assert_eq!(bench.published().len(), 3);
}

#[test]
fn removed_file_makes_its_upload_unknown() {
    let mut bench = Bench::new();
    let path = bench.send_whole("a", b"bytes").published.unwrap().path;
    on_disk::remove_file(path).unwrap();
    assert_eq!(bench.status(&id()).unwrap(), held(0));
    // Another file of that name does not bring the upload back.
    bench.store_as("a", b"other");
    bench.reopen();
    assert_eq!(bench.status(&id()).unwrap(), held(0));
}

#[test]
fn tombstone_is_durable_before_new_bytes() {
    for reopens in [false, true] {
        let mut bench = Bench::fast();
        let path = bench.send_whole("a", b"bytes").published.unwrap().path;
        on_disk::remove_file(path).unwrap();
        if reopens {
            assert_eq!(bench.status(&id()).unwrap(), held(0));
        }
        bench.options.sync = SyncMode::Durable;
        bench.reopen();
        bench.append(&id(), 0).unwrap().write(b"some").unwrap();
        let log = bench.faults().log();
        let at = |wanted: Op| log.iter().rposition(|(op, _)| *op == wanted);
        assert!(at(Op::SyncRecord).expect("a sync") < at(Op::Create).expect("a file"));
        assert!(at(Op::WriteRecord) < at(Op::SyncRecord));
    }
}

#[test]
fn entries_of_a_failed_sync_go_to_another_segment() {
    let mut bench = Bench::new();
    bench.store_other(b"whole");
    bench.fail(Op::SyncRecord, 0, 1, EIO, None);
    assert_refused!(bench.send(0, b"bytes", declared(5, "a")), Error::Io(_));
    assert_refused!(bench.status(&id()), Error::Poisoned);
    bench.store_as("b", b"later");
    assert_eq!(bench.segment(2).lines().count(), 2);
    // The failed sync has lost the entry in the first segment.
    let first = bench.segment(1);
    let durable = first.split_inclusive('\n').next().unwrap();
    bench.closed(|bench| on_disk::write(bench.segment_path(1), durable).unwrap());
    assert_eq!(bench.status(&id()).unwrap(), complete(5));
    let published = bench.published();
    let names: Vec<_> = published.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["a", "b", "other"]);
}

#[test]
fn sealed_segment_is_part_of_the_next_sync() {
    let bench = Bench::new();
    let path = bench.send_whole("a", b"bytes").published.unwrap().path;
    on_disk::remove_file(path).unwrap();
    bench.append(&id(), 0).unwrap().cut();
    assert_eq!(bench.segment(1).lines().count(), 2, "record and tombstone");
    bench.fail(Op::SyncRecord, 0, 1, EIO, None);
    bench.sweep(SystemTime::now() + DAY);
    assert!(bench.faults().came());
    bench.store_other(b"whole");
    assert_eq!(bench.segment(2).lines().count(), 2, "tombstone and record");
}

#[test]
fn entries_of_an_earlier_server_are_synced_before_a_response() {
    for times in [0, 1, 2] {
        let mut bench = Bench::fast();
        bench.send_whole("a", b"bytes");
        bench.store_other(b"whole");
        assert!(bench.cancel(&Id::new(b"", b"other")).unwrap());
        bench.options.sync = SyncMode::Durable;
        bench.reopen();
        bench.fail(Op::SyncRecord, 0, times, EIO, None);
        match times {
            2 => assert_refused!(bench.status(&id()), Error::Io(_)),
            _ => assert_eq!(bench.status(&id()).unwrap(), complete(5)),
        }
        assert!(bench.faults().log().contains(&(Op::SyncRecord, times == 0)));
        if times > 0 {
            bench.store_as("later", b"later");
            // The failed sync has lost the first segment.
            bench.closed(|bench| on_disk::write(bench.segment_path(1), b"").unwrap());
            assert_eq!(bench.status(&id()).unwrap(), complete(5));
        }
        assert_eq!(bench.other(), held(0));
    }
}

#[test]
fn failed_write_to_the_log_leaves_the_bytes() {
    let mut bench = Bench::new();
    for op in [Op::CreateRecord, Op::WriteRecord] {
        bench.fail(op, 0, 1, EIO, None);
        let sent = bench.send(0, b"bytes", declared(5, "a"));
        assert_refused!(sent, Error::NotPublished(_));
        assert_eq!(bench.partial().unwrap(), b"bytes");
        assert!(bench.cancel(&id()).unwrap());
        bench.reopen();
        assert_eq!(bench.status(&id()).unwrap(), held(0));
    }
    assert!(bench.published().is_empty());
}

#[test]
fn segment_goes_after_the_lifetime_of_a_record() {
    let mut bench = Bench::new();
    bench.store_other(b"whole");
    let now = SystemTime::now();
    bench.sweep(now + DAY);
    bench.send_whole("a", b"bytes");
    assert_eq!(
        bench.segments(),
        ["1", "2"],
        "the first was begun a day ago"
    );
    bench.sweep(now + 6 * DAY);
    assert_eq!(bench.segments(), ["1", "2"]);
    assert_eq!(bench.sweep(now + 8 * DAY).forgotten, 2);
    assert!(bench.segments().is_empty());
    assert_eq!(bench.status(&id()).unwrap(), held(0));
    bench.send_whole("b", b"bytes");
    bench.reopen();
    assert_eq!(bench.status(&id()).unwrap(), complete(5));
}

#[test]
fn new_entry_does_not_wait_while_an_expired_segment_is_read() {
    let mut bench = Bench::new();
    bench.store_other(b"whole");
    bench.reopen();
    let (sender, receiver) = mpsc::channel();
    let send = |_: &[u8], _| {
        let (store, sender) = (Store::clone(&bench), sender.clone());
        thread::spawn(move || {
            let mut append = store.append_with(&id(), 0, declared(5, "a")).unwrap();
            append.write(b"bytes").unwrap();
            sender.send(append.finish(Completes::AtLength)).unwrap();
        });
        let sent = receiver.recv_timeout(Duration::from_secs(10));
        sent.expect("it waits").unwrap();
        false
    };
    let forgotten = bench.registry.log.sweep(DAY, |_, _, _| true, send);
    assert_eq!(forgotten.unwrap(), 1);
    assert_eq!(bench.other(), held(0));
    assert_eq!(bench.status(&id()).unwrap(), complete(5));
}

#[test]
fn record_with_a_due_hook_outlives_its_segment() {
    let mut bench = Bench::with(Options {
        mark_hooks: true,
        ..Options::default()
    });
    bench.send_whole("a", b"bytes");
    bench.store_other(b"whole");
    bench.hooked(&Id::new(b"", b"other")).unwrap();
    let late = SystemTime::now() + 8 * DAY;
    assert_eq!(bench.sweep(late).forgotten, 1);
    assert_eq!(bench.segments(), ["2"]);
    bench.reopen();
    assert_eq!(bench.due().unwrap().len(), 1);
}

#[test]
fn shared_server_turns_entries_into_record_files() {
    let mut bench = Bench::new();
    bench.send_whole("a", b"bytes");
    bench.store_other(b"whole");
    bench.cancel(&Id::new(b"", b"other")).unwrap();
    bench.options.sharing = Sharing::Shared;
    bench.reopen();
    assert!(bench.segments().is_empty());
    assert!(bench.left().contains(&format!("{}.json", id().key())));
    assert_eq!(bench.status(&id()).unwrap(), complete(5));
    assert_eq!(bench.other(), held(0));
}

#[test]
fn write_beyond_the_length_in_mid_publish_adds_no_record_file() {
    let mut bench = Bench::new();
    let bytes = vec![b'a'; 1 << 20];
    let whole = declared(bytes.len(), "a");
    let mut append = bench.append_with(&id(), 0, whole).unwrap();
    append.write(&bytes).unwrap();
    let publish = || assert_eq!(bench.status(&id()).unwrap(), complete(1 << 20));
    bench.during(Op::WriteRecord, publish, || {
        assert_refused!(append.write(b"b"), Error::Overshoot { .. });
    });
    drop(append);
    bench.reopen();
    assert_eq!(bench.status(&id()).unwrap(), complete(1 << 20));
}
