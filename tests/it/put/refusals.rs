//! Final refusals: the message, and an exit status of their own.

use std::fs;
use std::net::TcpListener;

use super::{put, put_file, run, send, url};
use crate::support::append;
use crate::support::line::Line;
use crate::support::local::Disk;
use crate::support::program::Program;

#[test]
fn login_comes_from_a_flag_a_file_or_the_environment() {
    let disk = Disk::new();
    let [a, b] = ["a.bin", "b.bin"].map(|name| disk.file(name, 5));
    let server = Program::start(&["--user", "alice:secret"]);
    let url = url(server.addr());
    send(&[], &[&a], &url).expect(
        1,
        &["a.bin: the server requires a name and a password that it knows (--user)"],
    );
    send(&["--user", "alice:wrong"], &[&a, &b], &url).expect(1, &["1 more were not tried"]);
    send(&["--user", "alice:secret"], &[&a], &url).expect(0, &[]);
    let user = disk.file("user", 0);
    let path = user.path().to_str().expect("text");
    for line in ["alice:secret\n", "\u{feff}alice:secret\r\n"] {
        fs::write(path, line).expect("written");
        send(&["--user-file", path], &[&a], &url).expect(0, &["has it already"]);
    }
    let mut command = put_file(&b, &url);
    run(command.env("RESUMED_USER", "")).expect(1, &["requires a name and a password"]);
    run(command.env("RESUMED_USER", "alice:secret")).expect(0, &["b.bin: 5 B"]);
}

#[test]
fn address_below_the_server_is_a_final_error() {
    let disk = Disk::new();
    let server = Program::start(&[]);
    let url = format!("{}/files", url(server.addr()));
    for bytes in [5, 5_000_000] {
        let files = ["a.bin", "b.bin"].map(|name| disk.file(name, bytes));
        send(&[], &files.each_ref(), &url).expect(
            1,
            &[
                "a.bin: there is no upload server at this address",
                "1 more were not tried",
            ],
        );
    }
}

#[test]
fn full_disk_is_a_final_error() {
    let disk = Disk::new();
    let files = [("a.bin", 5), ("b.bin", 5_000_000)].map(|(name, bytes)| disk.file(name, bytes));
    let server = Program::start(&["--min-free", "100000T"]);
    let said = send(&[], &files.each_ref(), &url(server.addr()));
    let line = "the server has no space for it: the disk has too little free space: \
                110 PB stay free";
    said.expect(1, &[&format!("a.bin: {line}"), &format!("b.bin: {line}")]);
}

#[test]
fn file_beyond_the_quota_is_a_final_error() {
    let disk = Disk::new();
    let files = [("a.bin", 5), ("b.bin", 5_000_000)].map(|(name, bytes)| disk.file(name, bytes));
    let server = Program::start(&["--user", "ann:secret", "--quota", "1M"]);
    let said = send(
        &["--user", "ann:secret"],
        &files.each_ref(),
        &url(server.addr()),
    );
    let line = "b.bin: the server has no space for it: the quota of this user is 1.0 MB: \
                5 bytes used, 1.0 MB left";
    said.expect(1, &["a.bin: 5 B", line]);
}

#[test]
fn too_many_partial_uploads_are_waited_out() {
    let disk = Disk::new();
    let file = disk.file("a.bin", 100_000);
    let server = Program::start(&["--user", "ann:secret", "--max-partials-per-user", "1"]);
    let login = "Authorization: Basic YW5uOnNlY3JldA==";
    let head = append("other", 0, 5).replacen("\r\n", &format!("\r\n{login}\r\n"), 1);
    let mut client = server.connect();
    assert_eq!(client.ask(head + "hello").status, 200);
    let flags = ["--user", "ann:secret", "--give-up-after", "1s"];
    let said = send(&flags, &[&file], &url(server.addr()));
    let line =
        "a.bin: gave up: the server cannot take it now (429): this user has 1 partial upload";
    said.expect(3, &[line]);
}

#[test]
fn files_wait_while_others_of_the_run_have_all_places() {
    let disk = Disk::new();
    let files: Vec<_> = (0..12)
        .map(|n| disk.file(&format!("{n}.bin"), 2_000_000))
        .collect();
    let users = ["--user", "ann:secret", "--max-partials-per-user", "2"];
    for limit in [&["--max-partials", "2"][..], &users] {
        let server = Program::start(limit);
        let line = Line::of(server.addr(), u64::MAX);
        line.limit(Some(10_000_000));
        // The files take longer together than a file may fail.
        let flags = ["--user", "ann:secret", "--give-up-after", "1s"];
        let said = send(&flags, &files.iter().collect::<Vec<_>>(), &line.url());
        said.expect(0, &["12 files sent", "2 partial uploads, the maximum"]);
        for file in &files {
            file.expect_same(&server.dir().join(file.name()));
        }
    }
}

#[test]
fn file_after_a_too_large_one_is_sent() {
    let disk = Disk::new();
    let (large, small) = (disk.file("large.bin", 5_000_000), disk.file("small.bin", 5));
    let server = Program::start(&["--max-size", "1M"]);
    let said = send(&[], &[&large, &small], &url(server.addr()));
    said.expect(
        1,
        &[
            "large.bin: the server refused: larger than the limit of 1.0 MB",
            "small.bin: 5 B",
        ],
    );
    small.expect_same(&server.dir().join("small.bin"));
}

#[test]
fn missing_server_is_given_up_after_the_flag() {
    let disk = Disk::new();
    let file = disk.file("a.bin", 5);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = url(listener.local_addr().expect("its address"));
    drop(listener);
    let said = send(&["--give-up-after", "0"], &[&file], &url);
    said.expect(3, &["a.bin: gave up: the server does not answer"]);
}

#[test]
fn wrong_command_line_exits_with_2() {
    run(&mut put(["a.bin"])).expect(2, &["resumed put: "]);
    run(&mut put(["a.bin", "b.bin"])).expect(2, &["the address of a server comes last"]);
}
