//! Of two writers the newest wins, at once, and nothing is mixed.

use std::fs;

use crate::support::limit::wait_until;
use crate::support::{Client, Site, append};

const ID: &str = "a.bin-100-1700000000000";

/// A client that has sent a head for the whole file, and ten bytes; the server has them.
fn begun(site: &Site) -> Client {
    go_on(site, 0, &[b'a'; 10])
}

/// Sends a head for the rest of the file, and a part of the rest.
fn go_on(site: &Site, at: usize, part: &[u8]) -> Client {
    let mut client = site.connect();
    client.send(append(ID, at, 100 - at));
    client.send(part);
    wait_until!(site.held(ID) >= (at + part.len()) as u64);
    client
}

#[test]
fn late_bytes_of_displaced_writers_are_refused() {
    let site = Site::new();
    let mut vanished = begun(&site);
    let mut old = go_on(&site, 10, &[b'b'; 20]);
    let mut new = go_on(&site, 30, &[b'c'; 10]);
    old.send([b'x'; 20]);
    let refusal = old.answer();
    assert_eq!((refusal.status, refusal.text()), (409, "40"));

    new.send([b'c'; 60]);
    assert_eq!(new.answer().text(), "Success 100");
    vanished.send([b'x'; 90]);
    assert_eq!(vanished.answer().status, 409);
    let expected = [&[b'a'; 10][..], &[b'b'; 20], &[b'c'; 70]].concat();
    let published = fs::read(site.dir().join("a.bin")).expect("published");
    assert_eq!(published, expected);
}

#[test]
fn a_newcomer_that_is_behind_disturbs_nobody() {
    let site = Site::new();
    let mut writer = begun(&site);
    for start in [0, 9, 11] {
        let refusal = site.ask(append(ID, start, 0));
        assert_eq!((refusal.status, refusal.text()), (409, "10"));
    }
    assert_eq!(
        site.ask(append(ID, 10, 0)).text(),
        "10",
        "an empty body only asks"
    );
    writer.send([b'a'; 90]);
    assert_eq!(writer.answer().text(), "Success 100");
}
