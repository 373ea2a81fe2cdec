//! A reference model: random clients use a real server over real sockets, in all dialects, beside a reference in memory.
//!
//! Each answer of the server must be that of the reference: status, offset, completion and name. After each stop the
//! directory must have the files and partial uploads of the reference, to the byte. Clients vanish within a body, servers
//! stop and start, the disk is full, and files are dated by a wrong clock.
//!
//! The sequences come from a seed. A failed test prints the seed of its sequence, and the sequence with as few steps as
//! possible, as code for a test below. `SEED` repeats a sequence. `TORTURE` raises the count.

mod play;
mod reference;
mod steps;

use std::time::{Duration, Instant};

use resumed::store::OnConflict;

use crate::support::torture::is_on;

use super::crash::chance::Chance;
use play::difference;
use reference::Planted;
use steps::{At, Restart, Send, Sequence, Step, UPLOADS};

/// The number of sequences in `make torture`.
const SEQUENCES: usize = 10_000;

/// The time of the sample in `make test`.
const SAMPLE: Duration = Duration::from_secs(8);

#[test]
fn server_answers_as_the_reference() {
    let mut chance = Chance::from_seed();
    let (start, mut count, mut steps) = (Instant::now(), 0, 0);
    while if is_on() {
        count < SEQUENCES
    } else {
        start.elapsed() < SAMPLE
    } {
        let seed = if count == 0 {
            chance.seed()
        } else {
            chance.below(u64::MAX)
        };
        let sequence = Sequence::random(&mut Chance::new(seed));
        count += 1;
        steps += sequence.steps.len();
        if let Some(failure) = difference(&sequence, None, |config| config) {
            let fails = |sequence: &Sequence| difference(sequence, None, |config| config);
            let (sequence, failure) = sequence.reduced(failure, fails);
            panic!("SEED={seed}: {failure}\n{sequence:?}");
        }
    }
    println!(
        "{count} sequences with {steps} steps in {:?}",
        start.elapsed()
    );
}

/// Plays steps that once showed a difference. Each file has 1,000 bytes.
#[track_caller]
fn replay(steps: &[Step]) {
    let sequence = Sequence {
        lengths: [1000; UPLOADS],
        steps: steps.to_vec(),
    };
    assert_eq!(difference(&sequence, None, |config| config), None);
}

#[test]
fn refused_put_of_a_complete_name_leaves_its_file() {
    let whole = Step::Send(Send {
        slot: 7,
        bytes: 0,
        at: At::Offset,
        chunked: false,
        cut: None,
        last: true,
    });
    let full = Restart {
        dated: None,
        full: true,
    };
    replay(&[whole, Step::Restart(full), whole, Step::Ask(7)]);
}

/// Returns the steps of the shortest sequence that shows a planted error.
fn found(planted: Option<Planted>, set: fn(resumed::Config) -> resumed::Config) -> usize {
    let mut chance = Chance::from_seed();
    for _ in 0..2000 {
        let sequence = Sequence::random(&mut chance.fork());
        if let Some(failure) = difference(&sequence, planted, set) {
            let fails = |sequence: &Sequence| difference(sequence, planted, set);
            return sequence.reduced(failure, fails).0.steps.len();
        }
    }
    panic!("the error was not found");
}

#[test]
fn planted_error_of_the_reference_is_found() {
    // In tus and the draft, a request without a body begins the upload.
    let steps = found(Some(Planted::CutLosesByte), |config| config);
    assert!((1..=3).contains(&steps), "{steps} steps");
    let steps = found(Some(Planted::RestartForgets), |config| config);
    assert!((2..=4).contains(&steps), "{steps} steps");
}

#[test]
fn planted_error_of_the_server_is_found() {
    let replaces = found(None, |config| config.on_conflict(OnConflict::Replace));
    assert!((2..=4).contains(&replaces), "{replaces} steps");
    let forgets = found(None, |config| config.max_size(40_000));
    assert!((1..=2).contains(&forgets), "{forgets} steps");
    // A sweep runs beside the steps, so not every try shows it, and the reduction may end early.
    found(None, |config| config.expire(Duration::ZERO));
}
