//! A proxy on TCP that counts bytes, limits their rate, and stops after a set number.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_recv_buffer_size;

use crate::support::TIMEOUT;

/// The bytes that are on their way at most, and those that pass at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// Ends when dropped.
pub(crate) struct Line {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    gate: Mutex<Gate>,
    moved: Condvar,
}

struct Gate {
    server: SocketAddr,
    /// Bytes that clients may still send.
    allowed: u64,
    /// Bytes a second that clients may send, all together.
    rate: Option<u64>,
    /// The time at which the next bytes may pass.
    free_at: Instant,
    /// Bytes that clients have sent.
    taken: u64,
    /// The number of clients so far.
    came: u64,
    /// The number of cuts of all connections.
    cuts: u64,
    /// The number of the byte to be damaged once.
    damaged: Option<u64>,
    is_gone: bool,
}

/// A client connection and its server connection. Both directions close it.
struct Joined {
    client: TcpStream,
    server: TcpStream,
    /// The number of cuts at the start of this connection.
    since: u64,
    is_over: AtomicBool,
}

impl Line {
    /// Lets through so many bytes, all clients together; answers come back whatever happens.
    pub(crate) fn of(server: SocketAddr, allowed: u64) -> Line {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("its address");
        // The bytes on their way are few: a client notices a low rate at once.
        set_socket_recv_buffer_size(&listener, BUFFER_BYTES).expect("a buffer");
        let gate = Gate {
            server,
            allowed,
            rate: None,
            free_at: Instant::now(),
            taken: 0,
            came: 0,
            cuts: 0,
            damaged: None,
            is_gone: false,
        };
        let shared = Arc::new(Shared {
            gate: Mutex::new(gate),
            moved: Condvar::new(),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &accepting));
        Line { addr, shared }
    }

    /// Damages the byte with this number, counted over all that clients send.
    pub(crate) fn damage(&self, at: u64) {
        self.shared.gate.lock().expect("not poisoned").damaged = Some(at);
    }

    /// Sets the bytes a second that clients may send, all together. `None` sets no limit.
    pub(crate) fn limit(&self, bytes_per_second: Option<u64>) {
        let mut gate = self.shared.gate.lock().expect("not poisoned");
        gate.rate = bytes_per_second;
        gate.free_at = Instant::now();
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Waits until all that may pass has passed.
    #[track_caller]
    pub(crate) fn wait_until_spent(&self) {
        self.wait_while(|gate| gate.allowed > 0);
    }

    /// Cuts off who is there, and waits until somebody comes.
    #[track_caller]
    pub(crate) fn cut_and_wait(&self) {
        let came = {
            let mut gate = self.shared.gate.lock().expect("not poisoned");
            gate.cuts += 1;
            gate.came
        };
        self.shared.moved.notify_all();
        self.wait_while(|gate| gate.came == came);
    }

    #[track_caller]
    fn wait_while(&self, condition: impl Fn(&Gate) -> bool) {
        let gate = self.shared.gate.lock().expect("not poisoned");
        let waited = self
            .shared
            .moved
            .wait_timeout_while(gate, TIMEOUT, |gate| condition(gate));
        let (gate, waited) = waited.expect("not poisoned");
        let (taken, came) = (gate.taken, gate.came);
        // A test that fails here has still to close the line.
        drop(gate);
        assert!(!waited.timed_out(), "{came} clients, {taken} bytes");
    }

    /// Cuts off who is there, with all that they had on their way, and holds up nobody from now on.
    pub(crate) fn cut_and_open(&self) {
        self.shared.gate.lock().expect("not poisoned").cuts += 1;
        self.open();
    }

    /// Holds up nobody from now on.
    pub(crate) fn open(&self) {
        self.shared.gate.lock().expect("not poisoned").allowed = u64::MAX;
        self.shared.moved.notify_all();
    }

    /// All that clients have sent, heads too.
    pub(crate) fn taken(&self) -> u64 {
        self.shared.gate.lock().expect("not poisoned").taken
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.shared.gate.lock().expect("not poisoned").is_gone = true;
        self.shared.moved.notify_all();
        // Wakes it from waiting for somebody.
        let _ = TcpStream::connect(self.addr);
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    loop {
        let (client, _) = listener.accept().expect("a client");
        let (server, since, is_gone) = {
            let mut gate = shared.gate.lock().expect("not poisoned");
            gate.came += 1;
            (gate.server, gate.cuts, gate.is_gone)
        };
        shared.moved.notify_all();
        if is_gone {
            return;
        }
        // Where there is no server, the client finds its line cut.
        let Ok(server) = TcpStream::connect(server) else {
            continue;
        };
        let joined = Arc::new(Joined {
            client,
            server,
            since,
            is_over: AtomicBool::new(false),
        });
        let (there, back) = (Arc::clone(&joined), joined);
        let (to_server, to_client) = (Arc::clone(shared), Arc::clone(shared));
        thread::spawn(move || there.end(&to_server, there.to_server(&to_server)));
        thread::spawn(move || back.end(&to_client, back.to_client()));
    }
}

impl Gate {
    /// Returns the time that so many bytes have to wait.
    fn delay(&mut self, count: usize) -> Duration {
        let Some(rate) = self.rate else {
            return Duration::ZERO;
        };
        let now = Instant::now();
        self.free_at = self.free_at.max(now) + Duration::from_secs_f64(count as f64 / rate as f64);
        self.free_at - now
    }
}

impl Joined {
    fn to_server(&self, shared: &Shared) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let Some(allowed) = self.wait(shared) else {
                return Ok(());
            };
            let most = buffer
                .len()
                .min(usize::try_from(allowed).unwrap_or(usize::MAX));
            let count = (&self.client).read(&mut buffer[..most])?;
            if count == 0 {
                return Ok(());
            }
            let delay = {
                let mut gate = shared.gate.lock().expect("not poisoned");
                gate.allowed = gate.allowed.saturating_sub(count as u64);
                let here = gate.taken..gate.taken + count as u64;
                if let Some(at) = gate.damaged.take_if(|at| here.contains(at)) {
                    buffer[(at - here.start) as usize] ^= 1;
                }
                gate.taken += count as u64;
                gate.delay(count)
            };
            shared.moved.notify_all();
            thread::sleep(delay);
            (&self.server).write_all(&buffer[..count])?;
        }
    }

    fn to_client(&self) -> io::Result<()> {
        io::copy(&mut &self.server, &mut &self.client).map(drop)
    }

    /// Until bytes may pass; `None` when none will.
    fn wait(&self, shared: &Shared) -> Option<u64> {
        let gate = shared.gate.lock().expect("not poisoned");
        let is_over = |gate: &Gate| {
            gate.is_gone || gate.cuts > self.since || self.is_over.load(Ordering::Relaxed)
        };
        let gate = shared
            .moved
            .wait_while(gate, |gate| gate.allowed == 0 && !is_over(gate));
        let gate = gate.expect("not poisoned");
        (!is_over(&gate)).then_some(gate.allowed)
    }

    /// However it went, the line is cut in both directions.
    fn end(&self, shared: &Shared, _: io::Result<()>) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
        // Under the lock, so that nobody who is about to wait misses it.
        let _gate = shared.gate.lock().expect("not poisoned");
        self.is_over.store(true, Ordering::Relaxed);
        shared.moved.notify_all();
    }
}
