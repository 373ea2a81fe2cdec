//! More than four gigabytes: no count of bytes may be one that fits 32 bits.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;

use resumed::{Config, store::SyncMode};

use crate::support::files::partial;
use crate::support::{Client, Site, append};

const LENGTH: u64 = 5 << 30;
/// The offset of the last 64 MiB.
const HELD: u64 = LENGTH - (64 << 20);
const PIECE: u64 = 1 << 20;

/// Syncing what is tested elsewhere would only take time.
fn fast(config: Config) -> Config {
    config.sync(SyncMode::Fast)
}

/// A server that holds all of `film` but its end: five bytes that were sent, and a hole.
fn nearly_done() -> Site {
    let site = Site::with(fast);
    assert_eq!(site.ask(append("film", 0, 5) + "begin").text(), "5");
    let dir = site.stop();
    let partial = OpenOptions::new().write(true).open(partial(dir.path()));
    let partial = partial.expect("opened");
    partial.set_len(HELD).expect("a sparse file");
    Site::again(dir, fast)
}

/// The megabyte that begins at `start`, unlike any other.
fn piece(start: u64) -> Vec<u8> {
    start.to_le_bytes().repeat(PIECE as usize / 8)
}

fn starts() -> impl Iterator<Item = u64> {
    (HELD..LENGTH).step_by(PIECE as usize)
}

fn send_the_end(client: &mut Client) {
    let to_send = LENGTH - HELD;
    client.send(format!(
        "POST /upload HTTP/1.1\r\nHost: localhost\r\nX-File-Id: film\r\nX-File-Name: film.mp4\r\n\
         X-File-Size: {LENGTH}\r\nX-Start-Byte: {HELD}\r\nContent-Length: {to_send}\r\n\r\n"
    ));
    for start in starts() {
        client.send(piece(start));
    }
}

#[test]
fn five_gigabytes_carry_on_from_beyond_the_fourth() {
    let site = nearly_done();
    assert_eq!(site.held("film"), HELD);
    let wrapped = site.ask(append("film", HELD % (1 << 32), 0));
    assert_eq!(
        (wrapped.status, wrapped.text()),
        (409, &*HELD.to_string()),
        "an offset that is equal in its lower 32 bits is another one"
    );

    let mut client = site.connect();
    send_the_end(&mut client);
    assert_eq!(client.answer().text(), format!("Success {LENGTH}"));

    let film = File::open(site.dir().join("film.mp4")).expect("published");
    assert_eq!(film.metadata().expect("its length").len(), LENGTH);
    let mut read = vec![0; PIECE as usize];
    film.read_exact_at(&mut read[..6], 0).expect("its begin");
    assert_eq!(&read[..6], b"begin\0");
    for start in starts() {
        film.read_exact_at(&mut read, start).expect("read");
        assert!(read == piece(start), "wrong bytes at {start}");
    }
}
