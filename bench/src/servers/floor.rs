//! The floor: read, write, and nothing else.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use super::{request, serve_each};

const BUFFER_BYTES: usize = 256 * 1024;

pub(super) fn serve(dir: PathBuf, listen: IpAddr) -> io::Result<()> {
    serve_each(&TcpListener::bind((listen, 0))?, move |stream| {
        take(&dir, stream)
    })
}

fn take(dir: &Path, mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    while let Some(request) = request::read(&mut stream, &mut buffer)? {
        let mut file = File::create(dir.join(&request.name))?;
        file.write_all(&buffer[..request.begun])?;
        let mut left = request.length - request.begun as u64;
        while left > 0 {
            let most = left.min(BUFFER_BYTES as u64) as usize;
            let count = stream.read(&mut buffer[..most])?;
            if count == 0 {
                return Ok(());
            }
            file.write_all(&buffer[..count])?;
            left -= count as u64;
        }
        drop(file);
        stream.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")?;
    }
    Ok(())
}
