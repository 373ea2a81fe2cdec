//! Answers that the real server gives only after failures, and answers of other servers.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::{put_file, run, send};
use crate::support::Site;
use crate::support::left_out::left_out;
use crate::support::local::Disk;

/// Starts a server that answers each request with `answer(id)`. It ends with the process.
fn server(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> String {
    serve(move |stream, id| stream.write_all(answer(id).as_bytes()))
}

fn serve(
    answer: impl Fn(&mut TcpStream, &str) -> std::io::Result<()> + Send + Sync + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a client");
            let id = take_request(&stream);
            let _ = answer(&mut stream, &id);
        }
    });
    url
}

/// Reads one request to its end, and returns the id in it.
fn take_request(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let (mut id, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line");
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("x-file-id: ") {
            id = value.to_owned();
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().expect("a length");
        }
    }
    let mut body = reader.take(length);
    std::io::copy(&mut body, &mut std::io::sink()).expect("a body");
    id
}

fn answer(status: u16, fields: &str, text: &str) -> String {
    let length = text.len();
    format!(
        "HTTP/1.1 {status} Said\r\nConnection: close\r\nContent-Length: {length}\r\n{fields}\r\n{text}"
    )
}

#[test]
fn file_refused_for_good_does_not_stop_the_next() {
    let statuses = [400, 403, 404, 409, 412, 413, 422, 507];
    let url = server(move |id| {
        let status = statuses
            .iter()
            .find(|status| id.starts_with(&status.to_string()));
        match status {
            Some(status) => answer(
                *status,
                "Upload-Complete: ?0\r\n",
                "the folder is read-only\n",
            ),
            None => answer(
                200,
                "Upload-Offset: 5\r\nUpload-Complete: ?1\r\n",
                "Success 5",
            ),
        }
    });
    let disk = Disk::new();
    let mut files: Vec<_> = statuses
        .iter()
        .map(|status| disk.file(&format!("{status}.bin"), 5))
        .collect();
    files.push(disk.file("good.bin", 5));
    let said = send(&[], &files.iter().collect::<Vec<_>>(), &url);
    let summary = said
        .err
        .split_once("8 of 9 failed:\n")
        .expect("a summary")
        .1;
    for status in statuses {
        assert!(
            summary.contains(&format!("{status}.bin: the server ")),
            "{said:?}"
        );
    }
    assert_eq!(
        summary.matches("the folder is read-only").count(),
        8,
        "{said:?}"
    );
    said.expect(1, &["good.bin: 5 B"]);
}

#[test]
fn busy_server_is_asked_again_after_retry_after() {
    let disk = Disk::new();
    let file = disk.file("a.bin", 5);
    for status in [429, 503] {
        let since = Instant::now();
        let busy = "Upload-Complete: ?0\r\nRetry-After: 2\r\n";
        let url = server(move |_| match since.elapsed() < Duration::from_secs(2) {
            true => answer(status, busy, "not now\n"),
            false => answer(
                200,
                "Upload-Offset: 5\r\nUpload-Complete: ?1\r\n",
                "Success 5",
            ),
        });
        let said = send(&[], &[&file], &url);
        assert_eq!(said.err.matches("next try in 2 s").count(), 1, "{said:?}");
        let refused = format!("cannot take it now ({status})");
        said.expect(0, &[&refused, "a.bin: 5 B"]);
    }

    let url = server(|_| {
        answer(
            503,
            "Upload-Complete: ?0\r\nRetry-After: 600\r\n",
            "the disk is away\n",
        )
    });
    let said = send(&["--give-up-after=1s"], &[&file], &url);
    said.expect(
        3,
        &["gave up: the server cannot take it now (503): the disk is away"],
    );
}

/// The answer would be complete after a minute.
#[test]
fn answer_of_one_byte_a_second_times_out() {
    let slow = |before: &'static str, slow: &'static str| {
        serve(move |stream, _| {
            stream.write_all(before.as_bytes())?;
            for byte in slow.bytes().cycle().take(60) {
                stream.write_all(&[byte])?;
                thread::sleep(Duration::from_secs(1));
            }
            Ok(())
        })
    };
    let head = slow("HTTP/1.1 200 OK\r\nSlow: ", "a");
    let body = slow("HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n", "1");
    let disk = Disk::new();
    // One file is sent at once; for the other, `put` first asks for the offset.
    let (small, large) = (disk.file("a.bin", 5), disk.file("b.bin", 5_000_000));
    thread::scope(|scope| {
        for (url, file) in [
            (&head, &small),
            (&head, &large),
            (&body, &small),
            (&body, &large),
        ] {
            scope.spawn(move || {
                let began = Instant::now();
                let said = send(&["--give-up-after=5s"], &[file], url);
                said.expect(3, &["gave up: the server does not answer"]);
                assert!(
                    began.elapsed() < Duration::from_secs(40),
                    "{:?}",
                    began.elapsed()
                );
            });
        }
    });
}

#[test]
fn misleading_characters_of_names_and_answers_are_replaced() {
    let url = server(|_| answer(400, "", "no \u{202e}txt.exe\u{202c}\x1b[2J\n"));
    let disk = Disk::new();
    let files = ["a\u{202e}gpj.exe", "می\u{200c}خواهم"].map(|name| disk.file(name, 5));
    let files = files.each_ref();
    let missing = send(&[], &files, "http://127.0.0.1:1/\u{202e}");
    assert!(!missing.err.contains('\u{202e}'), "{missing:?}");
    for flags in [&[][..], &["-q"], &["--json"]] {
        let said = send(flags, &files, &url);
        let all = format!("{}{}", said.out, said.err);
        let bad = ['\u{202e}', '\u{202c}', '\x1b'];
        assert!(!all.contains(bad), "{said:?}");
        said.expect(
            1,
            &[
                "a\u{fffd}gpj.exe: ",
                "می\u{200c}خواهم: ",
                "no \u{fffd}txt.exe\u{fffd}",
            ],
        );
    }
}

/// Returns the first link-local address of this machine, and its interface.
fn link_local() -> Option<(Ipv6Addr, String)> {
    let table = fs::read_to_string("/proc/net/if_inet6").ok()?;
    table.lines().find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let addr = Ipv6Addr::from(u128::from_str_radix(fields.first()?, 16).ok()?);
        addr.is_unicast_link_local()
            .then(|| (addr, fields.last().copied().unwrap_or_default().to_owned()))
    })
}

#[test]
fn link_local_address_with_a_zone_is_reached() {
    let Some((addr, interface)) = link_local() else {
        return left_out("IPv6 zones", "this machine has no link-local address");
    };
    let server = Site::with(|config| config.listen("[::]:0").allow_root(true));
    let disk = Disk::new();
    let port = server.addr().port();
    for (name, zone) in [
        ("url.bin", format!("%25{interface}")),
        ("typed.bin", format!("%{interface}")),
    ] {
        let file = disk.file(name, 100_000);
        run(&mut put_file(
            &file,
            &format!("http://[{addr}{zone}]:{port}/"),
        ))
        .expect(0, &[]);
        file.expect_same(&server.dir().join(name));
    }
    let file = disk.file("none.bin", 5);
    let url = format!("http://[{addr}%nowhere]:{port}");
    let said = send(&["--give-up-after=0"], &[&file], &url);
    said.expect(3, &["no network interface nowhere"]);
}
