//! A server on an empty directory, and a client that sends bytes and reads answers.

pub(crate) mod browser;
pub(crate) mod files;
pub(crate) mod killed;
pub(crate) mod left_out;
pub(crate) mod limit;
pub(crate) mod line;
pub(crate) mod local;
pub(crate) mod logging;
pub(crate) mod mount;
pub(crate) mod proc;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod running;
pub(crate) mod tls;
pub(crate) mod torture;
pub(crate) mod trace;

use std::{
    fmt::Display,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use resumed::{Config, Server};
use tempfile::TempDir;

use self::limit::LIMIT;

/// A running server and the directory it fills. Both go when it goes.
pub(crate) struct Site {
    // Stopped before its directory is removed: fields are dropped in this order.
    server: InProcess,
    dir: TempDir,
}

/// A server in this process. Stopped when dropped.
struct InProcess(Option<Server>);

impl Drop for InProcess {
    fn drop(&mut self) {
        let server = self.0.take().expect("set until the drop");
        if limit::within(LIMIT, move || server.stop()).is_none() {
            limit::fail(&format!("the server does not stop within {LIMIT:?}"));
        }
    }
}

impl Site {
    /// A server as it comes.
    pub(crate) fn new() -> Site {
        Site::with(|config| config)
    }

    /// A server with something set.
    pub(crate) fn with(set: impl FnOnce(Config) -> Config) -> Site {
        Site::again(tempfile::tempdir().expect("a temporary directory"), set)
    }

    /// A server over a directory that had one before.
    pub(crate) fn again(dir: TempDir, set: impl FnOnce(Config) -> Config) -> Site {
        let config = Config::new(dir.path()).listen("127.0.0.1:0");
        let server = resumed::start(set(config)).expect("the server starts");
        let server = InProcess(Some(server));
        Site { server, dir }
    }

    /// Stops the server; its directory stays.
    pub(crate) fn stop(self) -> TempDir {
        drop(self.server);
        self.dir
    }

    pub(crate) fn server(&self) -> &Server {
        self.server.0.as_ref().expect("set until the drop")
    }

    /// Returns the directory of finished files.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.server().addr().tcp().expect("it listens on a port")
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.addr())
    }

    /// Sends one request on a connection of its own and reads the answer.
    #[track_caller]
    pub(crate) fn ask(&self, request: impl AsRef<[u8]>) -> Answer {
        self.connect().ask(request)
    }

    /// Returns the offset of an upload.
    #[track_caller]
    pub(crate) fn held(&self, id: &str) -> u64 {
        self.connect().held(id)
    }

    /// Waits until whatever clients had sent, before they left, has come to the file.
    #[track_caller]
    pub(crate) fn wait_until_nobody_sends(&self) {
        let since = Instant::now();
        while !self
            .ask(get("/recent", ""))
            .text()
            .contains(r#""under_way":[]"#)
        {
            assert!(since.elapsed() < TIMEOUT, "somebody sends");
            thread::yield_now();
        }
    }

    /// Waits until the server holds no byte of an upload.
    #[track_caller]
    pub(crate) fn wait_until_deleted(&self, id: &str) {
        let since = Instant::now();
        while self.held(id) > 0 {
            assert!(since.elapsed() < TIMEOUT, "{id} is still there");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Returns a request with more fields: lines that end in CRLF.
pub(crate) fn get(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n")
}

/// Returns the request for the offset of an upload.
pub(crate) fn status(id: &str) -> String {
    get("/status", &format!("X-File-Id: {id}\r\n"))
}

/// Returns bytes of which a shifted copy differs nearly everywhere.
pub(crate) fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 7 % 251) as u8).collect()
}

/// Returns a body in one chunk.
pub(crate) fn in_a_chunk(bytes: &[u8]) -> Vec<u8> {
    let size = format!("{:x}\r\n", bytes.len());
    [size.as_bytes(), bytes, b"\r\n0\r\n\r\n"].concat()
}

/// The head of a request that appends `length` bytes at `start`: numbers of any type, because a file may be longer
/// than the memory of a machine.
pub(crate) fn append(id: &str, start: impl Display, length: impl Display) -> String {
    format!(
        "POST /upload HTTP/1.1\r\nHost: localhost\r\nX-File-Id: {id}\r\n\
         X-Start-Byte: {start}\r\nContent-Length: {length}\r\n\r\n"
    )
}

/// No answer within this time is a failure: nothing that is tested needs a tenth of it.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);

/// One connection, byte by byte.
pub(crate) struct Client {
    stream: TcpStream,
    /// Received, and not yet part of an answer that was read.
    unread: Vec<u8>,
    /// The request sent last was a HEAD: its answer has no body, whatever its fields say.
    asked_head: bool,
}

impl Client {
    #[track_caller]
    pub(crate) fn connect(addr: SocketAddr) -> Client {
        Client::try_connect(addr).expect("the server accepts")
    }

    pub(crate) fn try_connect(addr: SocketAddr) -> io::Result<Client> {
        let stream = TcpStream::connect(addr)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(Client {
            stream,
            unread: Vec::new(),
            asked_head: false,
        })
    }

    /// Sends these bytes as they stand.
    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("the server takes what is sent");
    }

    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.asked_head = bytes.as_ref().starts_with(b"HEAD ");
        self.stream.write_all(bytes.as_ref())
    }

    /// Sends a request and reads the answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, request: impl AsRef<[u8]>) -> Answer {
        self.send(request);
        self.answer()
    }

    /// Returns how many bytes of an upload the server holds.
    #[track_caller]
    pub(crate) fn held(&mut self, id: &str) -> u64 {
        let answer = self.ask(status(id));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.text().parse().expect("a count and nothing else")
    }

    /// Reads one answer, an interim one too.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> Answer {
        self.try_answer().expect("a whole answer")
    }

    /// Returns whether bytes of an answer have arrived.
    pub(crate) fn has_answer(&self) -> bool {
        self.stream.set_nonblocking(true).expect("a socket");
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).expect("a socket");
        peeked.is_ok_and(|length| length > 0)
    }

    pub(crate) fn try_answer(&mut self) -> io::Result<Answer> {
        let head = self.take_head()?;
        let mut answer = Answer::from_head(&head).ok_or_else(|| malformed(&head))?;
        answer.body = match answer.body_length(self.asked_head) {
            BodyLength::Known(length) => self.take(length)?,
            BodyLength::Chunked => self.take_chunks()?,
            BodyLength::ToTheEnd => self.rest()?,
        };
        Ok(answer)
    }

    /// Says that no more will be sent, as a client does that vanishes in good order.
    pub(crate) fn stop_sending(&self) {
        // The server may be gone already; what it did then shows in what can be read.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Vanishes, and comes back when the server has noticed: it closes its end when it has kept what had arrived.
    pub(crate) fn cut(mut self) {
        self.stop_sending();
        // What it still says is said to nobody, and a reset is a close too.
        let _ = self.rest();
    }

    /// Everything up to the moment at which the server closes.
    pub(crate) fn rest(&mut self) -> io::Result<Vec<u8>> {
        self.stream.read_to_end(&mut self.unread)?;
        Ok(std::mem::take(&mut self.unread))
    }

    /// The same, also when it ends in a reset: what came before that counts.
    pub(crate) fn all(&mut self) -> Vec<u8> {
        self.rest()
            .unwrap_or_else(|_| std::mem::take(&mut self.unread))
    }

    /// The server closes, and says nothing more. Bytes of ours that it had not read make that a reset.
    #[track_caller]
    pub(crate) fn expect_close(&mut self) {
        match self.rest() {
            Ok(rest) => assert_eq!(String::from_utf8_lossy(&rest), ""),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}"),
        }
    }

    fn take_head(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                return self.take(at + 4);
            }
            self.receive()?;
        }
    }

    fn take_chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.take_line()?;
            let size = usize::from_str_radix(&line, 16).map_err(|_| malformed(line.as_bytes()))?;
            body.extend(self.take(size)?);
            self.take_line()?;
            if size == 0 {
                return Ok(body);
            }
        }
    }

    fn take_line(&mut self) -> io::Result<String> {
        loop {
            if let Some(at) = self.unread.windows(2).position(|two| two == b"\r\n") {
                let line = self.take(at + 2)?;
                return Ok(String::from_utf8_lossy(&line[..at]).into_owned());
            }
            self.receive()?;
        }
    }

    fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.unread.len() < length {
            self.receive()?;
        }
        Ok(self.unread.drain(..length).collect())
    }

    fn receive(&mut self) -> io::Result<()> {
        let mut buffer = [0; 64 * 1024];
        let length = loop {
            match self.stream.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read.map_err(in_vain)?,
            }
        };
        if length == 0 {
            let had = String::from_utf8_lossy(&self.unread);
            let problem = format!("the server closed after {had:?}");
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, problem));
        }
        self.unread.extend_from_slice(&buffer[..length]);
        Ok(())
    }
}

/// One answer as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// `HTTP/1.1 200 OK`
    pub(crate) status_line: String,
    /// In the order in which they came; bytes beyond ASCII are read as Latin-1.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

enum BodyLength {
    Known(usize),
    Chunked,
    ToTheEnd,
}

impl Answer {
    /// The value of a field, if it came exactly once.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut values = self
            .fields
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let (_, value) = values.next()?;
        values.next().is_none().then_some(value)
    }

    /// Returns the offset in the answer.
    #[track_caller]
    pub(crate) fn offset(&self) -> u64 {
        let offset = self.field("Upload-Offset").expect("an offset");
        offset.parse().expect("a count")
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text is UTF-8")
    }

    fn from_head(head: &[u8]) -> Option<Answer> {
        let text: String = head.iter().map(|&byte| char::from(byte)).collect();
        let mut lines = text.strip_suffix("\r\n\r\n")?.split("\r\n");
        let status_line = lines.next()?.to_owned();
        let status = status_line
            .strip_prefix("HTTP/1.")?
            .get(2..5)?
            .parse()
            .ok()?;
        let field = |line: &str| {
            line.split_once(": ")
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        let fields = lines.map(field).collect::<Option<Vec<_>>>()?;
        Some(Answer {
            status,
            status_line,
            fields,
            body: Vec::new(),
        })
    }

    fn body_length(&self, asked_head: bool) -> BodyLength {
        if asked_head || matches!(self.status, 100..=199 | 204 | 304) {
            return BodyLength::Known(0);
        }
        match self
            .field("Content-Length")
            .and_then(|length| length.parse().ok())
        {
            Some(length) => BodyLength::Known(length),
            None if self.field("Transfer-Encoding").is_some() => BodyLength::Chunked,
            None => BodyLength::ToTheEnd,
        }
    }
}

/// A read that waited too long says so.
fn in_vain(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => {
            io::Error::new(io::ErrorKind::TimedOut, format!("none in {TIMEOUT:?}"))
        }
        _ => error,
    }
}

fn malformed(text: &[u8]) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("not an answer: {:?}", String::from_utf8_lossy(text)),
    )
}
