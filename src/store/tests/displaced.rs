//! The directory is moved, removed or replaced while the store is open.

use super::*;
use crate::store::fs::record::record_name;

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
    let (disk, key) = (&bench.registry.disk, id().key());
    disk.save_record(key, b"first").unwrap();
    let away = bench.displace();

    disk.save_record(key, b"second").unwrap();
    let listed: Result<Vec<_>, _> = disk.names().unwrap().collect();
    assert_eq!(listed.unwrap(), [record_name(key)]);
    assert!(disk.modified(&record_name(key)).unwrap().is_some());
    let record = away.join(".resumed").join(record_name(key));
    assert_eq!(on_disk::read(&record).unwrap(), b"second");
    disk.remove_record(key).unwrap();
    assert!(!record.exists());
    assert_eq!(names(bench.path()), [""; 0]);
}

#[test]
fn replaced_partials_directory_is_noticed() {
    let bench = Bench::new();
    let (partials, away) = (bench.path().join(".resumed"), bench.path().join("away"));
    on_disk::rename(&partials, &away).unwrap();
    assert_refused!(bench.health(), Error::Displaced(_));
    on_disk::create_dir(&partials).unwrap();
    assert_refused!(bench.health(), Error::Displaced(_));
    assert_refused!(bench.append(&id(), 0), Error::Displaced(_));
    on_disk::remove_dir(&partials).unwrap();
    on_disk::rename(&away, &partials).unwrap();
    bench.health().unwrap();
    bench.send_whole("a", b"hello");
}

#[test]
fn removed_lock_file_is_noticed() {
    let bench = Bench::new();
    let lock = bench.path().join(".resumed/lock");
    on_disk::remove_file(&lock).unwrap();
    assert_refused!(bench.health(), Error::Displaced(_));
    on_disk::write(&lock, b"").unwrap();
    assert_refused!(bench.health(), Error::Displaced(_));
}

#[test]
fn failure_in_a_removed_directory_names_the_directory() {
    let bench = Bench::new();
    let mut append = bench.append_with(&id(), 0, declared(5, "a")).unwrap();
    on_disk::remove_dir_all(bench.path()).unwrap();
    // The data file cannot be created.
    assert_refused!(append.write(b"hello"), Error::Displaced(_));
}

#[test]
fn health_tells_of_a_directory_that_cannot_be_written() {
    const EROFS: i32 = 30;
    let bench = Bench::new();
    bench.fail(Op::Open, 0, 1, EROFS, None);
    assert_refused!(bench.health(), Error::Io(_));
    bench.health().unwrap();
}
