//! The real curl, which knows HTTP and nothing more.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Mutex, mpsc};

use resumed::HookError;

use crate::support::Site;
use crate::support::left_out::needs;
use crate::support::limit::{LIMIT, RunInTime, WaitInTime, wait_until};

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
    std::str::from_utf8(&output.stdout).expect("text")
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
    needs!("curl");
    let (site, from, content) = with_file();
    let run = curl(&site, from.path(), &["-T", NAME], "/files/").output_in_time();
    let run = run.expect("curl runs");
    assert!(run.status.success(), "{run:?}");
    assert_eq!(said(&run), "201");
    assert!(fs::read(site.dir().join(NAME)).expect("published") == content);
}

#[test]
fn curl_goes_on_where_it_was_killed() {
    needs!("curl");
    let (site, from, content) = with_file();
    let slowly = ["--limit-rate", "500K", "-T", NAME];
    let mut killed = curl(&site, from.path(), &slowly, "/files/")
        .spawn()
        .expect("curl runs");
    wait_until!(held(&site) > 0);
    killed.kill().expect("killed");
    killed.wait_in_time();

    // What was on its way may still come in; then curl gets a refusal, and sends a status request.
    let mut tries = 0..100;
    loop {
        tries.next().expect("what was on its way has come");
        let at = held(&site).to_string();
        let args = ["-C", &at, "-T", NAME];
        let run = curl(&site, from.path(), &args, "/files/").output_in_time();
        match said(&run.expect("curl runs")) {
            "201" => break,
            other => assert_eq!(other, "409"),
        }
    }
    assert!(fs::read(site.dir().join(NAME)).expect("published") == content);
}

#[test]
fn curl_that_begins_again_is_told_how_to_go_on() {
    needs!("curl");
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
    let run = curl(&site, from.path(), &part, path).output_in_time();
    assert_eq!(said(&run.expect("curl runs")), "204");

    let mut again = curl(&site, from.path(), &["-T", NAME], "/files/");
    let run = again.arg("--no-fail").output_in_time().expect("curl runs");
    assert!(said(&run).contains("curl -C 3 -T FILE"), "{run:?}");
    assert!(said(&run).ends_with("409"), "{run:?}");
    assert_eq!(held(&site), 3);
}

#[test]
fn a_name_is_free_again_once_the_hook_of_its_file_has_run() {
    let (begun, has_begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    let may_go_on = Mutex::new(may_go_on);
    let site = Site::with(|config| {
        config.on_complete(move |_| {
            begun.send(()).expect("somebody waits");
            let may = may_go_on.lock().expect("nobody panics with it").recv();
            may.map_err(HookError::from)
        })
    });
    // Dropped before the site, which waits for its hook.
    let go_on = go_on;
    let put = "PUT /files/a.txt HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello";
    assert_eq!(site.ask(put).status, 201);
    has_begun.recv_timeout(LIMIT).expect("the hook runs");
    let refusal = site.ask(put);
    assert_eq!(refusal.status, 503, "{refusal:?}");
    assert_eq!(refusal.field("Retry-After"), Some("1"));

    go_on.send(()).expect("the hook waits");
    wait_until!(site.ask(put).status != 503);
    go_on.send(()).expect("so does the next");
    assert!(site.dir().join("a.txt").exists() && site.dir().join("a (1).txt").exists());
}

#[test]
fn form_is_refused_with_the_command_that_uploads() {
    needs!("curl");
    let (site, from, content) = with_file();
    for path in ["/", "/files", "/files/", "/upload"] {
        let form = format!("file=@{NAME}");
        let run = Command::new("curl")
            .args(["--silent", "--show-error", "-F", &form])
            .arg(format!("http://{}{path}", site.addr()))
            .current_dir(from.path())
            .output_in_time();
        let line = said(&run.expect("curl runs")).to_owned();
        let (_, command) = line.split_once("curl -T FILE ").expect("a command");
        let run = Command::new("curl")
            .args([
                "--silent",
                "--show-error",
                "--fail",
                "-T",
                NAME,
                command.trim(),
            ])
            .current_dir(from.path())
            .output_in_time();
        assert!(run.expect("curl runs").status.success(), "{path}: {line}");
        let published = site.dir().join(NAME);
        assert!(
            fs::read(&published).expect("published") == content,
            "{path}"
        );
        fs::remove_file(published).expect("removed");
    }
}
