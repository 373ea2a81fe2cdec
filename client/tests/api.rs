//! The client against a real server, which needs Unix.

#![cfg(unix)]

use std::cell::Cell;
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use resumed::{Config, Server};
use resumed_client::{Arrival, CancelToken, Client, Error, Event, Scope, Uploaded};
use tempfile::TempDir;

struct Site {
    server: Server,
    dir: TempDir,
}

impl Site {
    fn new(set: impl FnOnce(Config) -> Config) -> Site {
        let dir = tempfile::tempdir().expect("a directory");
        let config = Config::new(dir.path().join("uploads")).listen("127.0.0.1:0");
        let server = resumed::start(set(config)).expect("it starts");
        Site { server, dir }
    }

    fn client(&self) -> Client {
        Client::new(&format!("http://{}", self.server.addr())).expect("an address")
    }

    fn file(&self, name: &str, bytes: &[u8]) -> std::path::PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, bytes).expect("written");
        path
    }

    fn uploaded(&self, name: &str) -> Vec<u8> {
        fs::read(self.dir.path().join("uploads").join(name)).expect("published")
    }
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

/// Compiles only if threads can share all these types.
#[test]
fn public_types_can_be_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<(Client, CancelToken, Uploaded, Error)>();
}

#[test]
fn file_arrives_with_progress_and_is_found_again() {
    let site = Site::new(|config| config);
    let bytes = content(3_000_000);
    let path = site.file("a.bin", &bytes);
    let highest = Cell::new(0);
    let client = site.client();
    let upload = client.file(&path).on_event(|event| {
        if let Event::Progress {
            sent,
            confirmed,
            total,
        } = event
        {
            assert_eq!(total, Some(3_000_000));
            assert!(confirmed <= sent, "{confirmed} of {sent}");
            highest.set(confirmed);
        }
    });
    let uploaded = upload.send().expect("it arrives");
    assert_eq!(
        (uploaded.bytes, uploaded.arrival),
        (3_000_000, Arrival::Now)
    );
    assert_eq!(highest.get(), 3_000_000);
    assert_eq!(site.uploaded("a.bin"), bytes);

    let again = client.upload(&path).expect("it is there");
    assert_eq!(again.arrival, Arrival::Before { compared: true });
    for uploaded in [uploaded, again] {
        assert_eq!(uploaded.saved_as.as_deref(), Some("a.bin"));
        assert!(!uploaded.is_renamed);
    }

    let another = client.file(site.file("b.bin", b"another")).name("a.bin");
    let another = another.send().expect("it arrives");
    assert_eq!(another.saved_as.as_deref(), Some("a (1).bin"));
    assert!(another.is_renamed);
}

#[test]
fn stream_arrives_under_its_name() {
    let site = Site::new(|config| config);
    let bytes = content(9_000_000);
    let client = site.client();
    let uploaded = client
        .stream("backup.tar", &bytes[..])
        .send()
        .expect("it arrives");
    assert_eq!(uploaded.bytes, 9_000_000);
    assert_eq!(site.uploaded("backup.tar"), bytes);
}

#[test]
fn cancelled_upload_keeps_its_bytes_and_continues() {
    let site = Site::new(|config| config);
    let bytes = content(20_000_000);
    let path = site.file("a.bin", &bytes);
    let client = site.client();
    let cancel = CancelToken::new();
    let upload = client.file(&path).cancel(&cancel).on_event(|event| {
        if matches!(event, Event::Progress { sent, .. } if sent >= 5_000_000) {
            cancel.cancel();
        }
    });
    assert!(matches!(upload.send(), Err(Error::Cancelled)));

    let first = Cell::new(None);
    let upload = client.file(&path).on_event(|event| {
        if let Event::Progress { confirmed, .. } = event {
            first.set(first.get().or(Some(confirmed)));
        }
    });
    upload.send().expect("it arrives");
    assert!(
        first.get().expect("progress") > 0,
        "it starts where the first ended"
    );
    assert_eq!(site.uploaded("a.bin"), bytes);
}

#[test]
fn cancel_ends_a_pause_at_once() {
    let unused = TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr();
    let url = format!("http://{}", unused.expect("its address"));
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a");
    fs::write(&path, "a").expect("written");
    let cancel = CancelToken::new();
    let (paused, is_paused) = mpsc::channel();
    let ended = thread::scope(|scope| {
        let token = cancel.clone();
        let upload = scope.spawn(move || {
            let client = Client::new(&url).expect("an address");
            let upload = client.file(&path).cancel(&token).on_event(|event| {
                if let Event::Retry { error, .. } = event {
                    assert_eq!(error.scope(), Scope::Attempt);
                    // The test ends early if nobody listens.
                    let _ = paused.send(());
                }
            });
            upload.send()
        });
        is_paused
            .recv_timeout(Duration::from_secs(30))
            .expect("a pause");
        cancel.cancel();
        upload.join().expect("no panic")
    });
    assert!(matches!(ended, Err(Error::Cancelled)), "{ended:?}");
}

#[test]
fn failures_can_be_told_apart() {
    let site = Site::new(|config| config.user("alice", "secret").max_size(10));
    let small = site.file("small", b"hello");
    let large = site.file("large", &content(11));
    let anonymous = site.client().upload(&small);
    assert!(
        matches!(anonymous, Err(Error::Unauthorized)),
        "{anonymous:?}"
    );
    let alice = site.client().user("alice", "secret");
    alice.upload(&small).expect("it arrives");
    let too_large = alice.upload(&large);
    assert!(
        matches!(too_large, Err(Error::TooLarge(_))),
        "{too_large:?}"
    );
    let missing = alice.upload(Path::new("/nonexistent"));
    assert!(matches!(missing, Err(Error::Unreadable(_))), "{missing:?}");
    let folder = alice.upload(site.dir.path());
    let Err(error @ Error::NotAFile) = folder else {
        panic!("{folder:?}");
    };
    assert_eq!(error.to_string(), "it is not a regular file");
    let gone = Client::new("http://127.0.0.1:1").expect("an address");
    let gave_up = gone.give_up_after(Duration::ZERO).upload(&small);
    let Err(Error::GaveUp(last)) = gave_up else {
        panic!("{gave_up:?}");
    };
    assert!(std::error::Error::source(&*last).is_some(), "{last:?}");
}

#[test]
fn cancel_ends_the_wait_for_a_response() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", silent.local_addr().expect("its address"));
    let dir = tempfile::tempdir().expect("a directory");
    // A small file is sent at once; of a larger one, the client first asks for the offset.
    for length in [5, 5_000_000] {
        let path = dir.path().join("a");
        fs::write(&path, content(length)).expect("written");
        let cancel = CancelToken::new();
        let client = Client::new(&url).expect("an address");
        let ended = thread::scope(|scope| {
            let upload = scope.spawn(|| client.file(&path).cancel(&cancel).send());
            let (mut request, _) = silent.accept().expect("a client");
            request.read_exact(&mut [0]).expect("a request");
            let since = Instant::now();
            cancel.cancel();
            let ended = upload.join().expect("no panic");
            assert!(since.elapsed() < Duration::from_secs(5), "{length} bytes");
            ended
        });
        assert!(matches!(ended, Err(Error::Cancelled)), "{ended:?}");
    }
}

#[test]
fn threads_share_a_client() {
    let site = Site::new(|config| config);
    let client = site.client();
    let names: Vec<_> = (0..40).map(|number| format!("{number}.bin")).collect();
    let bytes = content(30_000);
    let (site, client, bytes) = (&site, &client, &bytes);
    thread::scope(|scope| {
        for names in names.chunks(5) {
            scope.spawn(move || {
                for name in names {
                    client.upload(site.file(name, bytes)).expect("it arrives");
                }
            });
        }
    });
    for name in &names {
        assert!(site.uploaded(name) == *bytes, "{name}");
    }
}

#[test]
fn cancel_ends_all_uploads_of_a_token() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", silent.local_addr().expect("its address"));
    let dir = tempfile::tempdir().expect("a directory");
    let (client, cancel) = (&Client::new(&url).expect("an address"), &CancelToken::new());
    thread::scope(|scope| {
        let uploads = ["a", "b", "c"].map(|name| {
            let path = dir.path().join(name);
            fs::write(&path, name).expect("written");
            scope.spawn(move || client.file(path).cancel(cancel).send())
        });
        let requests = uploads.each_ref().map(|_| {
            let (mut request, _) = silent.accept().expect("a client");
            request.read_exact(&mut [0]).expect("a request");
            request
        });
        cancel.cancel();
        for upload in uploads {
            let ended = upload.join().expect("no panic");
            assert!(matches!(ended, Err(Error::Cancelled)), "{ended:?}");
        }
        drop(requests);
    });
}

#[test]
fn client_continues_after_a_cancelled_upload() {
    let site = Site::new(|config| config);
    let path = site.file("a.bin", &content(5));
    let (client, cancel) = (site.client(), CancelToken::new());
    client.upload(&path).expect("it arrives");
    cancel.cancel();
    let ended = client.file(&path).cancel(&cancel).send();
    assert!(matches!(ended, Err(Error::Cancelled)), "{ended:?}");
    client.upload(&path).expect("it is there");
}

#[test]
fn header_goes_out_with_each_request() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a");
    fs::write(&path, "a").expect("written");
    let client = Client::new(&url).expect("an address");
    let client = client.header("Cf-Access-Token", "b").expect("a field");
    let client = client.give_up_after(Duration::ZERO);
    let head = thread::scope(|scope| {
        scope.spawn(|| client.upload(&path));
        let (request, _) = listener.accept().expect("a client");
        let lines = BufReader::new(request).lines();
        let lines = lines.map(|line| line.expect("a line").to_ascii_lowercase());
        lines
            .take_while(|line| !line.is_empty())
            .collect::<Vec<_>>()
    });
    assert!(head.contains(&"cf-access-token: b".into()), "{head:?}");
}

#[test]
fn unreadable_stream_fails() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("broken"))
        }
    }
    let site = Site::new(|config| config);
    let failed = site.client().stream("a", Broken).send();
    assert!(matches!(failed, Err(Error::Unreadable(_))), "{failed:?}");
}

#[test]
fn fields_of_the_upload_cannot_be_set() {
    for (name, value) in [
        ("X-File-Id", "a"),
        ("content-length", "1"),
        ("a b", "c"),
        ("a", "\n"),
    ] {
        let client = Client::new("http://pi").expect("an address");
        assert!(client.header(name, value).is_err(), "{name}: {value}");
    }
}

#[test]
fn wrong_addresses_are_refused() {
    for url in ["", "pi:8080", "ftp://pi", "http://a:b@pi", "http://pi/?a"] {
        assert!(Client::new(url).is_err(), "{url}");
    }
}
