//! Answers at once, about as much as a `/status` answer is: what a round trip costs on this machine at this moment.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use super::{request, serve_each};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 20:00:00 GMT\r\nCache-Control: no-store\r\n\
    Upload-Offset: 123456789\r\nUpload-Complete: ?0\r\nX-Tail-Digest: crc32=01234567; length=65536\r\n\
    Content-Type: text/plain\r\nContent-Length: 9\r\n\r\n123456789";

pub(super) fn serve() -> io::Result<()> {
    serve_each(&TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?, answer)
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    while let Some(request) = request::read(&mut stream, &mut buffer)? {
        let left = request.length - request.begun as u64;
        io::copy(&mut (&mut stream).take(left), &mut io::sink())?;
        stream.write_all(ANSWER)?;
    }
    Ok(())
}
