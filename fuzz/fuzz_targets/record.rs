#![no_main]

use resumed::properties::{segment, record};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    record(bytes);
    segment(bytes);
});
