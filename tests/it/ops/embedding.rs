//! The page about embedding: what stands there is what runs here.

use std::error::Error;
use std::fs;
use std::path::Path;

use crate::ops::readme::README;
use crate::support::Client;
use crate::support::limit::LIMIT;

const PAGE: &str = include_str!("../../../docs/embedding.md");
const HERE: &str = include_str!("embedding.rs");

type Tried = Result<(), Box<dyn Error>>;

#[test]
fn every_example_of_the_page_is_one_of_these() {
    let examples: Vec<_> = PAGE.split("```rust\n").skip(1).collect();
    for example in &examples {
        let (example, _) = example.split_once("```").expect("its end");
        let indented = example.lines().map(|line| match line {
            "" => "\n".to_owned(),
            line => format!("    {line}\n"),
        });
        let indented: String = indented.collect();
        assert!(HERE.contains(&indented), "not here:\n{indented}");
    }
    assert_eq!(examples.len(), 10);
}

#[test]
fn every_example_of_the_readme_is_one_of_these() {
    let (_, example) = README.split_once("```rust\n").expect("an example");
    let (example, _) = example.split_once("```").expect("its end");
    for part in example.trim_end().split("\n\n") {
        let indented: String = part.lines().map(|line| format!("    {line}\n")).collect();
        assert!(HERE.contains(&indented), "not here:\n{indented}");
    }
}

#[test]
#[rustfmt::skip]
fn entry_points_of_the_readme() -> Tried {
    let temporary = tempfile::tempdir()?;
    let (dir, address) = (temporary.path(), "127.0.0.1:0");
    fn tell(_: &resumed::store::Completed) -> std::io::Result<()> { Ok(()) }
    let fields = [("Host", "localhost"), ("X-File-Id", "a.txt-5-1700000000000"), ("Content-Length", "5")];
    let head = resumed::Head::from_parts("POST", "/upload", fields).map_err(|_| "malformed")?;
    let mut body = &b"hello"[..];

    use resumed::{Config, Options, Uploads, store::{Completes, Store}};
    let server = resumed::start(Config::new(dir).listen(address).on_complete(|upload| Ok(tell(upload)?)))?;   // 1. a whole server
    server.stop();

    let uploads = Uploads::open(dir, Options::default())?;   // 2. inside your server: a head, a body
    let response = uploads.handle(&head, &mut body);

    assert_eq!(response.status(), 200);
    drop(uploads);
    assert_eq!(fs::read(dir.join("a.txt"))?, b"hello");
    let (id, offset, bytes) = (resumed::store::Id::new(b"ann", b"b"), 0, b"hello");

    let store = Store::open(dir, Default::default())?;       // 3. your own protocol: only the store
    let mut append = store.append(&id, offset)?;
    append.write(bytes)?;
    let finished = append.finish(Completes::AtLength)?;

    assert_eq!(finished.progress.offset, 5);
    Ok(())
}

#[test]
fn a_server_inside_a_program() -> Tried {
    let temporary = tempfile::tempdir()?;
    let dir = temporary.path();

    use resumed::Config;

    let config = Config::new(dir)
        .listen("127.0.0.1:0") // port 0 picks one; unix:PATH is a socket file
        .max_size(50 << 30)
        .user("alice", "secret")
        .sha256(true)
        .on_complete(|upload| {
            println!("{} has arrived", upload.path.display());
            Ok(())
        });
    let server = resumed::start(config)?; // the socket listens when `start` returns
    println!("listening on http://{}", server.addr());
    server.stop(); // `drop` stops the server too; `wait` serves until the process ends
    Ok(())
}

#[test]
fn why_it_did_not_start_is_told_apart() -> Tried {
    let temporary = tempfile::tempdir()?;
    let dir = temporary.path();

    use resumed::{Config, StartErrorKind};

    let first = resumed::start(Config::new(dir).listen("127.0.0.1:0"))?;
    let second = resumed::start(Config::new(dir).listen("127.0.0.1:0"));
    let error = second.expect_err("one server a directory");
    assert_eq!(error.kind(), StartErrorKind::InUse);
    drop(first);
    Ok(())
}

#[test]
fn server_is_started_anew_when_its_directory_is_gone() -> Tried {
    let temporary = tempfile::tempdir()?;
    let dir = temporary.path().join("uploads");

    use resumed::store::Error;
    use resumed::{Config, Server, StartError};
    use std::path::Path;

    // Call this every few seconds. `Uploads` and `Store` have `health` too.
    fn look_after(server: Server, dir: &Path) -> Result<Server, StartError> {
        match server.health() {
            Err(Error::Displaced(_)) => {
                server.stop();
                resumed::start(Config::new(dir).listen("127.0.0.1:0"))
            }
            _ => Ok(server),
        }
    }

    let server = resumed::start(Config::new(&dir).listen("127.0.0.1:0"))?;
    let address = server.addr().to_string();
    let server = look_after(server, &dir)?;
    assert_eq!(server.addr().to_string(), address, "the same server");
    fs::remove_dir_all(&dir)?;
    let server = look_after(server, &dir)?;
    assert!(server.health().is_ok());
    assert!(dir.join(".resumed").is_dir());
    Ok(())
}

#[test]
fn a_restart_on_a_socket_of_ones_own_refuses_nobody() -> Tried {
    let temporary = tempfile::tempdir()?;
    let dir = temporary.path();

    use resumed::{Config, ListenSocket};
    use std::net::TcpListener;

    let socket = TcpListener::bind("127.0.0.1:0")?;
    let start = || {
        let socket = socket.try_clone().expect("a descriptor");
        resumed::start(Config::new(dir).listen_on(ListenSocket::Tcp(socket)))
    };
    let server = start()?;
    server.stop();
    let mut early = Client::connect(socket.local_addr()?);
    early.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let server = start()?;
    assert_eq!(early.answer().status, 200);
    server.stop();
    Ok(())
}

#[test]
fn a_hook_is_told_what_has_arrived() -> Tried {
    let temporary = tempfile::tempdir()?;
    let dir = temporary.path();
    let (sender, receiver) = std::sync::mpsc::channel();

    use resumed::store::Completed;
    use resumed::{Config, HookError};

    let seen = move |upload: &Completed| -> Result<(), HookError> {
        let name = upload.file.name.as_deref().unwrap_or("?"); // for display; never a path
        let owner = String::from_utf8_lossy(upload.id.owner()); // empty without users
        let digest = upload.sha256.ok_or("no sha256")?; // an error: the hook runs again
        sender.send(format!(
            "{owner} {name} {} {:02x}",
            upload.length, digest[0]
        ))?;
        Ok(())
    };
    let config = Config::new(dir).sha256(true).on_complete(seen);

    let server = resumed::start(config.listen("127.0.0.1:0"))?;
    put(&server, "")?;
    assert_eq!(receiver.recv_timeout(LIMIT)?, " a.txt 5 2c");
    Ok(())
}

/// Sends "hello" as `a.txt`, and answers with the status.
fn put(server: &resumed::Server, fields: &str) -> Result<u16, Box<dyn Error>> {
    let mut client = Client::connect(server.addr().tcp().ok_or("a port")?);
    client.send(format!(
        "PUT /files/a.txt HTTP/1.1\r\nHost: localhost\r\n{fields}Content-Length: 5\r\n\r\nhello"
    ));
    Ok(client.answer().status)
}

#[test]
fn program_decides_about_each_request() -> Tried {
    let temporary = tempfile::tempdir()?;
    let dir = temporary.path();

    use resumed::{Config, Decision, Response};

    let config = Config::new(dir).authorize(|head, _command| match head.field("X-Token") {
        Some(b"let me in") => Decision::allow_for("alice"),
        _ => Decision::Deny(Response::new(401).text("log in at /login first")),
    });

    let server = resumed::start(config.listen("127.0.0.1:0"))?;
    assert_eq!(put(&server, "")?, 401);
    assert_eq!(put(&server, "X-Token: let me in\r\n")?, 201);
    Ok(())
}

#[test]
fn route_of_a_program_is_beside_the_uploads() -> Tried {
    let temporary = tempfile::tempdir()?;
    let dir = temporary.path();

    use resumed::{Config, Response};

    let config = Config::new(dir).route(|head| match (head.method(), head.path()) {
        ("GET" | "HEAD", "/version") => Some(Response::new(200).text("7")),
        _ => None,
    });

    let server = resumed::start(config.listen("127.0.0.1:0"))?;
    let mut client = Client::connect(server.addr().tcp().ok_or("a port")?);
    client.send("GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(client.answer().text(), "7");
    assert_eq!(put(&server, "")?, 201);
    Ok(())
}

#[test]
fn uploads_behind_a_server_that_is_there() -> Tried {
    let temporary = tempfile::tempdir()?;
    let dir = temporary.path();

    use resumed::{Head, Options, Response, Uploads};
    use std::io::Read;

    type Fields<'a> = &'a [(&'a str, &'a str)];

    // For every request under /upload, /status and /files.
    fn answer(
        uploads: &Uploads,
        (method, target, fields): (&str, &str, Fields),
        mut body: impl Read,
    ) -> Response {
        match Head::from_parts(method, target, fields.iter().copied()) {
            Ok(head) => uploads.handle(&head, &mut body),
            Err(malformed) => malformed.into(),
        }
    }

    let uploads = Uploads::open(dir, Options::default().max_size(50 << 30))?;
    let [host, id] = [
        ("Host", "localhost"),
        ("X-File-Id", "a.txt-5-1700000000000"),
    ];

    // Three bytes of five arrive, then the connection breaks.
    let begin = ("POST", "/upload", &[host, id, ("Content-Length", "5")][..]);
    answer(&uploads, begin, &b"hel"[..]);

    // Ask for the offset, and send the rest.
    let held = answer(&uploads, ("GET", "/status", &[host, id]), &b""[..]);
    assert_eq!(held.body_bytes(), b"3");
    let (start, length) = (("X-Start-Byte", "3"), ("Content-Length", "2"));
    let rest = ("POST", "/upload", &[host, id, start, length][..]);
    let done = answer(&uploads, rest, &b"lo"[..]);
    assert_eq!((done.status(), done.body_bytes()), (200, &b"Success 5"[..]));

    assert_eq!(fs::read(dir.join("a.txt"))?, b"hello");
    Ok(())
}

#[test]
fn a_protocol_of_ones_own() -> Tried {
    let temporary = tempfile::tempdir()?;
    let dir: &Path = temporary.path();

    use resumed::store::{AppendRequest, Completes, Error, Id, Options, Store};

    let store = Store::open(dir, Options::default())?;
    store.sweep(); // at start and hourly: repair and expiry

    let id = Id::new(b"alice", b"any bytes");
    let mut declared = AppendRequest::default();
    declared.length = Some(5);
    declared.file.name = Some("a.txt".into());
    let mut append = store.append_with(&id, 0, declared)?;
    append.write(b"hel")?;
    append.cut(); // the connection broke: received bytes are kept

    let progress = store.status(&id)?; // durable when it returns
    assert_eq!((progress.offset, progress.complete), (3, false));
    assert!(matches!(store.append(&id, 0), Err(Error::Mismatch)));

    let mut append = store.append(&id, progress.offset)?;
    append.write(b"lo")?;
    let finished = append.finish(Completes::AtLength)?; // complete, durable, under its name
    let published = finished.published.expect("by this call");
    println!("{} has arrived", published.path.display());

    assert_eq!(fs::read(published.path)?, b"hello");
    Ok(())
}

#[test]
fn owners_are_checked_before_they_have_folders() -> Tried {
    use resumed::store::check_user_dirs;

    check_user_dirs(["ann", "bob"])?;
    let clash = check_user_dirs(["Ann", "ann"]).expect_err("one folder on some disks");
    assert_eq!((&*clash.first, &*clash.second), ("Ann", "ann"));
    Ok(())
}
