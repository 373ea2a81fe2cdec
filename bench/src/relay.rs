//! A relay with the delay and the rate of a link. All connections share the rate, in each direction.
//!
//! Bytes wait in a queue until their time comes, so that the delay limits no throughput. A new connection costs one
//! round trip more, as the handshake of TCP does. Slow start is not imitated.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_recv_buffer_size;

#[derive(Clone, Copy)]
pub(crate) struct Link {
    pub(crate) round_trip: Duration,
    pub(crate) bits_per_sec: f64,
}

impl Link {
    /// Returns the time of so many bytes at the rate of the link.
    pub(crate) fn time_of(&self, bytes: u64) -> Duration {
        Duration::from_secs_f64(bytes as f64 * 8.0 / self.bits_per_sec)
    }
}

/// Bytes that pass at once. A small number lets connections share the link.
const CHUNK_BYTES: usize = 16 * 1024;

/// The longest queue of a direction of a connection. With the chunk, more than any link here holds.
const QUEUE_CHUNKS: usize = 4096;

/// Bytes that the system receives ahead: the sender has to feel the rate.
const BUFFER_BYTES: usize = 64 * 1024;

type Chunk = (Instant, Vec<u8>);

/// Starts a relay to `server`, and returns its address. Its threads end with the bench.
pub(crate) fn start(server: SocketAddr, link: Link) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    set_socket_recv_buffer_size(&listener, BUFFER_BYTES)?;
    let addr = listener.local_addr()?;
    let [up, down] = [(); 2].map(|()| Arc::new(Way::new(link)));
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // A client without a server finds its connection closed.
            let _ = join(client, server, [&up, &down]);
        }
    });
    Ok(addr)
}

fn join(client: TcpStream, server: SocketAddr, [up, down]: [&Arc<Way>; 2]) -> io::Result<()> {
    let server = TcpStream::connect(server)?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    let ready_at = Instant::now() + up.link.round_trip;
    let (from, to) = (client.try_clone()?, server.try_clone()?);
    pass(from, to, Arc::clone(up), ready_at);
    pass(server, client, Arc::clone(down), ready_at);
    Ok(())
}

/// One direction of the link.
struct Way {
    link: Link,
    /// The time at which the link has sent all bytes so far.
    free_at: Mutex<Instant>,
}

impl Way {
    fn new(link: Link) -> Way {
        Way {
            link,
            free_at: Mutex::new(Instant::now()),
        }
    }

    /// Returns the time at which the link has sent these bytes.
    fn send(&self, bytes: usize) -> Instant {
        let mut free_at = self.free_at.lock().expect("not poisoned");
        *free_at = (*free_at).max(Instant::now()) + self.link.time_of(bytes as u64);
        *free_at
    }
}

/// Passes bytes on from `ready_at`, the end of the connection's handshake.
fn pass(from: TcpStream, to: TcpStream, way: Arc<Way>, ready_at: Instant) {
    let (sender, receiver) = sync_channel(QUEUE_CHUNKS);
    thread::spawn(move || take(&from, &way, ready_at, &sender));
    thread::spawn(move || deliver(&to, &receiver));
}

/// Reads bytes at the rate of the link, and queues them with the time of their arrival.
fn take(mut from: &TcpStream, way: &Way, ready_at: Instant, queue: &SyncSender<Chunk>) {
    let mut buffer = [0; CHUNK_BYTES];
    sleep_until(ready_at);
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let sent_at = way.send(count);
        let arrives_at = sent_at + way.link.round_trip / 2;
        if queue.send((arrives_at, buffer[..count].to_vec())).is_err() {
            break;
        }
        sleep_until(sent_at);
    }
    let _ = from.shutdown(Shutdown::Read);
}

fn deliver(mut to: &TcpStream, queue: &Receiver<Chunk>) {
    for (arrives_at, bytes) in queue {
        sleep_until(arrives_at);
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

fn sleep_until(time: Instant) {
    thread::sleep(time.saturating_duration_since(Instant::now()));
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: Link = Link {
        round_trip: Duration::from_millis(100),
        bits_per_sec: 80e6,
    };

    /// Returns the times of two exchanges on a new connection: `bytes` to the other end, and the answer.
    fn exchanges(bytes: usize) -> [Duration; 2] {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let relay = start(listener.local_addr().unwrap(), LINK).unwrap();
        let mut client = TcpStream::connect(relay).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let receiving = thread::spawn(move || {
            for _ in 0..2 {
                server.read_exact(&mut vec![0; bytes]).unwrap();
                server.write_all(b"!").unwrap();
            }
        });
        let times = [(); 2].map(|()| {
            let begin = Instant::now();
            client.write_all(&vec![0; bytes]).unwrap();
            client.read_exact(&mut [0]).unwrap();
            begin.elapsed()
        });
        receiving.join().unwrap();
        times
    }

    #[test]
    fn relay_has_the_delay_and_the_rate_of_its_link() {
        // The handshake, and the round trip of the exchange.
        let [first, second] = exchanges(1);
        assert!(first >= Duration::from_millis(200), "{first:?}");
        assert!(second >= Duration::from_millis(100), "{second:?}");
        // A connection has one handshake: both clocks run with the same load.
        assert!(second < first, "{second:?}, {first:?}");
        // Ten times the bytes that the delay holds take the time of the rate.
        let [many, _] = exchanges(10_000_000);
        assert!(many >= Duration::from_millis(1200), "{many:?}");
        assert!(many <= Duration::from_secs(10), "{many:?}");
    }
}
