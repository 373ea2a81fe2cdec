//! `put` and the server compare the whole file before publishing, and before "has it already".

use std::fs;
use std::process::Child;
use std::thread;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use super::{killed_in_mid_upload, put_bytes, put_file, put_part, run, send, url};
use crate::support::files::{finished, partials};
use crate::support::left_out::needs;
use crate::support::line::Line;
use crate::support::local::Disk;
use crate::support::proxy::{Nginx, as_documented};
use crate::support::{Site, TIMEOUT, content};

const LENGTH: u64 = 8_000_000;
const PART: u64 = 4_000_000;
const ANEW: &str = "sending all of it anew";
const THERE: &str = "the server has it already";
const NOT_COMPARED: &str = "the server has it already (contents not compared)";

/// Asserts the names of all files on the server, also of unfinished uploads.
fn expect_only(site: &Site, names: &[&str]) {
    let mut there = finished(site.dir());
    for part in partials(site.dir()) {
        let name = part.file_name().expect("a name");
        there.push(name.to_string_lossy().into_owned());
    }
    there.sort();
    assert_eq!(there, names);
}

#[test]
fn file_changed_between_two_runs_is_sent_anew() {
    let (_disk, file, site) = killed_in_mid_upload(LENGTH, PART);

    file.change_start_and_end_unnoticed();
    run(&mut put_file(&file, &url(site.addr()))).expect(0, &[ANEW, "a.bin: 8.00 MB"]);
    file.expect_same(&site.dir().join("a.bin"));
    expect_only(&site, &["a.bin"]);
}

/// Stops the process with SIGSTOP, and waits until it is stopped.
fn stop(child: &Child) {
    kill_process(Pid::from_child(child), Signal::STOP).expect("stopped");
    let since = Instant::now();
    let stat = format!("/proc/{}/stat", child.id());
    while !fs::read_to_string(&stat)
        .expect("its state")
        .contains(") T ")
    {
        assert!(since.elapsed() < TIMEOUT, "it runs");
        thread::yield_now();
    }
}

#[test]
fn file_changed_and_set_back_while_it_is_sent_is_sent_anew() {
    let disk = Disk::new();
    let file = disk.file("a.bin", LENGTH);
    let site = Site::new();
    let (line, mut running) = put_part(&file, site.addr(), site.dir(), PART);

    stop(running.child());
    file.change_start_and_end_unnoticed();
    kill_process(Pid::from_child(running.child()), Signal::CONT).expect("it goes on");
    line.open();
    running.end().expect(0, &[ANEW, "a.bin: 8.00 MB"]);
    file.expect_same(&site.dir().join("a.bin"));
    expect_only(&site, &["a.bin"]);
}

#[test]
fn finished_file_changed_unnoticed_is_stored_beside() {
    for length in [100, 100_000, LENGTH] {
        let disk = Disk::new();
        let file = disk.file("a.bin", length);
        let site = Site::new();
        run(&mut put_file(&file, &url(site.addr()))).expect(0, &[]);
        let old = fs::read(file.path()).expect("read");

        file.change_unnoticed();
        let said = run(&mut put_file(&file, &url(site.addr())));
        assert!(!said.err.contains(THERE), "{said:?}");
        said.expect(
            0,
            &[
                "storing this one beside it",
                "the server saved it as a (1).bin",
            ],
        );
        file.expect_same(&site.dir().join("a (1).bin"));
        assert!(fs::read(site.dir().join("a.bin")).expect("read") == old);
        expect_only(&site, &["a (1).bin", "a.bin"]);
        run(&mut put_file(&file, &url(site.addr()))).expect(0, &[THERE]);
    }
}

#[test]
fn file_is_there_already_only_if_compared() {
    for length in [0, 100, 100_000, LENGTH] {
        let disk = Disk::new();
        let file = disk.file("a.bin", length);
        let site = Site::new();
        let put = |flags: &[&str], site: &Site| send(flags, &[&file], &url(site.addr()));
        put(&[], &site).expect(0, &[]);
        let said = put(&[], &site);
        assert!(!said.err.contains(NOT_COMPARED), "{said:?}");
        // An empty file is sent in the same request that asks for it.
        said.expect(0, if length > 0 { &[THERE] } else { &[] });
        put(&["--no-check"], &site).expect(0, if length > 0 { &[NOT_COMPARED] } else { &[] });

        let site = Site::new();
        put(&["--no-check"], &site).expect(0, &[]);
        file.expect_same(&site.dir().join("a.bin"));
        put(&[], &site).expect(0, if length > 0 { &[NOT_COMPARED] } else { &[] });
        expect_only(&site, &["a.bin"]);
    }
}

/// The proxy removes the field, so the server behaves like an older one.
#[test]
fn server_that_ignores_checksums_gets_the_file() {
    needs!("nginx");
    let disk = Disk::new();
    let site = Site::new();
    let old = as_documented().replace(
        "location / {",
        "location / {\nproxy_set_header X-File-CRC32 \"\";",
    );
    let nginx = Nginx::before(site.addr(), &old);
    let url = url(nginx.addr());
    for (name, length) in [("small.bin", 100), ("large.bin", LENGTH)] {
        let file = disk.file(name, length);
        run(&mut put_file(&file, &url)).expect(0, &[]);
        file.expect_same(&site.dir().join(name));
        run(&mut put_file(&file, &url)).expect(0, &[NOT_COMPARED]);
    }
}

#[test]
fn byte_damaged_on_its_way_is_not_published() {
    let disk = Disk::new();
    for (name, length) in [("small.bin", 50_000), ("large.bin", LENGTH)] {
        let file = disk.file(name, length);
        let site = Site::new();
        let line = Line::of(site.addr(), u64::MAX);
        line.damage(length / 2);
        run(&mut put_file(&file, &line.url())).expect(0, &[ANEW]);
        file.expect_same(&site.dir().join(name));
        expect_only(&site, &[name]);
    }
}

#[test]
fn damaged_pipe_is_sent_anew_only_if_all_is_in_memory() {
    for (length, status, said) in [
        (LENGTH, 0, ANEW),
        (20_000_000, 1, "no longer in memory here"),
    ] {
        let bytes = content(length as usize);
        let site = Site::new();
        let line = Line::of(site.addr(), u64::MAX);
        line.damage(length / 2);
        let running = put_bytes(&bytes, &format!("{}/a.bin", line.url()));
        running.end().expect(status, &[said]);
        match status {
            0 => assert!(fs::read(site.dir().join("a.bin")).expect("published") == bytes),
            _ => expect_only(&site, &[]),
        }
    }
}
