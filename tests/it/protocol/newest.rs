//! Of two writers the newest wins, at once, and nothing is mixed.

use std::fs;
use std::thread;

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
    while site.held(ID) < (at + part.len()) as u64 {}
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

#[test]
fn a_writer_from_before_a_cancel_or_a_publish_writes_nothing() {
    let site = Site::new();
    let mut stale = begun(&site);
    let cancel = site.ask(format!(
        "DELETE /upload HTTP/1.1\r\nHost: localhost\r\nX-File-Id: {ID}\r\n\r\n"
    ));
    assert_eq!(cancel.status, 204);
    let mut next = go_on(&site, 0, &[b'b'; 10]);
    stale.send([b'a'; 90]);
    assert_eq!(stale.answer().status, 409);
    next.send([b'b'; 90]);
    assert_eq!(next.answer().text(), "Success 100");
    assert_eq!(
        fs::read(site.dir().join("a.bin")).expect("published"),
        [b'b'; 100]
    );
}

#[test]
fn writers_that_fight_for_one_upload_leave_one_whole_file() {
    const LENGTH: usize = 2_000_000;
    let content: Vec<u8> = (0..LENGTH).map(|at| (at % 251) as u8).collect();
    let id = format!("fought.bin-{LENGTH}-1700000000000");
    let site = Site::new();
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| fight(&site, &id, &content));
        }
    });
    assert!(fs::read(site.dir().join("fought.bin")).expect("published") == content);
    assert_eq!(
        fs::read_dir(site.dir()).expect("listed").count(),
        2,
        "one file and .resumed"
    );
}

/// Asks and sends on, until the upload is complete.
fn fight(site: &Site, id: &str, content: &[u8]) {
    loop {
        let held = site.held(id) as usize;
        let mut client = site.connect();
        client.send(append(id, held, content.len() - held));
        // Who is displaced may find the line closed while it still sends.
        let sent = content[held..]
            .chunks(50_000)
            .try_for_each(|part| client.try_send(part));
        match (sent, client.try_answer()) {
            (_, Ok(answer)) if answer.status == 200 => return,
            (_, Ok(answer)) => assert_eq!(answer.status, 409, "{answer:?}"),
            (_, Err(_)) => {}
        }
    }
}
