//! The index of partial uploads by owner follows the uploads.

use std::time::SystemTime;

use super::*;
use crate::store::{Precondition, Usage};

const WEEKS: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl Bench {
    /// Returns the number and the bytes of the partial uploads of the owner of `id()`.
    fn used(&self) -> (u64, u64) {
        let Usage { uploads, bytes } = self.usage(b"alice");
        (uploads, bytes)
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
