//! Several clients and two workers. Where one of those is kept busy, what comes is worked in the order it came in.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{OnceLock, Weak};
use std::time::{Duration, Instant};

use super::*;
use crate::http::{Action, Head, Response};

const PATIENCE: Duration = Duration::from_secs(10);

/// Tells of requests for `/told`, and goes on when it is told to. In `/place` it has a place meanwhile.
struct Stage {
    tell: Sender<Sender<()>>,
    engine: Arc<OnceLock<Weak<Shared>>>,
    /// Whether a worker was seen to stay for the next request of the first client.
    has_stayed: Arc<AtomicBool>,
}

impl Stage {
    fn wait(tell: &Sender<Sender<()>>) -> Response {
        let (go_on, going_on) = mpsc::channel();
        tell.send(go_on).unwrap();
        // Or the test is over.
        let _ = going_on.recv_timeout(PATIENCE);
        Response::new(200)
    }
}

impl Handler for Stage {
    fn handle(&self, head: &Head) -> Action {
        let tell = self.tell.clone();
        match head.path() {
            "/told" => Action::Respond(Stage::wait(&tell)),
            "/place" => Action::Blocking(Box::new(move || Action::Respond(Stage::wait(&tell)))),
            _ => {
                let engine = self.engine.get().and_then(Weak::upgrade);
                let has_stayed = engine.is_some_and(|engine| engine.lot.is_muted(0));
                self.has_stayed.fetch_or(has_stayed, Ordering::Relaxed);
                Action::Respond(Response::new(200))
            }
        }
    }
}

struct House {
    engine: Engine,
    addr: Address,
    told: Receiver<Sender<()>>,
    has_stayed: Arc<AtomicBool>,
}

impl House {
    fn new() -> House {
        let listener = Listener::tcp(([127, 0, 0, 1], 0).into()).unwrap();
        let addr = listener.address().unwrap();
        let (tell, told) = mpsc::channel();
        let limits = Limits {
            connections: 100,
            workers: 2,
            disk_waits: 0,
            buffer_bytes: 64 * 1024,
            coalesce_max: Duration::from_millis(20),
        };
        let stage = Stage {
            tell,
            engine: Arc::default(),
            has_stayed: Arc::default(),
        };
        let (known, has_stayed) = (Arc::clone(&stage.engine), Arc::clone(&stage.has_stayed));
        let http_limits = http::Limits::default();
        let engine = Engine::start(listener, Arc::new(stage), limits, http_limits).unwrap();
        known.set(Arc::downgrade(&engine.shared)).unwrap();
        House {
            engine,
            addr,
            told,
            has_stayed,
        }
    }

    /// One worker waits in a request for `path`.
    fn with_one_busy(path: &str) -> (House, TcpStream, Sender<()>) {
        let house = House::new();
        let (client, go_on) = house.ask_and_be_told(path);
        (house, client, go_on)
    }

    fn ask(&self, path: &str) -> TcpStream {
        let client = TcpStream::connect(self.addr.to_string()).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        ask_again(&client, path);
        client
    }

    /// Somebody has begun to work it.
    fn told(&self) -> Sender<()> {
        self.told.recv_timeout(PATIENCE).unwrap()
    }

    fn ask_and_be_told(&self, path: &str) -> (TcpStream, Sender<()>) {
        let client = self.ask(path);
        (client, self.told())
    }

    /// What these ask for is there before any of it is worked.
    fn ask_at_once<const N: usize>(&self, paths: [&str; N]) -> [TcpStream; N] {
        let (other, go_on) = self.ask_and_be_told("/told");
        let clients = paths.map(|path| self.ask(path));
        go_on.send(()).unwrap();
        assert!(is_answered(&other));
        clients
    }
}

fn ask_again(mut client: &TcpStream, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    client.write_all(request.as_bytes()).unwrap();
}

fn is_answered(client: &TcpStream) -> bool {
    let mut line = String::new();
    let read = BufReader::new(client).read_line(&mut line);
    read.is_ok() && line == "HTTP/1.1 200 OK\r\n"
}

fn is_answered_by_now(client: &TcpStream) -> bool {
    rustix::io::ioctl_fionread(client).unwrap() > 0
}

#[test]
fn answers_come_after_the_turns_that_wait() {
    let (house, _busy, _go_on) = House::with_one_busy("/told");
    let clients = house.ask_at_once(["/1", "/2", "/told"]);
    let go_on = house.told();
    assert!(!clients.iter().any(is_answered_by_now));
    go_on.send(()).unwrap();
    assert!(clients.iter().all(is_answered));
}

#[test]
fn they_do_not_where_one_of_those_may_take_its_time() {
    let (house, _busy, _go_on) = House::with_one_busy("/place");
    let [_place, client, _] = house.ask_at_once(["/place", "/1", "/told"]);
    let _last = house.told();
    assert!(is_answered_by_now(&client));
}

#[test]
fn they_come_also_when_the_engine_is_stopped() {
    let (mut house, busy, go_on) = House::with_one_busy("/told");
    let clients = house.ask_at_once(["/1", "/2", "/told"]);
    let last = house.told();
    house.engine.shared.stop();
    go_on.send(()).unwrap();
    last.send(()).unwrap();
    house.engine.wait();
    assert!(clients.iter().chain([&busy]).all(is_answered));
}

#[test]
fn a_worker_stays_for_a_client_that_is_quick_and_another_sees_to_the_rest() {
    let house = House::new();
    let quick = house.ask("/");
    assert!(is_answered(&quick));
    let patience = Instant::now() + 6 * PATIENCE;
    while !house.has_stayed.load(Ordering::Relaxed) {
        assert!(Instant::now() < patience, "nobody ever stays");
        ask_again(&quick, "/");
        assert!(is_answered(&quick));
    }
    let other = house.ask("/");
    ask_again(&quick, "/");
    assert!(is_answered(&other) && is_answered(&quick));
}
