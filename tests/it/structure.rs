//! Checks the structure of the project with `.ci/structure`, and its words with `.ci/words`.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::left_out::needs;
use crate::support::limit::RunInTime;

#[test]
fn folders_keep_their_order_and_files_their_size() {
    needs!("python3");
    assert_eq!(breaches(".ci/structure", &[]), [""; 0]);
}

#[test]
fn old_words_become_fewer() {
    assert_eq!(breaches(".ci/words", &[]), [""; 0]);
}

#[test]
fn breaches_of_the_structure_are_found() {
    needs!("python3");
    let dir = tempfile::tempdir().expect("a directory");
    let head =
        "use crate::{\n    server,\n    store::{Id, fs::disk::Disk},\n};\nimpl<'a> Disk<'a> {\n";
    let disk = "pub struct Disk;\nfn sync(&self) { state.flush_all(); }\n#[cfg(test)]\nmod tests {\nuse crate::http;";
    let state = "fn flush_all(self) { super::super::fs::disk::open().sync() }";
    let sweep = "// crate::http\nuse std::fs;\npub(in crate::http) fn sweep() {}";
    let long = "\n".repeat(601);
    let files = [
        ("demo/page.js", long.as_str()),
        ("src/http/head.rs", head),
        ("src/http/mod.rs", "mod head;\npub(crate) use head::Head;"),
        ("src/lib.rs", "mod server;\npub use server::Server;"),
        ("src/protocol/mod.rs", "fn now() { std::time::now() }"),
        ("src/server.rs", ""),
        ("src/store/fs/disk.rs", disk),
        ("src/store/mod.rs", "#[cfg(test)]\nuse crate::http::Head;"),
        ("src/store/sweep.rs", sweep),
        ("src/store/upload/state.rs", state),
    ];
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("created");
        fs::write(path, text).expect("written");
    }
    let expected = [
        "demo/page.js: more than 600 lines",
        "http/head -> server points up: http/head.rs: crate::server",
        "http/head -> store points up: http/head.rs: crate::store::Id",
        "http/head -> store/fs points up: http/head.rs: crate::store::fs::disk::Disk",
        "http/head.rs: impl Disk",
        "protocol/mod.rs: std::time::now",
        "store/fs -> store/upload points up: store/fs/disk.rs: .flush_all()",
        "store/sweep.rs: std::fs",
        "store/upload -> store/fs is in a circle: store/upload/state.rs: super::super::fs::disk::open",
    ];
    assert_eq!(breaches(".ci/structure", &[dir.path()]), expected);
}

/// Returns the sorted lines that a script prints.
fn breaches(script: &str, args: &[&Path]) -> Vec<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    let output = Command::new(script).args(args).output_in_time();
    let output = output.expect("the script runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().filter(|line| !line.is_empty());
    let mut lines: Vec<_> = lines.map(str::to_owned).collect();
    assert_eq!(output.status.success(), lines.is_empty(), "{output:?}");
    lines.sort();
    lines
}
