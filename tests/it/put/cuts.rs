//! An upload that was cut, killed or left by another client continues from the received bytes.

use std::fs::{self, OpenOptions};

use serde_json::Value;

use super::{HEADS, Running, expect_sent_once, killed_in_mid_upload, put_file, put_part, run, url};
use crate::support::files::finished;
use crate::support::left_out::needs;
use crate::support::limit::Lines;
use crate::support::line::Line;
use crate::support::local::Disk;
use crate::support::program::Program;
use crate::support::proxy::{Nginx, as_documented};
use crate::support::{Site, append};

const LENGTH: u64 = 40_000_000;
const PART: u64 = 10_000_000;

#[test]
fn put_continues_when_a_killed_server_is_back() {
    let disk = Disk::new();
    let file = disk.file("제주도 여행.mp4", LENGTH);
    let server = Program::start(&[]);
    let addr = server.addr();
    let (line, running) = put_part(&file, addr, server.dir(), PART);

    let dir = server.kill();
    let server = Program::over(dir, &addr.to_string(), &[]);
    line.cut_and_open();
    running
        .end()
        .expect(0, &["the server does not answer", "next try in"]);
    file.expect_same(&server.dir().join(file.name()));
    expect_sent_once(&line, LENGTH);
}

#[test]
fn known_file_is_there_after_a_server_was_away() {
    let disk = Disk::new();
    let file = disk.file("a.bin", 100_000);
    let server = Program::start(&[]);
    let addr = server.addr();
    run(&mut put_file(&file, &url(addr))).expect(0, &["a.bin: 100.00 kB"]);

    let dir = server.kill();
    let mut running = Running::start(put_file(&file, &url(addr)).arg("--json"));
    let output = running.child().stdout.take().expect("piped");
    let mut events = Lines::of("the events of put", output).map(|line| {
        let event: Value = serde_json::from_str(&line).expect("an object");
        event
    });
    assert!(events.any(|event| event["event"] == "waiting"));
    let _server = Program::over(dir, &addr.to_string(), &[]);
    let done = events.find(|event| event["event"] == "done");
    assert_eq!(done.expect("an event")["was_there"], true);
    running.end().expect(0, &[]);
}

#[test]
fn same_command_continues_after_a_kill() {
    let disk = Disk::new();
    let file = disk.file("a.bin", LENGTH);
    let site = Site::new();
    let (line, killed) = put_part(&file, site.addr(), site.dir(), PART);
    drop(killed);

    line.cut_and_open();
    run(&mut put_file(&file, &line.url())).expect(0, &["a.bin: 40.00 MB"]);
    file.expect_same(&site.dir().join("a.bin"));
    expect_sent_once(&line, LENGTH);
    run(&mut put_file(&file, &line.url())).expect(0, &["the server has it already"]);
}

#[test]
fn put_continues_the_upload_of_a_page() {
    let disk = Disk::new();
    let file = disk.file("it's (1) 한글.bin", LENGTH);
    let site = Site::new();
    let bytes = fs::read(file.path()).expect("read");
    let mut page = site.connect();
    page.send(append(&file.id(), 0, LENGTH));
    page.send(&bytes[..PART as usize]);
    page.cut();

    let line = Line::of(site.addr(), u64::MAX);
    run(&mut put_file(&file, &line.url())).expect(0, &[]);
    file.expect_same(&site.dir().join(file.name()));
    expect_sent_once(&line, LENGTH - PART);
}

#[test]
fn other_contents_of_the_same_id_are_refused() {
    needs!("nginx");
    let (_disk, file, site) = killed_in_mid_upload(LENGTH, PART);
    let held = site.held(&file.id());
    let refused = |url: &str| {
        run(&mut put_file(&file, url)).expect(1, &["a.bin: the server holds other bytes"]);
        assert_eq!(site.held(&file.id()), held, "nothing is mixed");
    };
    file.change_unnoticed();
    let line = Line::of(site.addr(), u64::MAX);
    refused(&line.url());
    assert!(line.taken() < HEADS, "it only asked");

    // The proxy hides the checksum of the tail, so the server compares the tail.
    let silent = as_documented().replace(
        "location / {",
        "location / {\nproxy_hide_header X-Tail-Digest;",
    );
    let nginx = Nginx::before(site.addr(), &silent);
    refused(&url(nginx.addr()));
    file.change_back();
    run(&mut put_file(&file, &url(nginx.addr()))).expect(0, &["a.bin: 40.00 MB"]);
    file.expect_same(&site.dir().join("a.bin"));
}

#[test]
fn two_clients_of_one_file_end_with_one_whole_file() {
    let disk = Disk::new();
    let file = disk.file("a.bin", LENGTH);
    let site = Site::new();
    let both = [1, 2].map(|_| Running::start(&mut put_file(&file, &url(site.addr()))));
    for running in both {
        running.end().expect(0, &[]);
    }
    file.expect_same(&site.dir().join("a.bin"));
    assert_eq!(finished(site.dir()), ["a.bin"]);
}

#[test]
fn file_that_changes_during_the_upload_fails() {
    for new_length in [LENGTH + 4, 1000] {
        let disk = Disk::new();
        let file = disk.file("a.bin", LENGTH);
        let site = Site::new();
        let (line, running) = put_part(&file, site.addr(), site.dir(), PART);

        let open = OpenOptions::new().append(true).open(file.path());
        open.expect("opened").set_len(new_length).expect("changed");
        line.open();
        running
            .end()
            .expect(1, &["a.bin: the file changed while it was sent"]);
        assert!(!site.dir().join("a.bin").exists());
    }
}
