//! Final refusals: the message, and an exit status of their own.

use std::ffi::OsStr;
use std::net::TcpListener;

use super::{Said, put, put_file, run};
use crate::support::local::{Disk, Local};
use crate::support::program::Program;

fn send(flags: &[&str], files: &[&Local], server: &Program) -> Said {
    let url = format!("http://{}", server.addr());
    let flags = flags.iter().map(OsStr::new);
    let files = files.iter().map(|file| file.path().as_os_str());
    run(&mut put(flags.chain(files).chain([url.as_ref()])))
}

#[test]
fn a_wrong_password_ends_it_and_the_right_one_may_come_from_anywhere() {
    let disk = Disk::new();
    let files = [disk.file("a.bin", 5), disk.file("b.bin", 5)];
    let [a, b] = &files;
    let server = Program::start(&["--user", "alice:secret"]);
    send(&[], &[a], &server).expect(1, &["a.bin: the server requires a name and a password"]);
    send(&["--user", "alice:wrong"], &[a, b], &server).expect(1, &["1 more were not tried"]);
    send(&["--user", "alice:secret"], &[a], &server).expect(0, &[]);
    let user = disk.file("user", 0);
    std::fs::write(user.path(), "alice:secret\n").expect("written");
    let path = user.path().to_str().expect("text");
    send(&["--user-file", path], &[a], &server).expect(0, &["has it already"]);
    let url = format!("http://{}", server.addr());
    let mut command = put_file(b, &url);
    run(command.env("RESUMED_USER", "alice:secret")).expect(0, &["b.bin: 5 B"]);
}

#[test]
fn user_file_may_begin_with_a_byte_order_mark() {
    let disk = Disk::new();
    let file = disk.file("a.bin", 5);
    let server = Program::start(&["--user", "alice:secret"]);
    let user = disk.path().join("user");
    std::fs::write(&user, "\u{feff}alice:secret\r\n").expect("written");
    let flags = ["--user-file", user.to_str().expect("text")];
    send(&flags, &[&file], &server).expect(0, &["a.bin: 5 B"]);
}

#[test]
fn address_below_the_server_is_a_final_error() {
    let disk = Disk::new();
    let server = Program::start(&[]);
    for bytes in [5, 5_000_000] {
        let files = ["a.bin", "b.bin"].map(|name| disk.file(name, bytes));
        let url = format!("http://{}/files", server.addr());
        let files = files.iter().map(|file| file.path().as_os_str());
        run(&mut put(files.chain([url.as_ref()]))).expect(
            1,
            &[
                "a.bin: there is no upload server at this address",
                "1 more were not tried",
            ],
        );
    }
}

#[test]
fn a_full_disk_is_said() {
    let disk = Disk::new();
    let server = Program::start(&["--min-free", "100000T"]);
    let said = send(
        &[],
        &[&disk.file("a.bin", 5), &disk.file("b.bin", 5_000_000)],
        &server,
    );
    said.expect(
        1,
        &[
            "a.bin: the server has no space for it: the disk is full",
            "b.bin: the server has no space for it: the disk is full",
        ],
    );
}

#[test]
fn file_after_a_too_large_one_is_sent() {
    let disk = Disk::new();
    let (large, small) = (disk.file("large.bin", 5_000_000), disk.file("small.bin", 5));
    let server = Program::start(&["--max-size", "1M"]);
    let said = send(&[], &[&large, &small], &server);
    said.expect(
        1,
        &[
            "large.bin: the server refused: larger than the 1048576 bytes",
            "small.bin: 5 B",
        ],
    );
    small.expect_same(&server.dir().join("small.bin"));
}

#[test]
fn a_server_that_is_not_there_is_given_up_when_told() {
    let disk = Disk::new();
    let file = disk.file("a.bin", 5);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    drop(listener);
    let flags = ["--give-up-after", "0"].map(OsStr::new);
    let args = flags
        .into_iter()
        .chain([file.path().as_os_str(), url.as_ref()]);
    run(&mut put(args)).expect(3, &["a.bin: gave up: the server does not answer"]);
}

#[test]
fn a_command_line_that_cannot_be_meant_is_status_2() {
    run(&mut put(["a.bin"])).expect(2, &["resumed put: "]);
    run(&mut put(["a.bin", "b.bin"])).expect(2, &["the address of a server comes last"]);
}
