//! The order, seen from outside: before each answer that tells an offset or a completion come the syncs that make it
//! true after a pulled plug. This sees what `plug` cannot: a sync that is missing, and that some file system makes
//! unasked; an order that some disk keeps by itself.

use std::fs;
use std::path::{Path, PathBuf};

use crate::left_out::left_out;
use crate::torture::some_or_all;

use super::chance::Chance;
use super::facts::Cancel;
use super::kept::Kept;
use super::load::Load;
use super::none;
use super::trace::{Call, Traced, is_possible};

/// What a server did.
struct Watched {
    dir: PathBuf,
    calls: Vec<Call>,
}

/// A server at work, over a directory that it has to make.
fn watch() -> Watched {
    let home = tempfile::tempdir().expect("a temporary directory");
    let path = fs::canonicalize(home.path()).expect("a path");
    let dir = path.join("made/by/the/server");
    let traced = Traced::start(&dir, &["--sync", "durable"]);
    let load = Load::default();
    let mut calls = Vec::new();
    load.run(traced.process.addr, Chance::from_seed(), || {
        load.wait_until(|facts| {
            let has_cancelled = facts
                .uploads
                .iter()
                .any(|upload| upload.cancel == Cancel::Told);
            facts.answers >= some_or_all(200, 2_000) && has_cancelled
        });
        load.is_dying();
        calls = traced.calls();
    });
    Watched { dir, calls }
}

#[test]
fn no_answer_comes_before_the_syncs_that_make_it_true() {
    if !is_possible() {
        return left_out("the order, seen from outside", "strace cannot be used");
    }
    let Watched { dir, calls } = watch();
    let kept = Kept::after(&dir, &calls);
    println!("{:?}", kept.seen);
    none(kept.breaches);
    let seen = kept.seen;
    assert!(seen.offsets > 0 && seen.completions > 0 && seen.cancels > 0);

    // None of the syncs is made for nothing: without it, this test fails.
    for (what, is_left_out) in KINDS {
        let without: Vec<Call> = calls
            .iter()
            .filter(|call| !(is_sync(call) && is_left_out(call, &dir)))
            .cloned()
            .collect();
        assert!(without.len() < calls.len(), "no sync {what}");
        assert!(
            !Kept::after(&dir, &without).breaches.is_empty(),
            "a missing sync {what} goes unnoticed"
        );
    }
}

type Kind = (&'static str, fn(&Call, &Path) -> bool);

const KINDS: [Kind; 5] = [
    ("of the bytes", |call, _| {
        call.name == "fdatasync" && !call.of().contains("/.record-")
    }),
    ("of the records", |call, _| call.of().contains("/.record-")),
    ("of .resumed", |call, _| call.of().ends_with("/.resumed")),
    ("of the directory", |call, dir| Path::new(call.of()) == dir),
    ("of what the directory is in", |call, dir| {
        dir.parent() == Some(Path::new(call.of()))
    }),
];

fn is_sync(call: &Call) -> bool {
    matches!(call.name.as_str(), "fsync" | "fdatasync")
}
