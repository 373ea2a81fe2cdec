//! The integration tests, in one binary.

mod browser;
mod clients;
mod durability;
mod http;
mod ops;
mod protocol;
mod put;
mod structure;
mod support;
