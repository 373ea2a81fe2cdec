//! The directory is moved, removed or replaced while the store is open.

use std::time::SystemTime;

use super::*;

impl Bench {
    /// Renames the directory, and makes an empty one in its place. Returns the new path of the old one.
    fn displace(&self) -> PathBuf {
        let away = self.away();
        on_disk::rename(self.path(), &away).unwrap();
        on_disk::create_dir(self.path()).unwrap();
        away
    }

    fn away(&self) -> PathBuf {
        self.path().with_extension("away")
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = on_disk::remove_dir_all(self.away());
    }
}

#[test]
fn operations_reach_the_held_directory_after_a_move() {
    let bench = Bench::new();
    bench.send(0, b"hel", declared(5, "a.txt")).unwrap();
    let other = Id::new(b"", b"other");
    let append = bench.append_with(&other, 0, declared(5, "b")).unwrap();
    append.finish(Completes::AtLength).unwrap();
    let away = bench.displace();

    bench.send(3, b"l", Intent::default()).unwrap();
    // The record is replaced.
    let again = Intent {
        modified_ms: Some(1_700_000_000_000),
        ..nothing()
    };
    let append = bench.append_with(&other, 0, again).unwrap();
    append.finish(Completes::AtLength).unwrap();
    assert!(bench.cancel(&other).unwrap());
    let swept = bench.sweep(SystemTime::now() + Duration::from_secs(30 * 24 * 60 * 60));

    assert_eq!(swept.expired, 1);
    assert_eq!(names(bench.path()), [""; 0]);
    let mut left = names(&away.join(".resumed"));
    left.retain(|name| name != "journal");
    assert_eq!(left, ["lock"]);
}
