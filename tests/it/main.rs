//! The integration tests, in one binary.

mod browser;
/// The build script, for its unit tests.
#[expect(dead_code, reason = "cargo runs `main`")]
#[path = "../../build.rs"]
mod build_script;
mod clients;
mod durability;
mod http;
mod ops;
mod protocol;
mod put;
mod structure;
mod support;
