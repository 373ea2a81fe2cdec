//! Interrupted runs of `put` continue at the server's offset, and never mix two files.

use std::fs::OpenOptions;

use super::{HEADS, Running, killed_in_mid_upload, put_file, run, wait_for_part};
use crate::support::line::Line;
use crate::support::local::Disk;
use crate::support::program::Program;
use crate::support::{Site, append};

const LENGTH: u64 = 40_000_000;
const PART: u64 = 10_000_000;

#[test]
fn it_goes_on_by_itself_when_the_server_was_killed_and_is_back() {
    let disk = Disk::new();
    let file = disk.file("제주도 여행.mp4", LENGTH);
    let server = Program::start(&[]);
    let addr = server.addr();
    let line = Line::of(addr, PART);
    let running = Running::start(&mut put_file(&file, &line.url()));
    wait_for_part(server.dir(), PART - HEADS);

    let dir = server.kill();
    let server = Program::over(dir, &addr.to_string(), &[]);
    line.cut_and_open();
    running
        .end()
        .expect(0, &["the server does not answer", "next try in"]);
    file.expect_same(&server.dir().join(file.name()));
    assert!(line.taken() < LENGTH + 4 * HEADS, "{} bytes", line.taken());
}

#[test]
fn the_same_command_carries_on_after_a_kill() {
    let disk = Disk::new();
    let file = disk.file("a.bin", LENGTH);
    let site = Site::new();
    let line = Line::of(site.addr(), PART);
    let killed = Running::start(&mut put_file(&file, &line.url()));
    wait_for_part(site.dir(), PART - HEADS);
    drop(killed);

    line.cut_and_open();
    run(&mut put_file(&file, &line.url())).expect(0, &["a.bin: 40.00 MB"]);
    file.expect_same(&site.dir().join("a.bin"));
    let again = line.taken() - LENGTH;
    assert!(again < 4 * HEADS, "{again} bytes were sent twice");
    run(&mut put_file(&file, &line.url())).expect(0, &["the server has it already"]);
}

#[test]
fn put_continues_the_upload_of_a_page() {
    let disk = Disk::new();
    let file = disk.file("it's (1) 한글.bin", LENGTH);
    let site = Site::new();
    let bytes = std::fs::read(file.path()).expect("read");
    let mut page = site.connect();
    page.send(append(&file.id(), 0, LENGTH));
    page.send(&bytes[..PART as usize]);
    page.cut();

    let line = Line::of(site.addr(), u64::MAX);
    run(&mut put_file(&file, &line.url())).expect(0, &[]);
    file.expect_same(&site.dir().join(file.name()));
    assert!(
        line.taken() < LENGTH - PART + 4 * HEADS,
        "{} bytes",
        line.taken()
    );
}

#[test]
fn another_file_of_the_same_name_size_and_time_is_refused_and_not_mixed() {
    let (_disk, file, site) = killed_in_mid_upload(LENGTH, PART);
    let held = site.held(&file.id());

    file.change_unnoticed();
    let line = Line::of(site.addr(), u64::MAX);
    run(&mut put_file(&file, &line.url())).expect(1, &["a.bin: the server holds other bytes"]);
    assert_eq!(site.held(&file.id()), held);
    assert!(line.taken() < HEADS, "it only asked");
}

#[test]
fn two_that_send_the_same_file_end_with_one_whole_file() {
    let disk = Disk::new();
    let file = disk.file("a.bin", LENGTH);
    let site = Site::new();
    let url = format!("http://{}", site.addr());
    let both = [1, 2].map(|_| Running::start(&mut put_file(&file, &url)));
    for running in both {
        running.end().expect(0, &[]);
    }
    file.expect_same(&site.dir().join("a.bin"));
    assert_eq!(
        std::fs::read_dir(site.dir()).expect("listed").count(),
        2,
        "it and .resumed"
    );
}

#[test]
fn a_file_that_changes_while_it_is_sent_is_given_up() {
    for new_length in [LENGTH + 4, 1000] {
        let disk = Disk::new();
        let file = disk.file("a.bin", LENGTH);
        let site = Site::new();
        let line = Line::of(site.addr(), PART);
        let running = Running::start(&mut put_file(&file, &line.url()));
        wait_for_part(site.dir(), PART - HEADS);

        let open = OpenOptions::new().append(true).open(file.path());
        open.expect("opened").set_len(new_length).expect("changed");
        line.open();
        running
            .end()
            .expect(1, &["a.bin: the file changed while it was sent"]);
        assert!(!site.dir().join("a.bin").exists());
    }
}
