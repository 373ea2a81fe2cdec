//! Uploads by a protocol without HTTP: the store alone.
//!
//! `cargo run --example store_alone -- DIR ADDRESS`
//!
//! A client sends one line, `NAME LENGTH`. The server answers with the number of bytes that it has. The client sends the
//! bytes from there. The server answers with the path of the file, or with the number of bytes if some are missing.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use resumed::store::{self, Append, AppendRequest, Completes, Id, Options, Store};

const LINE_BYTES: u64 = 1024;

/// The bytes of one read and one write.
const WINDOW_BYTES: usize = 256 * 1024;

/// The time between two bytes of a client.
const IDLE: Duration = Duration::from_secs(60);

const HOUR: Duration = Duration::from_secs(60 * 60);

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().unwrap_or_else(|| "uploads".into());
    let address = args.next().unwrap_or_else(|| "127.0.0.1:8080".into());
    let store = Store::open(dir, Options::default())?;
    let listener = TcpListener::bind(address)?;
    println!("listening on tcp://{}", listener.local_addr()?);
    let swept = store.clone();
    thread::spawn(move || {
        loop {
            swept.sweep(); // repair and expiry, at start and hourly
            thread::sleep(HOUR);
        }
    });
    for client in listener.incoming() {
        let (client, store) = (client?, store.clone());
        thread::spawn(move || {
            if let Err(error) = serve(&store, &client) {
                eprintln!("an upload ended: {error}");
            }
        });
    }
    Ok(())
}

/// Receives one upload, or a part of it.
fn serve(store: &Store, mut client: &TcpStream) -> Result<(), Box<dyn Error>> {
    client.set_read_timeout(Some(IDLE))?;
    client.set_write_timeout(Some(IDLE))?;
    let mut reader = BufReader::with_capacity(WINDOW_BYTES, client);
    let mut line = String::new();
    reader.by_ref().take(LINE_BYTES).read_line(&mut line)?;
    let (name, length) = line.trim_end().rsplit_once(' ').ok_or("no line")?;
    let mut declared = AppendRequest::default();
    declared.length = Some(length.parse()?);
    declared.file.name = Some(name.into());

    let id = Id::new(b"", line.trim_end().as_bytes());
    store.fence(&id)?; // bytes of an earlier connection can no longer arrive
    let offset = store.status(&id)?.offset;
    writeln!(client, "{offset}")?;
    let mut append = store.append_with(&id, offset, declared)?;
    if let Err(error) = receive(&mut append, reader) {
        append.cut(); // received bytes are kept
        return Err(error.into());
    }
    let finished = append.finish(Completes::AtLength)?; // durable when it returns
    match finished.path {
        Some(path) => writeln!(client, "{}", path.display())?,
        None => writeln!(client, "{}", finished.progress.offset)?,
    }
    Ok(())
}

/// Appends all bytes of the client. Bytes beyond the length are an error of the append.
fn receive(append: &mut Append, mut reader: impl BufRead) -> Result<(), store::Error> {
    loop {
        let window = reader.fill_buf()?;
        if window.is_empty() {
            return Ok(());
        }
        append.write(window)?;
        let count = window.len();
        reader.consume(count);
    }
}
