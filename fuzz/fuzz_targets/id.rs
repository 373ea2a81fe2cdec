#![no_main]

use resumed::properties::{declaration, id, name};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    id(bytes);
    name(bytes);
    declaration(bytes);
});
