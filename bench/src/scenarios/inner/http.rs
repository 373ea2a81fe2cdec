//! Heads, chunks and windows without a server around them.

use std::hint::black_box;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{COPY, Outcome, micros_each, nanos_each, window};
use crate::bench::Bench;
use crate::content::SLICE_BYTES;
use crate::http::body_decoder::BodyDecoder;
use crate::http::connection::{Connection, Next, TaskContext, Wake};
use crate::http::socket::Socket;
use crate::http::{Action, BodyEnd, BodySink, Framing, Handler, Head, Limits, Response};
use crate::peers::OURS;
use crate::samples::Samples;

const PARSER: &str = "httparse";
const READ: &str = "read(2)";

/// As Chromium sends it.
const HEAD: &str = "POST /upload HTTP/1.1\r\n\
    Host: 192.168.1.20:8080\r\n\
    Connection: keep-alive\r\n\
    Content-Length: 10000\r\n\
    X-Start-Byte: 0\r\n\
    X-File-Id: holiday.jpg-10000-1700000000000\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36\r\n\
    Content-Type: image/jpeg\r\n\
    Accept: */*\r\n\
    Origin: http://192.168.1.20:8080\r\n\
    Referer: http://192.168.1.20:8080/\r\n\
    Accept-Encoding: gzip, deflate\r\n\
    Accept-Language: en-GB,en;q=0.9\r\n\r\n";

/// Nanoseconds until a head is understood. `httparse` finds its parts; ours keeps them, and judges what they say.
pub(super) fn heads(bench: &Bench, round: usize, samples: &mut Samples) -> Outcome {
    let count = bench.size(200_000, 1_000);
    let limits = Limits::default();
    for at in 0..2 {
        let begin = Instant::now();
        if (at + round) % 2 == 0 {
            for _ in 0..count {
                let parsed = Head::parse(black_box(HEAD.as_bytes()), &limits)?;
                black_box(parsed.ok_or("a part of a head")?);
            }
            samples.add("inner.head", OURS, round, nanos_each(begin, count));
        } else {
            for _ in 0..count {
                let mut slots = [httparse::EMPTY_HEADER; 100];
                let mut head = httparse::Request::new(&mut slots);
                let parsed = head.parse(black_box(HEAD.as_bytes()))?;
                black_box((parsed, head));
            }
            samples.add("inner.head", PARSER, round, nanos_each(begin, count));
        }
    }
    Ok(())
}

const CHUNK_BYTES: usize = 4096;

/// Nanoseconds for a chunk of 4 KiB, in a window that is full of them.
pub(super) fn chunks(bench: &Bench, round: usize, samples: &mut Samples) -> Outcome {
    let times = bench.size(2_000, 20);
    let body = chunked();
    let count = times * (SLICE_BYTES / CHUNK_BYTES) as u32;
    for at in 0..2 {
        let begin = Instant::now();
        if (at + round) % 2 == 0 {
            for _ in 0..times {
                decode(black_box(&body))?;
            }
            samples.add("inner.chunk", OURS, round, nanos_each(begin, count));
        } else {
            for _ in 0..times {
                decode_by_hand(black_box(&body))?;
            }
            samples.add("inner.chunk", PARSER, round, nanos_each(begin, count));
        }
    }
    Ok(())
}

/// A window's worth of chunks, and no end.
fn chunked() -> Vec<u8> {
    let mut body = Vec::new();
    for data in window().chunks(CHUNK_BYTES) {
        body.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
        body.extend_from_slice(data);
        body.extend_from_slice(b"\r\n");
    }
    body
}

fn decode(mut body: &[u8]) -> Result<(), &'static str> {
    let mut decoder = BodyDecoder::from(Framing::Chunked);
    while !body.is_empty() {
        let decoded = decoder.decode(body)?;
        black_box(decoded.data);
        body = &body[decoded.consumed..];
    }
    Ok(())
}

/// The same for who has all chunks before him, whole.
fn decode_by_hand(mut body: &[u8]) -> Result<(), &'static str> {
    while !body.is_empty() {
        let Ok(httparse::Status::Complete((at, size))) = httparse::parse_chunk_size(body) else {
            return Err("not the size of a chunk");
        };
        let (data, rest) = body[at..].split_at(size as usize);
        black_box(data);
        body = rest.strip_prefix(b"\r\n").ok_or("a chunk has no end")?;
    }
    Ok(())
}

/// Microseconds for 256 KiB from a socket to nobody: all that a connection adds to reading them.
pub(super) fn turns(bench: &Bench, round: usize, samples: &mut Samples) -> Outcome {
    let count = bench.size(500, 5);
    for at in 0..2 {
        let (mut client, mut served) = pair()?;
        let mut buffer = vec![0; SLICE_BYTES];
        if (at + round) % 2 == 0 {
            let mut line = Line::new(served);
            client.write_all(
                b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999999\r\n\r\n",
            )?;
            line.turn(&mut buffer)?;
            let taken = move_many(count, &mut client, || line.turn(&mut buffer))?;
            samples.add("inner.turn", OURS, round, taken);
        } else {
            let taken = move_many(count, &mut client, || read_all(&mut served, &mut buffer))?;
            samples.add("inner.turn", READ, round, taken);
        }
    }
    let mut copy = vec![0; SLICE_BYTES];
    let begin = Instant::now();
    for _ in 0..count {
        black_box(&mut copy).copy_from_slice(black_box(window()));
    }
    samples.add("inner.turn", COPY, round, micros_each(begin, count));
    Ok(())
}

/// Fills the socket, and has it emptied; only that is timed.
fn move_many(
    count: u32,
    client: &mut TcpStream,
    mut empty: impl FnMut() -> io::Result<()>,
) -> io::Result<f64> {
    let (mut bytes, mut taken) = (0, Duration::ZERO);
    for _ in 0..count {
        bytes += fill(client)?;
        let begin = Instant::now();
        empty()?;
        taken += begin.elapsed();
    }
    Ok(taken.as_secs_f64() * 1e6 * SLICE_BYTES as f64 / bytes as f64)
}

/// As much as the socket takes, and no more than a few windows.
fn fill(client: &mut TcpStream) -> io::Result<usize> {
    let mut bytes = 0;
    while bytes < 4 * SLICE_BYTES {
        match client.write(window()) {
            Ok(count) => bytes += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

fn read_all(socket: &mut mio::net::TcpStream, buffer: &mut [u8]) -> io::Result<()> {
    loop {
        match socket.read(buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => black_box(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
    }
}

/// Two ends that never block.
fn pair() -> io::Result<(TcpStream, mio::net::TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    let (served, _) = listener.accept()?;
    client.set_nonblocking(true)?;
    served.set_nonblocking(true)?;
    Ok((client, mio::net::TcpStream::from_std(served)))
}

/// A connection, and a worker all of its own.
struct Line(Connection);

impl Line {
    fn new(socket: mio::net::TcpStream) -> Line {
        Line(Connection::new(
            Socket::Tcp(socket),
            Arc::new(Limits::default()),
        ))
    }

    /// Goes on until there is nothing to read.
    fn turn(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        match self.0.poll(Wake::Ready, &Nobody, &mut Alone, buffer) {
            Next::Park { .. } => Ok(()),
            _ => Err(io::Error::other("a turn has not parked")),
        }
    }
}

struct Alone;

impl TaskContext for Alone {
    fn acquire_body_permit(&mut self) -> bool {
        true
    }

    fn has_waiting(&self) -> bool {
        false
    }

    fn is_stopping(&self) -> bool {
        false
    }

    fn coalesce_max(&self) -> Duration {
        Duration::ZERO
    }

    fn deregister(&mut self, _: &mut Socket) {}

    fn enter_disk_wait(&mut self) {}
}

/// Takes bodies and keeps nothing.
struct Nobody;

impl Handler for Nobody {
    fn handle(&self, _: &Head) -> Action {
        Action::Receive {
            interim: None,
            sink: Box::new(Nobody),
        }
    }
}

impl BodySink for Nobody {
    fn write(&mut self, window: &[u8]) -> Result<(), Response> {
        black_box(window);
        Ok(())
    }

    fn end_blocks(&self) -> bool {
        false
    }

    fn end(self: Box<Self>, _: BodyEnd) -> Response {
        Response::new(200)
    }
}
