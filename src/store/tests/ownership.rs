//! Group, mode and access rights of a finished file. `tests/it/durability/ownership.rs` tests real folders.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::super::OnConflict;
use super::*;
use crate::store::fs::fault::Op;

const EIO: i32 = 5;
const EPERM: i32 = 1;
const EDQUOT: i32 = 122;

/// Returns a store whose upload replaces `a`, a file with this mode.
fn replacing(mode: u32) -> Bench {
    let bench = Bench::with(Options {
        on_conflict: OnConflict::Replace,
        ..Options::default()
    });
    let old = bench.path().join("a");
    on_disk::write(&old, b"old").unwrap();
    on_disk::set_permissions(&old, on_disk::Permissions::from_mode(mode)).unwrap();
    bench
}

fn mode(path: &Path) -> u32 {
    on_disk::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn failed_replace_of_an_unwritable_file_can_be_repeated() {
    // Root alone reads a file of mode 040, and so its ACL.
    let is_root = rustix::process::geteuid().is_root();
    for old in [0o440].into_iter().chain(is_root.then_some(0o040)) {
        let mut bench = replacing(old);
        bench.fail(Op::Publish, 0, 1, EIO, None);
        assert!(bench.send(0, b"new", declared(3, "a")).is_err());
        let writable = old | 0o600;
        assert_eq!(mode(&bench.data_path()), writable, "the server can open it");
        assert_eq!(bench.published(), [file("a", b"old")]);

        bench.reopen();
        assert_eq!(bench.status(&id()).unwrap(), complete(3));
        assert_eq!(mode(&bench.path().join("a")), old);
        assert_eq!(bench.published(), [file("a", b"new")]);
    }
}

/// Gives `a` another group than that of new files; false if this user is in no other group.
fn give_away(bench: &Bench) -> bool {
    let own = on_disk::metadata(bench.path()).unwrap().gid();
    let is_root = rustix::process::geteuid().is_root();
    let known = rustix::process::getgroups().unwrap_or_default();
    let other = known.iter().map(|gid| gid.as_raw());
    let other = other.chain(is_root.then_some(4242)).find(|gid| *gid != own);
    other.is_some_and(|gid| {
        std::os::unix::fs::chown(bench.path().join("a"), None, Some(gid)).is_ok()
    })
}

#[test]
fn refused_group_does_not_stop_publishing() {
    let bench = replacing(0o640);
    if !give_away(&bench) {
        return;
    }
    bench.fail(Op::Own, 0, 1, EPERM, None);
    bench.send_whole("a", b"new");
    assert_eq!(bench.published(), [file("a", b"new")]);
    assert_eq!(mode(&bench.path().join("a")), 0o640);
}

#[test]
fn full_quota_of_the_group_keeps_the_bytes() {
    let bench = replacing(0o640);
    if !give_away(&bench) {
        return;
    }
    bench.fail(Op::Own, 0, 1, EDQUOT, None);
    let sent = bench.send(0, b"new", declared(3, "a"));
    assert_refused!(sent, Error::NotPublished(_));
    assert_eq!(bench.published(), [file("a", b"old")]);
    assert_eq!(bench.status(&id()).unwrap(), complete(3));
    assert_eq!(bench.published(), [file("a", b"new")]);
}
