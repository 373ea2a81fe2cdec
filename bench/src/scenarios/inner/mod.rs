//! The pieces, each beside what does least of the same.

mod http;
mod store;

use std::error::Error;
use std::io;
use std::time::Instant;

use crate::bench::Bench;
use crate::content::SLICE_BYTES;
use crate::peers::Upload;
use crate::samples::Samples;

/// What a copy of the same bytes would take.
const COPY: &str = "memcpy";

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

type Measure = fn(&Bench, usize, &mut Samples) -> Outcome;

const MEASURES: [Measure; 5] = [
    http::heads,
    http::chunks,
    http::turns,
    store::windows,
    store::questions,
];

pub(super) fn run(bench: &mut Bench) -> io::Result<()> {
    bench.repeat("inner", bench.rounds(15), |bench, round, samples| {
        let mut measures = MEASURES.iter();
        let measured = measures.try_for_each(|measure| measure(bench, round, samples));
        measured.map_err(io::Error::other)
    })
}

/// A window's worth of content.
fn window() -> &'static [u8] {
    Upload::new(0).content().slice(0, SLICE_BYTES as u64)
}

fn nanos_each(begin: Instant, count: u32) -> f64 {
    begin.elapsed().as_secs_f64() * 1e9 / f64::from(count)
}

fn micros_each(begin: Instant, count: u32) -> f64 {
    nanos_each(begin, count) / 1e3
}
