//! The state machine of a connection, over a real pair of sockets.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use mio::net::UnixStream;

use super::plain;
#[cfg(feature = "tls")]
use super::tls;
use crate::http::connection::{Connection, Next, TaskContext, Wake};
use crate::http::handler::{Action, BodyEnd, BodySink, Handler, Refused};
use crate::http::limits::Limits;
use crate::http::request::{Framing, Head};
use crate::http::response::Response;
use crate::http::socket::Socket;
use crate::http::stream::Stream;

/// Checks that the handler gets exactly the requests that a simple reader finds, and that the outcome does not depend on
/// cuts. The first two bytes give the positions of the cuts.
pub fn connection(bytes: &[u8]) {
    let Some((&[one, two], bytes)) = bytes.split_first_chunk() else {
        return;
    };
    let whole = converse(&[bytes]);
    check_requests(&whole.requests, &plain_requests(bytes));
    #[cfg(feature = "tls")]
    {
        let records = tls::converse(&[bytes]);
        assert!(records.is_like(&whole), "{records:#?}\n{whole:#?}");
    }
    let (start, rest) = bytes.split_at(usize::from(one) % (bytes.len() + 1));
    let (middle, end) = rest.split_at(usize::from(two) % (rest.len() + 1));
    for pieces in [&[start, rest][..], &[start, middle, end]] {
        let cut = converse(pieces);
        assert!(cut.is_like(&whole), "{cut:#?}\n{whole:#?}");
        #[cfg(feature = "tls")]
        {
            let records = tls::converse(pieces);
            assert!(records.is_like(&whole), "{records:#?}\n{whole:#?}");
        }
    }
}

/// A request as the handler gets it, and the body bytes that it took.
#[derive(Debug, Default, PartialEq)]
struct Request {
    head: String,
    body: Vec<u8>,
}

/// The outcome of the sent bytes.
#[derive(Debug)]
pub(super) struct Outcome {
    requests: Vec<Request>,
    answers: String,
}

impl Outcome {
    /// Returns whether the outcomes are equal. A refusal before the end of a body closes the connection, so a prefix with
    /// `Connection: close` counts too.
    fn is_like(&self, whole: &Outcome) -> bool {
        let (ours, theirs) = (lasting(&self.answers), lasting(&whole.answers));
        let same = self.requests == whole.requests && ours == theirs;
        let less = whole.requests.starts_with(&self.requests) && theirs.starts_with(&ours);
        same || less && self.answers.contains(CLOSE)
    }
}

const CLOSE: &str = "Connection: close\r\n";

/// Removes the parts of the responses that depend on time.
fn lasting(answers: &str) -> String {
    let answers = answers.replace("HTTP/1.1 100 Continue\r\n\r\n", "");
    let lines = answers.split_inclusive('\n');
    lines
        .filter(|line| !line.starts_with("Date: ") && *line != CLOSE)
        .collect()
}

/// A head, and its body if that is complete.
type PlainRequest = (Head, Option<Vec<u8>>);

fn check_requests(requests: &[Request], expected: &[PlainRequest]) {
    let heads: Vec<_> = expected.iter().map(|(head, _)| shown(head)).collect();
    let taken = requests.iter().map(|request| &request.head);
    assert!(taken.eq(&heads), "{requests:#?}\n{heads:#?}");
    for (request, (head, body)) in requests.iter().zip(expected) {
        if let Some(body) = body {
            assert_eq!(request.body, body[..body.len().min(room(head))]);
        }
    }
}

/// Parses all requests in a complete byte string.
fn plain_requests(mut bytes: &[u8]) -> Vec<PlainRequest> {
    let mut requests = Vec::new();
    while let Ok(Some((head, consumed))) = Head::parse(bytes, &Limits::default()) {
        let body = plain_body(head.framing(), &bytes[consumed..]);
        bytes = body.as_ref().map_or(&[], |(_, rest)| rest);
        let is_last = !head.keep_alive() || head.path() == "/close";
        requests.push((head, body.map(|(data, _)| data)));
        if is_last {
            break;
        }
    }
    requests
}

fn plain_body(framing: Framing, bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    match framing {
        Framing::Length(length) => {
            let (body, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
            Some((body.to_vec(), rest))
        }
        Framing::Chunked => plain(bytes),
    }
}

fn shown(head: &Head) -> String {
    let fields: Vec<_> = head.fields().collect();
    format!("{head:?} {:?} {fields:?}", head.query())
}

/// Returns the number of body bytes that a request takes: `/take?5`.
fn room(head: &Head) -> usize {
    match head.path() {
        "/take" => head
            .query()
            .map_or(usize::MAX, |query| query.parse().unwrap_or(usize::MAX)),
        _ => 0,
    }
}

/// Sends these pieces to a connection, each after the previous one was read, and then the end of the stream.
fn converse(pieces: &[&[u8]]) -> Outcome {
    let (mut client, socket) = UnixStream::pair().expect("a pair of sockets");
    let mut line = Line::new(Socket::new(Stream::Unix(socket), None));
    let mut answers = Vec::new();
    for piece in pieces {
        // Fails after the end of the connection.
        let _ = client.write_all(piece);
        line.turn();
        let _ = client.read_to_end(&mut answers);
    }
    let _ = client.shutdown(Shutdown::Write);
    line.turn();
    let _ = client.read_to_end(&mut answers);
    line.end(answers)
}

/// A connection with its own worker.
pub(super) struct Line {
    connection: Option<Connection>,
    handler: Log,
    buffer: Vec<u8>,
}

impl Line {
    pub(super) fn new(socket: Socket) -> Line {
        let limits = Limits::default();
        let buffer = vec![0; 4 * limits.head_bytes];
        Line {
            connection: Some(Connection::new(socket, Arc::new(limits))),
            handler: Log::default(),
            buffer,
        }
    }

    /// Returns the outcome. The client has ended.
    pub(super) fn end(self, answers: Vec<u8>) -> Outcome {
        assert!(self.connection.is_none(), "it is over when its client is");
        Outcome {
            requests: std::mem::take(&mut *self.handler.requests()),
            answers: String::from_utf8(answers).expect("answers are text"),
        }
    }

    /// Polls the connection until its socket is empty. Checks twice: bytes may arrive in between.
    pub(super) fn turn(&mut self) {
        let mut parked = 0;
        while parked < 2 {
            let Some(connection) = &mut self.connection else {
                return;
            };
            match connection.poll(Wake::Ready, &self.handler, &mut Alone, &mut self.buffer) {
                Next::Park { .. } => parked += 1,
                Next::Requeue => {}
                Next::Close => self.connection = None,
            }
        }
    }
}

/// A worker without other workers.
struct Alone;

impl TaskContext for Alone {
    fn acquire_body_permit(&mut self) -> bool {
        true
    }

    fn acquire_handshake_permit(&mut self) -> bool {
        true
    }

    fn enter_disk_wait(&mut self) -> bool {
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
}

/// A handler that records every request.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Request>>>);

impl Log {
    fn requests(&self) -> MutexGuard<'_, Vec<Request>> {
        self.0.lock().expect("no thread panics with the lock")
    }
}

impl Handler for Log {
    fn handle(&self, head: &Head) -> Action {
        self.requests().push(Request {
            head: shown(head),
            ..Request::default()
        });
        match head.path() {
            "/take" => Action::Receive {
                interim: None,
                sink: Box::new(Taker(self.clone(), room(head))),
            },
            "/ask" => Action::Blocking(Box::new(|| {
                Action::Respond(Response::new(200).text("asked"))
            })),
            "/wait" => Action::After(
                Instant::now(),
                Box::new(|| Action::Respond(Response::new(200).text("waited"))),
            ),
            "/close" => Action::Respond(Response::new(200).closing()),
            _ => Action::Respond(Response::new(404).text("not here")),
        }
    }
}

/// A sink that takes a number of bytes and refuses the rest.
struct Taker(Log, usize);

impl BodySink for Taker {
    fn write_blocks(&self, _: usize) -> bool {
        false
    }

    fn write(&mut self, window: &[u8]) -> Result<(), Refused> {
        let mut requests = self.0.requests();
        let body = &mut requests.last_mut().expect("its own").body;
        let room = self.1 - body.len();
        body.extend_from_slice(&window[..window.len().min(room)]);
        if window.len() > room {
            return Err(Refused);
        }
        Ok(())
    }

    fn end_blocks(&self) -> bool {
        false
    }

    fn end(self: Box<Self>, ended: BodyEnd) -> Response {
        match ended {
            BodyEnd::Complete => Response::new(200),
            BodyEnd::Refused => Response::new(409).text("enough"),
            _ => Response::new(400),
        }
    }
}
