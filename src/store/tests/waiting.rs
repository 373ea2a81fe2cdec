//! Waits for the disk: an append announces them, so that a worker exchanges its permit before.

use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::*;

impl Bench {
    /// Writes a window. Returns whether the append announced a wait, whether the write synced, and whether the cleanup
    /// after a refusal did, if there was one.
    fn waits(&self, append: &mut Append, bytes: &[u8]) -> (bool, bool, Option<bool>) {
        let announced = append.write_blocks(bytes.len());
        let (refused, has_waited) = self.synced_in(|| append.try_write(bytes).err());
        let cleaned = refused.map(|refused| self.synced_in(|| append.clean_up(refused)).1);
        (announced, has_waited, cleaned)
    }

    fn synced_in<T>(&self, deed: impl FnOnce() -> T) -> (T, bool) {
        let before = self.faults().log().len();
        let done = deed();
        let is_sync = |(op, _): &(Op, bool)| {
            matches!(
                op,
                Op::Sync | Op::SyncRecord | Op::SyncDir | Op::WriteRecord
            )
        };
        (done, self.faults().log()[before..].iter().any(is_sync))
    }
}

#[test]
fn new_bytes_wait_for_no_sync() {
    let bench = Bench::new();
    let mut append = bench.append_with(&id(), 0, declared(10, "a")).unwrap();
    assert_eq!(bench.waits(&mut append, b"some"), (false, false, None));
    assert_eq!(bench.waits(&mut append, b" bytes"), (false, false, None));
}

#[test]
fn sync_before_the_first_bytes_after_a_kill_is_announced() {
    let mut bench = Bench::new();
    let mut append = bench.append_with(&id(), 0, declared(10, "a")).unwrap();
    append.write(b"some").unwrap();
    drop(append);
    bench.reopen();
    let mut append = bench.append(&id(), 4).unwrap();
    assert_eq!(bench.waits(&mut append, b" by"), (true, true, None));
    assert_eq!(bench.waits(&mut append, b"tes"), (false, false, None));
}

#[test]
fn begin_of_a_sync_beside_the_writing_is_announced() {
    let bench = Bench::new();
    let mut append = bench.append(&id(), 0).unwrap();
    append.write(b"a").unwrap();
    let upload = bench.upload(&id());
    let mut state = upload.lock().unwrap();
    state.durability_mut().set_dirty_bytes((64 << 20) - 2);
    drop(state);
    assert_eq!(bench.waits(&mut append, b"b"), (false, false, None));
    assert!(append.write_blocks(1));
}

#[test]
fn record_before_a_late_comparison_is_announced() {
    let bench = Bench::with(Options {
        sha256: true,
        ..Options::default()
    });
    let mut append = bench.append_with(&id(), 0, declared(10, "a")).unwrap();
    assert_eq!(bench.waits(&mut append, b"some"), (false, false, None));
    let upload = bench.upload(&id());
    *upload.lock().unwrap().hashing_mut() = None;
    assert_eq!(bench.waits(&mut append, b" by"), (false, false, None));
    assert_eq!(bench.waits(&mut append, b"tes"), (true, true, None));
}

#[test]
fn wrong_bytes_are_removed_in_the_cleanup() {
    let bench = Bench::new();
    let wrong = AppendRequest {
        body_digest: Some(Sha256::digest(b"other").into()),
        ..declared(5, "a")
    };
    let mut append = bench.append_with(&id(), 0, wrong).unwrap();
    assert_eq!(bench.waits(&mut append, b"by"), (false, false, None));
    assert_eq!(bench.waits(&mut append, b"tes"), (false, false, Some(true)));
    assert_eq!(bench.partial(), None);
}

#[test]
fn bytes_beyond_the_number_of_partials_are_removed_in_the_cleanup() {
    let bench = Bench::with(Options {
        max_partials: Some(0),
        ..Options::default()
    });
    let whole = AppendRequest {
        length: Some(5),
        ..exactly(5)
    };
    let mut append = bench.append_with(&id(), 0, whole).unwrap();
    assert_eq!(bench.waits(&mut append, b"by"), (false, false, None));
    bench.fail(Op::Write, 0, 1, Errno::NOSPC.raw_os_error(), None);
    assert_eq!(bench.waits(&mut append, b"tes"), (false, false, Some(true)));
    assert_eq!(bench.partial(), None);
}
