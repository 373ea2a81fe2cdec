//! The real curl, which knows HTTP and nothing more.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::Site;

const NAME: &str = "film of today.bin";
const LENGTH: usize = 3_000_000;

/// A site, and a folder with a file to send.
fn with_file() -> (Site, tempfile::TempDir, Vec<u8>) {
    let content: Vec<u8> = (0..LENGTH).map(|at| (at % 251) as u8).collect();
    let from = tempfile::tempdir().expect("a temporary directory");
    fs::write(from.path().join(NAME), &content).expect("written");
    (Site::new(), from, content)
}

fn curl(site: &Site, from: &Path, args: &[&str], path: &str) -> Command {
    let mut command = Command::new("curl");
    command
        .args([
            "--silent",
            "--show-error",
            "--fail",
            "--write-out",
            "%{http_code}",
        ])
        .args(args)
        .arg(format!("http://{}{path}", site.addr()))
        .current_dir(from);
    command
}

fn said(output: &Output) -> &str {
    str::from_utf8(&output.stdout).expect("text")
}

fn held(site: &Site) -> u64 {
    let head = site.ask(format!(
        "HEAD /files/{} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        NAME.replace(' ', "%20")
    ));
    let offset = head.field("Upload-Offset").expect("an offset");
    offset.parse().expect("a count")
}

#[test]
fn curl_sends_a_file_under_its_own_name() {
    let (site, from, content) = with_file();
    let run = curl(&site, from.path(), &["-T", NAME], "/files/").output();
    let run = run.expect("curl runs");
    assert!(run.status.success(), "{run:?}");
    assert_eq!(said(&run), "201");
    assert!(fs::read(site.dir().join(NAME)).expect("published") == content);
}

#[test]
fn curl_goes_on_where_it_was_killed() {
    let (site, from, content) = with_file();
    let slowly = ["--limit-rate", "500K", "-T", NAME];
    let mut killed = curl(&site, from.path(), &slowly, "/files/")
        .spawn()
        .expect("curl runs");
    while held(&site) == 0 {}
    killed.kill().expect("killed");
    killed.wait().expect("its end");

    // What was on its way may still come in; then curl is told, and asks again.
    let mut tries = 0..100;
    loop {
        tries.next().expect("what was on its way has come");
        let at = held(&site).to_string();
        let args = ["-C", &at, "-T", NAME];
        let run = curl(&site, from.path(), &args, "/files/").output();
        match said(&run.expect("curl runs")) {
            "201" => break,
            other => assert_eq!(other, "409"),
        }
    }
    assert!(fs::read(site.dir().join(NAME)).expect("published") == content);
}

#[test]
fn curl_that_begins_again_is_told_how_to_go_on() {
    let (site, from, _) = with_file();
    let path = "/files/film%20of%20today.bin";
    let part = [
        "-X",
        "PATCH",
        "-H",
        "X-Update-Range: append",
        "--data-binary",
        "abc",
    ];
    let run = curl(&site, from.path(), &part, path).output();
    assert_eq!(said(&run.expect("curl runs")), "204");

    let mut again = curl(&site, from.path(), &["-T", NAME], "/files/");
    let run = again.arg("--no-fail").output().expect("curl runs");
    assert!(said(&run).contains("curl -C 3 -T FILE"), "{run:?}");
    assert!(said(&run).ends_with("409"), "{run:?}");
    assert_eq!(held(&site), 3);
}
