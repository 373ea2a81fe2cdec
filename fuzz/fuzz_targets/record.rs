#![no_main]

use resumed::properties::{page, record};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    record(bytes);
    page(bytes);
});
