//! Tests that cannot run everywhere say so.

use std::fs::OpenOptions;
use std::io::{self, Write};

/// The list of left-out tests that `make test` prints.
const LIST: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/left-out");

/// Says that `what` was not tested: on standard error, although the test passes, and at the end of `make test`.
pub(crate) fn left_out(what: &str, reason: &str) {
    let line = format!("left out: {what}: {reason}\n");
    let mut list = OpenOptions::new()
        .create(true)
        .append(true)
        .open(LIST)
        .expect("the list opens");
    list.write_all(line.as_bytes()).expect("noted");
    io::stderr().write_all(line.as_bytes()).expect("said");
}

/// Ends the test if there is an obstacle, and notes that `$what` was left out.
macro_rules! require {
    ($what:expr, $obstacle:expr) => {
        if let Some(reason) = $obstacle {
            return crate::support::left_out::left_out($what, &reason);
        }
    };
}
pub(crate) use require;

/// Returns the obstacle to tests that need root.
pub(crate) fn root_obstacle() -> Option<String> {
    let is_root = rustix::process::geteuid().is_root();
    (!is_root).then(|| "it needs root".into())
}

/// Returns the obstacle to tests that open `count` files in this process.
pub(crate) fn files_obstacle(count: u64) -> Option<String> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum?;
    (limit < count).then(|| format!("it needs {count} open files, and the limit is {limit}"))
}
