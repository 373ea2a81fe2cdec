//! The README does what it says, as it is printed.

use std::process::Command;

use resumed::Config;

pub(crate) const README: &str = include_str!("../../README.md");

/// The code block behind a mark.
pub(crate) fn block(mark: &str) -> &'static str {
    block_of(README, mark)
}

/// The same, of another page.
pub(crate) fn block_of<'t>(page: &'t str, mark: &str) -> &'t str {
    let (_, after) = page
        .split_once(&format!("<!-- {mark} -->\n```"))
        .expect("the mark stands there");
    let (_, after) = after.split_once('\n').expect("a block");
    after.split_once("```").expect("its end").0
}

#[test]
fn the_walk_through_with_curl_runs_as_it_is_printed() {
    let here = tempfile::tempdir().expect("a temporary directory");
    let config = Config::new(here.path().join("uploads")).listen("127.0.0.1:0");
    let server = resumed::start(config).expect("the server starts");
    let script = block("walk-through").replace("127.0.0.1:8080", &server.addr().to_string());
    let run = Command::new("sh")
        .args(["-e", "-c", &script])
        .current_dir(here.path())
        .output();
    let run = run.expect("sh runs");
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(
        run.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&run.stderr)
    );
    for expected in [
        "the server holds 5000000 bytes",
        "Success 10000000",
        "equal",
    ] {
        assert!(said.contains(expected), "{expected:?} is not in {said:?}");
    }
}

#[test]
fn the_options_are_those_of_the_command() {
    let help = Command::new(env!("CARGO_BIN_EXE_resumed"))
        .arg("--help")
        .output()
        .expect("it runs");
    let help = String::from_utf8(help.stdout).expect("text");
    assert_eq!(
        block("help"),
        help,
        "paste the output of `resumed --help` into the README"
    );
}
