//! The trusted bytes of a partial after a new mount.

use std::time::{Instant, SystemTime};

use rustix::fs::XattrFlags;
use rustix::io::Errno;

use super::*;
use crate::store::fs::fault::Op;
use crate::store::fs::filename::FilePath;
use crate::store::fs::marker::MARKER;
use crate::store::fs::record::{Publishing, Record};

impl Bench {
    /// Reopens the store as on a new mount.
    fn mounted_anew(&mut self) {
        self.closed(|bench| {
            on_disk::write(bench.path().join(".resumed/lock"), "another boot").unwrap();
        });
    }

    /// Writes four bytes that a response reported, and four more. Returns false if the file system stores no marker.
    fn write_reported_and_more(&self) -> bool {
        self.send(0, b"sync", declared(10, "a")).unwrap();
        let mut append = self.append(&id(), 4).unwrap();
        append.write(b"more").unwrap();
        mark_of(&self.data_path()) != Err(Errno::OPNOTSUPP)
    }

    /// Runs the tasks after a start. Returns whether the file system can be synced as a whole.
    fn is_confirmed(&self) -> bool {
        self.sweep(SystemTime::now());
        self.confirm_files();
        let is_possible = self.registry.disk.sync_file_system().unwrap();
        if !is_possible {
            eprintln!("left out: the temporary directory is on another file system");
        }
        is_possible
    }

    /// Asserts the offset of a status.
    fn expect_offset(&self, offset: u64) {
        assert_eq!(self.status(&id()).unwrap(), held(offset));
    }

    /// Returns the number of syncs.
    fn syncs(&self, deed: impl FnOnce(&Self)) -> usize {
        self.syncs_of(deed).len()
    }

    /// Returns the syncs, in the order of [`SYNCS`].
    fn syncs_of(&self, deed: impl FnOnce(&Self)) -> Vec<Op> {
        let before = self.faults().log().len();
        deed(self);
        let log = &self.faults().log()[before..];
        let each = |op: Op| {
            log.iter()
                .map(|(done, _)| *done)
                .filter(move |it| *it == op)
        };
        SYNCS.into_iter().flat_map(each).collect()
    }
}

const SYNCS: [Op; 3] = [Op::Sync, Op::SyncRecord, Op::SyncDir];

fn mark(path: &Path, text: &str) {
    rustix::fs::setxattr(path, MARKER, text.as_bytes(), XattrFlags::REPLACE).unwrap();
}

fn mark_of(path: &Path) -> Result<usize, Errno> {
    rustix::fs::getxattr(path, MARKER, &mut [0; 64])
}

fn marker_of(path: &Path) -> String {
    let mut text = [0; 64];
    let length = rustix::fs::getxattr(path, MARKER, &mut text[..]).unwrap();
    String::from_utf8(text[..length].into()).unwrap()
}

#[test]
fn written_bytes_count_while_the_mount_lasts() {
    let mut bench = Bench::new();
    bench.write_reported_and_more();
    bench.reopen();
    assert_eq!(bench.partial().unwrap(), b"syncmore");
    assert_eq!(bench.status(&id()).unwrap(), held(8));
}

#[test]
fn new_mount_truncates_to_reported_bytes() {
    let mut bench = Bench::new();
    if bench.write_reported_and_more() {
        bench.mounted_anew();
        assert_eq!(bench.status(&id()).unwrap(), held(4));
        assert_eq!(bench.partial().unwrap(), b"sync");
        bench.send(4, b"upload", AppendRequest::default()).unwrap();
        assert_eq!(bench.published(), [file("a", b"syncupload")]);
    }
}

#[test]
fn open_reads_no_upload_and_any_load_truncates() {
    let looks: [fn(&Bench); 3] = [
        |bench| assert_eq!(bench.status(&id()).unwrap(), held(4)),
        |bench| assert_eq!(bench.append(&id(), 4).unwrap().progress(), held(4)),
        |bench| assert_eq!(bench.sweep(SystemTime::now()).foreign, 0),
    ];
    for look in looks {
        let mut bench = Bench::new();
        if bench.write_reported_and_more() {
            bench.mounted_anew();
            let log = bench.faults().log();
            let ops: Vec<_> = log.iter().map(|(op, _)| *op).collect();
            // Opening does only these steps, for any number of files.
            assert_eq!(
                ops,
                [Op::LockAtOpen, Op::SyncAtOpen, Op::SyncAtOpen, Op::Free]
            );
            look(&bench);
            assert_eq!(bench.partial().unwrap(), b"sync");
        }
    }
}

#[test]
fn sweep_ends_the_recovery() {
    let mut bench = Bench::new();
    if bench.write_reported_and_more() {
        for (sweeps, believed) in [(false, 4), (true, 8)] {
            bench.mounted_anew();
            if sweeps {
                bench.sweep(SystemTime::now());
            }
            bench.append(&id(), 4).unwrap().write(b"more").unwrap();
            bench.reopen();
            assert_eq!(bench.status(&id()).unwrap(), held(believed));
        }
    }
}

#[test]
fn incomplete_sweep_does_not_end_the_recovery() {
    let mut bench = Bench::new();
    if bench.write_reported_and_more() {
        bench.mounted_anew();
        bench.fail(Op::Open, 0, usize::MAX, 5, None);
        bench.sweep(SystemTime::now());
        bench.reopen();
        assert_eq!(bench.status(&id()).unwrap(), held(4));
    }
}

#[test]
fn unreported_bytes_are_lost_after_a_new_mount() {
    let mut bench = Bench::new();
    if bench.write_reported_and_more() {
        bench.cancel(&id()).unwrap();
        bench.append(&id(), 0).unwrap().write(b"zeros").unwrap();
        bench.mounted_anew();
        assert_eq!(bench.status(&id()).unwrap(), held(0));
    }
}

#[test]
fn pending_marker_counts_only_with_its_bytes() {
    for (bytes, offset) in [(b"syncmore", 8), (b"syncmor\0", 4), (b"sync\0\0\0\0", 4)] {
        let mut bench = Bench::new();
        if bench.write_reported_and_more() {
            bench.closed(|bench| {
                mark(
                    &bench.data_path(),
                    &format!("4 8 {:08x}", crc32fast::hash(b"more")),
                );
                on_disk::write(bench.data_path(), bytes).unwrap();
            });
            bench.mounted_anew();
            bench.expect_offset(offset);
            assert_eq!(bench.partial().unwrap(), bytes[..offset as usize]);
            assert_eq!(marker_of(&bench.data_path()) == "8", offset == 8);
        }
    }
}

/// The earlier server may have reported eight bytes. A marker that confirms four and a checksum of more must not replace this
/// one.
#[test]
fn pending_marker_of_an_earlier_server_stays_until_a_sync() {
    let mut bench = Bench::new();
    if bench.write_reported_and_more() {
        let marker = format!("4 8 {:08x}", crc32fast::hash(b"more"));
        bench.closed(|bench| mark(&bench.data_path(), &marker));
        let path = bench.data_path();
        let during = bench.during(Op::Sync, || bench.expect_offset(8), || marker_of(&path));
        assert_eq!(during, marker);
        assert_eq!(marker_of(&path), "8");
    }
}

#[test]
fn bytes_and_their_marker_need_one_sync() {
    let bench = Bench::new();
    let mut append = bench.append_with(&id(), 0, declared(10, "a")).unwrap();
    append.write(b"some").unwrap();
    assert_eq!(bench.syncs_of(|bench| bench.expect_offset(4)), SYNCS);
    append.write(b"more").unwrap();
    assert_eq!(bench.syncs_of(|bench| bench.expect_offset(8)), [Op::Sync]);
}

#[test]
fn bytes_that_cannot_be_read_back_are_marked_by_a_second_sync() {
    let mut bench = Bench::new();
    let mut append = bench.append_with(&id(), 0, declared(10, "a")).unwrap();
    append.write(b"some").unwrap();
    bench.fail(Op::Read, 0, usize::MAX, 5, None);
    let syncs = bench.syncs_of(|bench| bench.expect_offset(4));
    assert_eq!(syncs[..2], [Op::Sync, Op::Sync]);
    drop(append);
    bench.mounted_anew();
    bench.expect_offset(4);
}

#[test]
fn syncs_of_a_status_run_at_the_same_time() {
    let bench = Bench::new();
    let mut append = bench.append_with(&id(), 0, declared(10, "a")).unwrap();
    append.write(b"some").unwrap();
    let has_begun = |op| bench.faults().log().iter().any(|(begun, _)| *begun == op);
    bench.during(
        Op::Sync,
        || bench.expect_offset(4),
        || {
            let since = Instant::now();
            while !has_begun(Op::SyncRecord) || !has_begun(Op::SyncDir) {
                assert!(since.elapsed() < Duration::from_secs(5), "one waits");
                thread::yield_now();
            }
        },
    );
}

#[test]
fn marker_of_an_earlier_version_is_read() {
    let mut bench = Bench::new();
    if bench.write_reported_and_more() {
        bench.closed(|bench| mark(&bench.data_path(), "4 told"));
        bench.mounted_anew();
        assert_eq!(bench.status(&id()).unwrap(), held(4));
    }
}

#[test]
fn repeated_status_of_an_upload_in_memory_needs_no_sync() {
    let bench = Bench::new();
    bench.write_reported_and_more();
    let _in_memory = bench.upload(&id());
    bench.expect_offset(8);
    assert_eq!(bench.syncs(|bench| bench.expect_offset(8)), 0);
    assert_eq!(bench.durable_progress(&id()), Some(held(8)));
}

#[test]
fn durable_upload_needs_no_sync_after_it_left_memory() {
    let bench = Bench::new();
    bench.send(0, b"sync", declared(10, "a")).unwrap();
    assert_eq!(bench.durable_progress(&id()), Some(held(4)));
    bench.send(4, b"and so", declared(10, "a")).unwrap();
    assert_eq!(bench.durable_progress(&id()), Some(complete(10)));
}

#[test]
fn unsynced_upload_is_synced_after_it_left_memory() {
    let bench = Bench::new();
    bench.write_reported_and_more();
    bench.sweep(SystemTime::now());
    bench.confirm_files();
    let _ = bench.append(&id(), 8).unwrap().write(b"9");
    assert_eq!(bench.durable_progress(&id()), None);
    assert!(bench.syncs(|bench| bench.expect_offset(9)) >= 2);
    assert_eq!(bench.durable_progress(&id()), Some(held(9)));
}

#[test]
fn unsynced_record_is_synced_after_it_left_memory() {
    let bench = Bench::new();
    bench.send(0, b"sync", AppendRequest::default()).unwrap();
    let declared = || bench.append_with(&id(), 4, declared(10, "a"));
    drop(declared().unwrap());
    bench.fail(Op::SyncDir, 0, 1, 5, None);
    assert!(declared().unwrap().finish(Completes::AtLength).is_err());
    assert_eq!(bench.durable_progress(&id()), None);
}

#[test]
fn confirmed_uploads_need_no_sync_after_a_restart() {
    let mut bench = Bench::new();
    if !bench.write_reported_and_more() {
        return;
    }
    bench.expect_offset(8);
    bench.store_as("in-the-log", b"bytes");
    bench.reopen();
    assert_eq!(bench.durable_progress(&id()), None);
    bench.reopen();
    if bench.is_confirmed() {
        assert_eq!(bench.durable_progress(&id()), Some(held(8)));
        assert_eq!(
            bench.durable_progress(&Id::new(b"", b"in-the-log")),
            Some(complete(5))
        );
        bench.send(8, b"9!", AppendRequest::default()).unwrap();
        bench.reopen();
        bench.is_confirmed();
        assert_eq!(bench.durable_progress(&id()), Some(complete(10)));
    }
}

#[test]
fn unmarked_bytes_are_synced_after_a_restart() {
    let mut bench = Bench::new();
    bench.write_reported_and_more();
    bench.reopen();
    bench.is_confirmed();
    assert_eq!(bench.durable_progress(&id()), None);
    assert!(bench.syncs(|bench| bench.expect_offset(8)) >= 2);
}

#[test]
fn failed_sync_at_start_confirms_nothing() {
    let mut bench = Bench::new();
    bench.send(0, b"sync", declared(10, "a")).unwrap();
    for op in [Op::SyncFileSystem, Op::SyncDir] {
        bench.reopen();
        bench.sweep(SystemTime::now());
        bench.fail(op, 0, 1, 5, None);
        // The second call must not hide the failure of the first one.
        bench.confirm_files();
        bench.confirm_files();
        assert_eq!(bench.durable_progress(&id()), None, "{op:?}");
    }
}

#[test]
fn unsynced_marker_is_synced_before_a_status() {
    let mut bench = Bench::new();
    if bench.write_reported_and_more() {
        // A server was killed before it synced the marker, or the name of the record.
        bench.closed(|bench| mark(&bench.data_path(), "8"));
        assert!(bench.syncs(|bench| bench.expect_offset(8)) >= 2);
    }
}

#[test]
fn replaced_record_is_synced_before_a_status() {
    let mut bench = Bench::new();
    bench.send(0, b"some", AppendRequest::default()).unwrap();
    let asked = bench.append_with(
        &id(),
        4,
        AppendRequest {
            body_length: BodyLength::Nothing,
            ..declared(10, "a")
        },
    );
    // The failed sync stands for a kill.
    bench.fail(Op::SyncDir, 0, 1, 5, None);
    assert_refused!(asked.unwrap().finish(Completes::AtLength), Error::Io(_));
    bench.reopen();
    assert!(bench.record().unwrap().contains("\"length\":10"));
    assert!(bench.syncs(|bench| bench.expect_offset(4)) > 0);
}

/// Writes so many bytes that the record is written early, without a sync. The closed store stands for a kill.
fn with_early_record() -> Bench {
    let mut bench = Bench::new();
    let bytes = vec![b'x'; (1 << 20) + 1];
    let mut append = bench.append_with(&id(), 0, declared(2 << 20, "a")).unwrap();
    append.write(&bytes).unwrap();
    drop(append);
    assert!(
        bench
            .faults()
            .log()
            .iter()
            .all(|(op, _)| *op != Op::SyncRecord)
    );
    bench.reopen();
    assert!(bench.record().unwrap().contains("\"length\":2097152"));
    bench
}

#[test]
fn early_record_of_a_killed_server_is_synced_before_a_status() {
    let bench = with_early_record();
    let all = bench.syncs_of(|bench| bench.expect_offset((1 << 20) + 1));
    assert_eq!(all, SYNCS);
    assert_eq!(bench.syncs(|bench| bench.expect_offset((1 << 20) + 1)), 0);
}

#[test]
fn early_record_is_written_anew_after_its_sync_failed() {
    for (failures, is_kept) in [(1, true), (2, false)] {
        let bench = with_early_record();
        bench.fail(Op::SyncRecord, 0, failures, 5, None);
        assert_refused!(bench.status(&id()), Error::Io(_));
        let log = bench.faults().log();
        let renamed = log.iter().filter(|(op, _)| *op == Op::RenameRecord);
        assert_eq!(renamed.count(), usize::from(is_kept));
        // The record that was not synced is gone in both cases.
        assert_eq!(bench.record().is_some(), is_kept);
        bench.expect_offset((1 << 20) + 1);
    }
}

#[test]
fn full_upload_is_published_after_a_new_mount() {
    let mut bench = Bench::new();
    let publishing = Publishing {
        path: FilePath::in_folder("", "a"),
        hook: None,
        copied: false,
        new_folders: 0,
    };
    let record = Record {
        publishing: Some(publishing.into()),
        length: Some(3),
        ..Record::new(&id())
    };
    bench.closed(|bench| {
        on_disk::write(bench.record_path(), record.to_json()).unwrap();
        on_disk::write(bench.data_path(), b"abc").unwrap();
    });
    bench.mounted_anew();
    assert_eq!(bench.status(&id()).unwrap(), complete(3));
}

#[test]
fn published_file_has_no_marker() {
    let bench = Bench::new();
    if bench.write_reported_and_more() {
        bench.send(8, b"!!", AppendRequest::default()).unwrap();
        assert_eq!(mark_of(&bench.path().join("a")), Err(Errno::NODATA));
    }
}

#[test]
fn fast_mode_has_no_marker_and_no_recovery() {
    let mut bench = Bench::fast();
    bench.write_reported_and_more();
    assert!(mark_of(&bench.data_path()).is_err());
    bench.mounted_anew();
    assert_eq!(bench.status(&id()).unwrap(), held(8));
}
