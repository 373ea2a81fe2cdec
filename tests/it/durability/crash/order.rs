//! The order of system calls: the syncs that make an offset or a completion durable come before the answer.
//! `power_loss` cannot see this if a file system syncs without a request, or if a disk keeps the order by itself.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::files::tempdir_on_disk;
use crate::support::left_out::require;
use crate::support::torture::some_or_all;
use crate::support::trace::{Call, MOVES, Traced, strace_obstacle};

use super::chance::Chance;
use super::facts::Cancel;
use super::kept::Kept;
use super::load::Load;
use super::none;

/// The calls of a server.
struct Watched {
    dir: PathBuf,
    calls: Vec<Call>,
}

/// A server at work, over a directory that it has to make.
fn watch() -> Watched {
    let home = tempdir_on_disk();
    let path = fs::canonicalize(home.path()).expect("a path");
    let dir = path.join("made/by/the/server");
    let traced = Traced::start(&dir, &["--sync", "durable"], &["-e", MOVES]);
    let load = Load::default();
    let mut calls = Vec::new();
    load.run(traced.process.addr, Chance::from_seed(), || {
        load.wait_until(|facts| {
            let has_cancelled = facts
                .uploads
                .iter()
                .any(|upload| upload.cancel == Cancel::Done);
            facts.answers >= some_or_all(200, 2_000) && has_cancelled
        });
        load.is_dying();
        calls = traced.calls();
    });
    Watched { dir, calls }
}

#[test]
fn no_answer_comes_before_the_syncs_that_make_it_true() {
    require!("the order, seen from outside", strace_obstacle());
    let Watched { dir, calls } = watch();
    let kept = Kept::after(&dir, &calls);
    println!("{:?}", kept.seen);
    none(kept.breaches);
    let seen = kept.seen;
    assert!(seen.offsets > 0 && seen.completions > 0 && seen.cancels > 0);

    // None of these is done for nothing: without it, this test fails.
    for (what, is_it) in KINDS {
        let is_done = |call: &&Call| !is_it(call, &dir);
        let without: Vec<Call> = calls.iter().filter(is_done).cloned().collect();
        assert!(without.len() < calls.len(), "there is no {what}");
        let breaches = Kept::after(&dir, &without).breaches;
        assert!(!breaches.is_empty(), "a missing {what} goes unnoticed");
    }
}

pub(super) type Kind = (&'static str, fn(&Call, &Path) -> bool);

pub(super) const KINDS: [Kind; 9] = [
    ("sync of bytes", |call, _| {
        let is_bytes = !is_record(call) && !is_entry(call);
        is_sync(call) && call.of().contains("/.resumed/") && is_bytes
    }),
    ("mark", |call, _| call.name == "fsetxattr"),
    ("sync of a record", |call, _| {
        is_sync(call) && is_record(call)
    }),
    ("sync of a log entry", |call, _| {
        is_sync(call) && is_entry(call)
    }),
    ("sync of the log's directory", |call, _| {
        is_sync(call) && call.of().ends_with("/journal")
    }),
    ("sync of .resumed", |call, _| {
        is_sync(call) && call.of().ends_with("/.resumed")
    }),
    ("sync of the directory", |call, dir| {
        is_sync(call) && Path::new(call.of()) == dir
    }),
    ("sync of a folder", |call, dir| {
        is_sync(call) && dir.join("folder") == Path::new(call.of())
    }),
    ("sync of what the directory is in", |call, dir| {
        is_sync(call) && dir.parent() == Some(Path::new(call.of()))
    }),
];

fn is_record(call: &Call) -> bool {
    call.of().contains("/.record-") || call.of().ends_with(".json")
}

fn is_entry(call: &Call) -> bool {
    call.of().contains("/.resumed/journal")
}

pub(super) fn is_sync(call: &Call) -> bool {
    matches!(call.name.as_str(), "fsync" | "fdatasync")
}
