//! Several files at once: the number of requests, their order, and failures that concern all of them.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write, copy, sink};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{HEADS, put, put_file, run, send, url};
use crate::support::limit::Lines;
use crate::support::line::Line;
use crate::support::local::Disk;
use crate::support::running::{Running, Said, wait_for_part};
use crate::support::{Site, TIMEOUT, append, content};

const LARGE: u64 = 5_000_000;

/// One request as the server of a test sees it.
#[derive(Debug, Clone)]
struct Request {
    /// 1 for the first one.
    number: usize,
    method: String,
    id: String,
    start: u64,
    length: u64,
    /// The declared length of the whole file.
    size: u64,
    came: Instant,
}

/// A server that stores nothing. It calls a function for each request, on a thread for each connection.
#[derive(Default)]
struct Stage {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The requests in the order in which they came.
    requests: Vec<Request>,
    answered: usize,
    /// The maximum number of requests that waited for an answer at once.
    most: usize,
    is_released: bool,
}

impl Stage {
    /// Starts the server. It ends with the process.
    fn serve(
        self: &Arc<Stage>,
        answer: impl Fn(&Stage, &Request) -> String + Send + Sync + 'static,
    ) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = url(listener.local_addr().expect("its address"));
        let (stage, answer) = (Arc::clone(self), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stage, answer) = (Arc::clone(&stage), Arc::clone(&answer));
                let stream = stream.expect("a client");
                thread::spawn(move || {
                    while let Some(mut request) = take_request(&stream) {
                        stage.lock().came(&mut request);
                        stage.changed.notify_all();
                        let said = answer(&stage, &request);
                        stage.lock().answered += 1;
                        stage.changed.notify_all();
                        (&stream).write_all(said.as_bytes()).expect("taken");
                    }
                });
            }
        });
        url
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("not poisoned")
    }

    #[track_caller]
    fn wait_until(&self, condition: impl Fn(&State) -> bool) {
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), TIMEOUT, |state| !condition(state));
        let (state, waited) = waited.expect("not poisoned");
        assert!(!waited.timed_out(), "{:?}", state.requests);
    }

    fn release(&self) {
        self.lock().is_released = true;
        self.changed.notify_all();
    }
}

impl State {
    fn came(&mut self, request: &mut Request) {
        request.number = self.requests.len() + 1;
        self.requests.push(request.clone());
        self.most = self.most.max(self.running());
    }

    fn running(&self) -> usize {
        self.requests.len() - self.answered
    }
}

/// Reads one request to its end. Returns `None` if the client has closed.
fn take_request(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader
        .read_line(&mut line)
        .ok()
        .filter(|count| *count > 0)?;
    let method = line.split(' ').next()?.to_owned();
    let (mut id, mut numbers) = (String::new(), [0; 3]);
    let names = ["x-start-byte", "content-length", "x-file-size"];
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        let name = name.to_ascii_lowercase();
        if let Some(at) = names.iter().position(|known| *known == name) {
            numbers[at] = value.parse().expect("a number");
        }
        match name.as_str() {
            "x-file-id" => id = value.to_owned(),
            "expect" => (&*stream)
                .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
                .ok()?,
            _ => {}
        }
    }
    let [start, length, size] = numbers;
    copy(&mut reader.take(length), &mut sink()).ok()?;
    Some(Request {
        number: 0,
        method,
        id,
        start,
        length,
        size,
        came: Instant::now(),
    })
}

fn answer(status: u16, fields: &str, text: &str) -> String {
    let length = text.len();
    format!("HTTP/1.1 {status} Said\r\nContent-Length: {length}\r\n{fields}\r\n{text}")
}

/// Returns the answer of a server that takes all bytes.
fn taken(request: &Request) -> String {
    let end = request.start + request.length;
    match request.method == "POST" && end == request.size {
        true => {
            let fields = format!("Upload-Offset: {end}\r\nUpload-Complete: ?1\r\n");
            answer(200, &fields, &format!("Success {end}"))
        }
        false => answer(200, &format!("Upload-Offset: {end}\r\n"), &end.to_string()),
    }
}

/// Makes files of `lengths` in a folder.
fn folder(lengths: impl IntoIterator<Item = u64>) -> Disk {
    let disk = Disk::new();
    for (number, length) in lengths.into_iter().enumerate() {
        disk.file(&format!("photos/{number:03}.jpg"), length);
    }
    disk
}

fn put_folder(flags: &[&str], disk: &Disk, url: &str) -> std::process::Command {
    let photos = disk.path().join("photos");
    let photos = photos.to_str().expect("text");
    put(flags.iter().copied().chain([photos, url]))
}

fn send_folder(flags: &[&str], disk: &Disk, url: &str) -> Said {
    run(&mut put_folder(flags, disk, url))
}

/// Returns the number of answers of a server, with this status or with any.
fn answers(site: &Site, status: &str) -> u64 {
    let metrics = site.ask("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let start = format!("resumed_requests_total{{status=\"{status}");
    let counts = (metrics.text().lines())
        .filter(|line| line.starts_with(&start))
        .map(|line| line.rsplit_once(' ').expect("a count").1);
    counts
        .map(|count| count.parse::<u64>().expect("a count"))
        .sum()
}

#[test]
fn file_of_up_to_4_mib_takes_one_request() {
    const MIB: u64 = 1024 * 1024;
    let lengths = [1, 30_000, 64 * 1024 + 1, MIB + 1, 3_000_000, 4 * MIB, 0];
    let disk = folder(lengths);
    let site = Site::with(|config| config.metrics(true));
    for flags in [&["--jobs=3"][..], &["--jobs=1", "--no-check"]] {
        let site = match flags.len() {
            1 => &site,
            _ => &Site::with(|config| config.metrics(true)),
        };
        send_folder(flags, &disk, &url(site.addr())).expect(0, &["7 files sent"]);
        assert_eq!(answers(site, ""), lengths.len() as u64, "{flags:?}");
    }
    // The first file is sent in vain, and then compared: three requests. An empty file is sent again.
    let before = answers(&site, "");
    let line = Line::of(site.addr(), u64::MAX);
    let again = send_folder(&[], &disk, &line.url());
    again.expect(0, &["the server had 6 already"]);
    // The request for the metrics is one too.
    assert!(answers(&site, "") - before <= 1 + 7 + 2);
    assert!(line.taken() < 10 * HEADS, "{} bytes", line.taken());
}

#[test]
fn empty_files_do_not_make_the_next_file_look_new() {
    let disk = folder([30_000, 0, 0, 0, 0, 0, 0, 0, 0, 30_001]);
    let site = Site::with(|config| config.metrics(true));
    let url = url(site.addr());
    send_folder(&["--jobs=1"], &disk, &url).expect(0, &["10 files sent"]);
    send_folder(&["--jobs=1"], &disk, &url).expect(0, &["the server had 2 already"]);
    // Only the first file is sent in vain.
    assert_eq!(answers(&site, "409"), 1);
}

#[test]
fn jobs_limits_the_number_of_requests_at_once() {
    for jobs in [1, 3, 8] {
        let stage = Arc::new(Stage::default());
        let url = stage.serve(move |stage, request| {
            // The first file goes alone. Later, an answer waits until all jobs wait for one.
            if request.number > 1 && !stage.lock().is_released {
                stage.wait_until(|state| state.is_released || state.running() == jobs);
                stage.release();
            }
            taken(request)
        });
        let disk = folder([1000; 40]);
        let flag = format!("--jobs={jobs}");
        send_folder(&[&flag], &disk, &url).expect(0, &["40 files sent, 40.00 kB"]);
        let state = stage.lock();
        assert_eq!((state.requests.len(), state.most), (40, jobs));
    }
}

#[test]
fn small_files_go_beside_one_large_file() {
    let stage = Arc::new(Stage::default());
    let is_large = |request: &Request| request.size == LARGE;
    let url = stage.serve(move |stage, request| {
        if request.size == LARGE {
            // All small files arrive before the first part of the large one is answered.
            stage.wait_until(|state| {
                let small = state.requests.iter().filter(|r| r.size == 1000);
                small.count() == 20
            });
        }
        taken(request)
    });
    let small = [1000; 10];
    let disk = folder([LARGE].into_iter().chain(small).chain([LARGE]).chain(small));
    send_folder(&[], &disk, &url).expect(0, &["22 files sent"]);
    let requests = stage.lock().requests.clone();
    let ids: Vec<_> = requests
        .iter()
        .filter(|r| is_large(r))
        .map(|r| &r.id[..])
        .collect();
    let changes = ids.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert_eq!(changes, 1, "one large file after the other: {ids:?}");
}

#[test]
fn one_job_sends_in_order() {
    let stage = Arc::new(Stage::default());
    let url = stage.serve(|_, request| taken(request));
    let disk = folder([1000, LARGE, 1000, LARGE, 1000]);
    send_folder(&["--jobs=1"], &disk, &url).expect(0, &["5 files sent"]);
    let requests = stage.lock().requests.clone();
    assert!(
        requests.is_sorted_by_key(|request| request.id.clone()),
        "{requests:?}"
    );
}

#[test]
fn all_jobs_pause_after_a_429() {
    let stage = Arc::new(Stage::default());
    let url = stage.serve(|stage, request| {
        if (2..=9).contains(&request.number) {
            // Eight jobs wait for an answer. The others get theirs when the client has begun its pause.
            stage.wait_until(|state| state.requests.len() >= 9);
            let is_limited = request.id.contains("001.jpg");
            if is_limited {
                return answer(429, "Retry-After: 2\r\n", "");
            }
            stage.wait_until(|state| state.is_released);
        }
        taken(request)
    });
    let disk = folder([1000; 40]);
    let mut running = Running::start(&mut put_folder(&["--json"], &disk, &url));
    let output = running.child().stdout.take().expect("piped");
    let mut lines = Lines::of("the events of put", output);
    let waiting = lines.find_map(|line| {
        let event: Value = serde_json::from_str(&line).expect("an object");
        (event["event"] == "waiting").then_some(event)
    });
    assert_eq!(waiting.expect("a pause")["seconds"], 2.0);
    stage.release();
    running.end().expect(0, &[]);
    let requests = stage.lock().requests.clone();
    // The limited file is sent again, after a question for its offset.
    assert_eq!(requests.len(), 42);
    let limited = requests.iter().find(|r| r.id.contains("001.jpg"));
    let pause_began = limited.expect("sent").came;
    for request in &requests[9..] {
        assert!(
            request.came >= pause_began + Duration::from_secs(2),
            "{request:?}"
        );
    }
}

#[test]
fn killed_folder_is_completed_by_the_same_command() {
    const COUNT: u64 = 200;
    const LENGTH: u64 = 30_000;
    let disk = folder([LENGTH; COUNT as usize]);
    let site = Site::with(|config| config.metrics(true));
    let line = Line::of(site.addr(), COUNT * LENGTH / 2);
    let running = Running::start(&mut put_folder(&[], &disk, &line.url()));
    line.wait_until_spent();
    drop(running);
    drop(line);
    site.wait_until_nobody_sends();
    let photos = || {
        fs::read_dir(site.dir().join("photos"))
            .expect("listed")
            .count() as u64
    };
    let there = photos();
    assert!(there > COUNT / 4 && there < COUNT, "{there}");

    let line = Line::of(site.addr(), u64::MAX);
    let said = send_folder(&[], &disk, &line.url());
    said.expect(0, &["files sent, "]);
    assert_eq!(photos(), COUNT);
    for number in [0, 99, 100, 199] {
        let name = format!("photos/{number:03}.jpg");
        let (one, other) = (disk.path().join(&name), site.dir().join(&name));
        assert!(fs::read(one).expect("read") == fs::read(other).expect("published"));
    }
    // The first file goes in vain.
    let most = (COUNT - there + 1) * LENGTH + 2 * COUNT * 1000;
    assert!(line.taken() < most, "{} of {most} bytes", line.taken());
}

#[test]
fn begun_small_file_continues_after_a_409() {
    const PART: u64 = 2_000_000;
    let disk = Disk::new();
    let file = disk.file("a.bin", 3_000_000);
    let site = Site::with(|config| config.metrics(true));
    let bytes = fs::read(file.path()).expect("read");
    let mut page = site.connect();
    page.send(append(&file.id(), 0, file.length()));
    page.send(&bytes[..PART as usize]);
    page.cut();
    wait_for_part(site.dir(), PART);
    site.wait_until_nobody_sends();

    run(&mut put_file(&file, &url(site.addr()))).expect(0, &["a.bin: 3.00 MB"]);
    file.expect_same(&site.dir().join("a.bin"));
    assert_eq!(answers(&site, "409"), 1);
}

/// The bytes are in memory with their checksum before the request begins.
#[test]
fn small_file_changed_while_it_is_sent_arrives_unmixed() {
    let disk = Disk::new();
    let file = disk.file("a.bin", 3_000_000);
    let before = fs::read(file.path()).expect("read");
    let site = Site::new();
    let line = Line::of(site.addr(), 1_000_000);
    let running = Running::start(&mut put_file(&file, &line.url()));
    wait_for_part(site.dir(), 1_000_000 - HEADS);
    fs::write(file.path(), content(3_000_000)).expect("changed");
    line.open();
    running.end().expect(0, &["a.bin: 3.00 MB"]);
    assert!(fs::read(site.dir().join("a.bin")).expect("published") == before);
}

#[test]
fn first_file_that_has_to_wait_does_not_hold_up_the_others() {
    let stage = Arc::new(Stage::default());
    let url = stage.serve(|stage, request| {
        let is_first = request.id.contains("000.jpg");
        if is_first && !stage.lock().is_released {
            return answer(503, "Upload-Complete: ?0\r\n", "its command runs\n");
        }
        if !is_first {
            stage.release();
        }
        taken(request)
    });
    let disk = folder([1000; 3]);
    let said = send_folder(&[], &disk, &url);
    said.expect(0, &["its command runs", "3 files sent"]);
}

#[test]
fn wrong_password_is_reported_once() {
    let disk = folder([1000; 20]);
    let site = Site::with(|config| config.user("alice", "secret"));
    let said = send_folder(&["--user=alice:wrong"], &disk, &url(site.addr()));
    let failures = said.err.matches("000.jpg: the server requires").count();
    assert_eq!(failures, 2, "at once, and at the end: {said:?}");
    said.expect(1, &["1 of 20 failed:", "19 more were not tried"]);
}

#[test]
fn wrong_password_after_too_many_logins_is_reported_once() {
    let stage = Arc::new(Stage::default());
    let url = stage.serve(|_, request| match request.number {
        1 => answer(429, "Upload-Complete: ?0\r\nRetry-After: 1\r\n", "wait\n"),
        _ => answer(401, "", ""),
    });
    let said = send_folder(&[], &folder([1000; 20]), &url);
    said.expect(1, &["1 of 20 failed:", "19 more were not tried"]);
}

#[test]
fn missing_server_is_reported_once() {
    let disk = folder([1000; 20]);
    let said = send_folder(&["--give-up-after=1s"], &disk, "http://127.0.0.1:1");
    assert!(!said.err.contains("001.jpg: next try"), "{said:?}");
    said.expect(
        3,
        &[
            "gave up: the server does not answer",
            "19 more were not tried",
        ],
    );
}

#[test]
fn refused_file_is_named_at_once_and_at_the_end() {
    let disk = folder([10, 2_000_000, 10]);
    let site = Site::with(|config| config.max_size(1_000_000));
    let said = send_folder(&[], &disk, &url(site.addr()));
    let refusal = "photos/001.jpg: the server refused: larger than the limit of 1.0 MB";
    assert_eq!(said.err.matches(refusal).count(), 2, "{said:?}");
    said.expect(1, &["2 files sent, 20 B", "1 of 3 failed:"]);
}

#[test]
fn jobs_out_of_range_is_a_usage_error() {
    let disk = Disk::new();
    let file = disk.file("a.bin", 5);
    for jobs in ["--jobs=0", "--jobs=65"] {
        send(&[jobs], &[&file], "http://127.0.0.1:1").expect(2, &["--jobs cannot be"]);
    }
}
