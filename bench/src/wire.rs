//! The client's end of one connection.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use crate::secure::{self, Secure};

/// A server that says nothing for so long is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Line {
    stream: Stream,
    received: Vec<u8>,
}

enum Stream {
    Plain(TcpStream),
    Secure(Box<Secure>),
}

/// One answer as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Line {
    pub(crate) fn connect(addr: SocketAddr) -> io::Result<Line> {
        Ok(Line::over(Stream::Plain(open(addr)?)))
    }

    /// Connects with TLS.
    pub(crate) fn connect_secure(addr: SocketAddr) -> io::Result<Line> {
        let secure = secure::connect(open(addr)?)?;
        Ok(Line::over(Stream::Secure(Box::new(secure))))
    }

    fn over(stream: Stream) -> Line {
        Line {
            stream,
            received: Vec::new(),
        }
    }

    pub(crate) fn set_patience(&self, patience: Duration) -> io::Result<()> {
        set_patience(self.stream.socket(), patience)
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sent = match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(bytes),
            Stream::Secure(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        };
        sent.map_err(in_vain)
    }

    /// Waits for one answer; one that refuses is an error.
    pub(crate) fn answer(&mut self) -> io::Result<Answer> {
        loop {
            if let Some(answer) = self.receive()? {
                return Ok(answer);
            }
        }
    }

    /// Reads once: an answer, if it is whole now.
    pub(crate) fn receive(&mut self) -> io::Result<Option<Answer>> {
        let mut buffer = [0; 4096];
        let read = match &mut self.stream {
            Stream::Plain(stream) => stream.read(&mut buffer),
            Stream::Secure(stream) => stream.read(&mut buffer),
        };
        let count = read.map_err(in_vain)?;
        if count == 0 {
            let had = String::from_utf8_lossy(&self.received);
            return Err(io::Error::other(format!("closed after {had:?}")));
        }
        self.received.extend_from_slice(&buffer[..count]);
        let Some((answer, length)) = parse(&self.received) else {
            return Ok(None);
        };
        self.received.drain(..length);
        match answer.status {
            100..=199 => Ok(None),
            200..=299 => Ok(Some(answer)),
            _ => Err(io::Error::other(format!("refused: {answer:?}"))),
        }
    }
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.socket().as_fd()
    }
}

impl Stream {
    fn socket(&self) -> &TcpStream {
        match self {
            Stream::Plain(stream) => stream,
            Stream::Secure(stream) => stream.get_ref(),
        }
    }
}

fn open(addr: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    set_patience(&stream, PATIENCE)?;
    Ok(stream)
}

fn set_patience(stream: &TcpStream, patience: Duration) -> io::Result<()> {
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }
}

/// The error code EAGAIN.
fn in_vain(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock {
        io::Error::other("no answer in time")
    } else {
        error
    }
}

/// The first answer in these bytes and how many of them it is.
fn parse(bytes: &[u8]) -> Option<(Answer, usize)> {
    let body_at = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..body_at]).ok()?.to_owned();
    let status = head.get(9..12)?.parse().ok()?;
    let rest = &bytes[body_at..];
    let (body, length) = if field(&head, "transfer-encoding").is_some() {
        chunked(rest)?
    } else {
        let length = field(&head, "content-length").map_or(0, |text| text.parse().unwrap_or(0));
        (rest.get(..length)?.to_vec(), length)
    };
    Some((Answer { status, head, body }, body_at + length))
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = fields.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    Some(value.trim())
}

fn chunked(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let line = at + bytes[at..].windows(2).position(|two| two == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[at..line]).ok()?, 16).ok()?;
        body.extend_from_slice(bytes.get(line + 2..line + 2 + size)?);
        at = line + 2 + size + 2;
        if at > bytes.len() {
            return None;
        }
        if size == 0 {
            return Some((body, at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_when_it_is_whole() {
        for (text, body) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello"),
            ("HTTP/1.1 201 Created\r\n\r\n", ""),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
                "hello",
            ),
        ] {
            let next = format!("{text}HTTP");
            let (answer, length) = parse(next.as_bytes()).unwrap();
            assert_eq!(
                (answer.body.as_slice(), length),
                (body.as_bytes(), text.len())
            );
            for cut in 0..text.len() {
                assert!(parse(&text.as_bytes()[..cut]).is_none(), "{text} {cut}");
            }
        }
    }
}
