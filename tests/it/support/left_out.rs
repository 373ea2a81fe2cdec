//! Tests that cannot run everywhere say so.

use std::env;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::support::limit::RunInTime;

/// The variable with the path of the list that `make test` prints.
const LIST: &str = "LEFT_OUT";

/// Says that `what` was not tested: on standard error, although the test passes, and at the end of `make test`.
pub(crate) fn left_out(what: &str, reason: &str) {
    let line = format!("left out: {what}: {reason}\n");
    if let Some(list) = env::var_os(LIST) {
        let list = OpenOptions::new().create(true).append(true).open(list);
        let mut list = list.expect("the list opens");
        list.write_all(line.as_bytes()).expect("noted");
    }
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

/// Ends the test if one of these commands is missing, and notes the name of the test.
macro_rules! needs {
    ($($command:literal),+) => {{
        fn here() {}
        if let Some(reason) = crate::support::left_out::missing(&[$($command),+]) {
            let name = crate::support::left_out::name_around(here);
            return crate::support::left_out::left_out(name, &reason);
        }
    }};
}
pub(crate) use needs;

/// Returns the path of the function in which `here` is, without the crate.
pub(crate) fn name_around<F: Fn()>(_here: F) -> &'static str {
    let name = std::any::type_name::<F>();
    let name = name.strip_suffix("::here").unwrap_or(name);
    name.split_once("::").map_or(name, |(_, name)| name)
}

/// Returns the first of these commands that is missing, as a reason.
pub(crate) fn missing(commands: &[&str]) -> Option<String> {
    let path = env::var_os("PATH").unwrap_or_default();
    let has = |command: &str| env::split_paths(&path).any(|dir| dir.join(command).is_file());
    let mut missing = commands.iter().filter(|command| !has(command));
    missing
        .next()
        .map(|command| format!("{command} is missing"))
}

/// Returns the obstacle to tests that need root.
pub(crate) fn root_obstacle() -> Option<String> {
    let is_root = rustix::process::geteuid().is_root();
    (!is_root).then(|| "it needs root".into())
}

/// Returns the obstacle to tests that run the command as another user.
pub(crate) fn user_obstacle() -> Option<String> {
    root_obstacle().or_else(|| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_resumed"));
        let runs = command
            .uid(65534)
            .gid(65534)
            .arg("--version")
            .output_in_time();
        let is_run = runs.is_ok_and(|output| output.status.success());
        (!is_run).then(|| "another user may not run the command here".into())
    })
}

/// Returns the obstacle to tests that open a terminal.
pub(crate) fn terminal_obstacle() -> Option<String> {
    let script = Command::new("script")
        .args(["-q", "-c", "true", "/dev/null"])
        .output_in_time();
    match script {
        Ok(output) if output.status.success() => None,
        Ok(_) => Some("no terminal can be opened: is /dev/pts mounted?".into()),
        Err(_) => Some("script is missing".into()),
    }
}

/// Returns the obstacle to tests that measure the memory of a process.
pub(crate) fn emulator_obstacle() -> Option<String> {
    env::var_os("RESUMED_RUNNER").map(|_| "the emulator takes memory too".into())
}

/// Returns the obstacle to tests that open `count` files in this process.
pub(crate) fn files_obstacle(count: u64) -> Option<String> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum?;
    (limit < count).then(|| format!("it needs {count} open files, and the limit is {limit}"))
}

#[test]
fn missing_command_is_the_reason_with_the_name_of_the_test() {
    fn here() {}
    let name = name_around(here);
    assert_eq!(
        name,
        "support::left_out::missing_command_is_the_reason_with_the_name_of_the_test"
    );
    let reason = missing(&["sh", "no-such-command"]);
    assert_eq!(reason.as_deref(), Some("no-such-command is missing"));
    assert_eq!(missing(&["sh"]), None);
}
