//! `resumed health`: asks a server for its health.

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

use super::operand;
use crate::cli::flags::HEALTH;
use crate::cli::text::printable;
use crate::cli::{UsageError, url};

/// The maximum time to connect, and between two parts of the response.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The maximum length of a response.
const MAX_BYTES: u64 = 16 << 10;

/// Runs the command with the arguments after `health`.
pub(crate) fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    operand::run(&HEALTH, args, |url| {
        let url = address(url)?;
        ask(&url).map_err(|error| format!("{url}: {error}").into())
    })
}

/// Returns the URL with its scheme.
fn address(url: Option<String>) -> Result<String, UsageError> {
    let is_known = |url: &String| url.starts_with("http://") || url.starts_with("unix:");
    let url = url.map(|url| url::with_scheme(&url).unwrap_or(url));
    url.filter(is_known)
        .ok_or_else(|| UsageError("a URL is needed: http://HOST:PORT or unix:PATH".into()))
}

/// Returns the text of a healthy server.
fn ask(url: &str) -> Result<String, Box<dyn Error>> {
    if let Some(path) = url.strip_prefix("unix:") {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        return read(exchange(stream, "localhost", "")?);
    }
    let rest = url.trim_start_matches("http://");
    let (host, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| {
        !port.is_empty() && port.bytes().all(|letter| letter.is_ascii_digit())
    });
    let address = if has_port {
        host
    } else {
        &format!("{host}:80")
    };
    let stream = connect(address)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    read(exchange(stream, host, prefix.trim_end_matches('/'))?)
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let mut failed = io::Error::other("the name has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, TIMEOUT) {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn exchange(mut stream: impl Read + Write, host: &str, prefix: &str) -> io::Result<Vec<u8>> {
    let slash = if prefix.is_empty() { "" } else { "/" };
    let request =
        format!("GET {slash}{prefix}/health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut response = Vec::new();
    stream.take(MAX_BYTES).read_to_end(&mut response)?;
    Ok(response)
}

/// Returns the body of a response with the status 200. The body of another response is the error.
fn read(response: Vec<u8>) -> Result<String, Box<dyn Error>> {
    let response = String::from_utf8_lossy(&response);
    let (head, body) = response
        .split_once("\r\n\r\n")
        .ok_or("the response is not HTTP")?;
    let body = printable(body.trim_end());
    match head.split(' ').nth(1) {
        Some("200") => Ok(body),
        _ => Err(body.into()),
    }
}
