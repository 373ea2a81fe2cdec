#![no_main]

// Flags belong to the command, which is no library.
#[path = "../../src/cli/mod.rs"]
#[allow(dead_code)]
mod cli;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cli::server::properties::flags(bytes));
