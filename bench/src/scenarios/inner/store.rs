//! The store alone: what it adds to a `write(2)`, and what a question costs before any socket is touched.

use std::fs::File;
use std::io::{self, Write};
use std::time::Instant;

use resumed::store::{Id, Options, Store, Sync};
use resumed::{Head, Uploads};

use super::{Outcome, micros_each, window};
use crate::bench::Bench;
use crate::peers::{OURS, Upload, ours};
use crate::place;
use crate::samples::Samples;

const WRITE: &str = "write(2)";

/// Microseconds for a window of 256 KiB.
pub(super) fn windows(bench: &Bench, round: usize, samples: &mut Samples) -> Outcome {
    let count = bench.size(2_000, 50);
    let window = window();
    for at in 0..2 {
        let place = place::new(&bench.memory)?;
        if (at + round) % 2 == 0 {
            let store = Store::open(
                place.path(),
                Options {
                    sync: Sync::Fast,
                    ..Options::default()
                },
            )?;
            let mut append = store.append(&Id::new(b"", b"windows"), 0)?;
            let begin = Instant::now();
            for _ in 0..count {
                append.write(window)?;
            }
            samples.add("inner.window", OURS, round, micros_each(begin, count));
        } else {
            let mut file = File::create(place.path().join("windows"))?;
            let begin = Instant::now();
            for _ in 0..count {
                file.write_all(window)?;
            }
            samples.add("inner.window", WRITE, round, micros_each(begin, count));
        }
    }
    Ok(())
}

/// Microseconds from the head of a `/status` to its answer.
pub(super) fn questions(bench: &Bench, round: usize, samples: &mut Samples) -> Outcome {
    let count = bench.size(20_000, 500);
    let place = place::new(&bench.memory)?;
    let uploads = Uploads::open(place.path(), resumed::Options::default().sync(Sync::Fast))?;
    let id = ours::id(Upload::new(1_000));
    let begin = Instant::now();
    for _ in 0..count {
        let fields = [("Host", "127.0.0.1"), ("X-File-Id", id.as_str())];
        let head = Head::from_parts("GET", "/status", fields)?;
        if uploads.handle(&head, &mut io::empty()).status() != 200 {
            return Err("refused".into());
        }
    }
    samples.add("inner.status", OURS, round, micros_each(begin, count));
    Ok(())
}
