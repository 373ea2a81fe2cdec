//! `/recent` tells what is under way and what has arrived lately, to whom it concerns.

use resumed::{Decision, Operation};
use serde_json::{Value, json};

use crate::support::limit::wait_until;
use crate::support::{Client, Site, append, get};

/// Returns the answer of `/recent`.
fn recent(site: &Site) -> Value {
    let answer = site.ask(get("/recent", ""));
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(answer.text()).expect("JSON")
}

/// A client that has sent a head, and of the body what comes first; the server has it.
fn sending(site: &Site, id: &str, length: usize, first: &str) -> Client {
    let mut client = site.connect();
    client.send(append(id, 0, length) + first);
    wait_until!(site.held(id) >= first.len() as u64);
    client
}

fn send(site: &Site, id: &str, content: &str) {
    let answer = site.ask(append(id, 0, content.len()) + content);
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// The values that a list has under this name.
fn column(lists: &Value, list: &str, name: &str) -> Vec<Value> {
    let rows = lists[list].as_array().expect("a list");
    rows.iter().map(|row| row[name].clone()).collect()
}

#[test]
fn upload_is_under_way_until_complete() {
    let site = Site::new();
    let mut client = sending(&site, "film.mp4-11-1700000000000", 11, "hello");
    let mut lists = recent(&site);
    assert!(
        lists["under_way"][0]["idle_secs"].take().is_u64(),
        "{lists}"
    );
    let expected = json!([{ "name": "film.mp4", "offset": 5, "length": 11, "idle_secs": null, "publishing": null }]);
    assert_eq!(lists["under_way"], expected);
    assert_eq!(lists["arrived"], json!([]));

    assert_eq!(client.ask(" world").text(), "Success 11");
    let mut lists = recent(&site);
    assert!(lists["arrived"][0]["ago_secs"].take().is_u64(), "{lists}");
    let expected =
        json!([{ "name": "film.mp4", "path": "film.mp4", "length": 11, "ago_secs": null }]);
    assert_eq!(lists["arrived"], expected);
    assert_eq!(lists["under_way"], json!([]));
}

#[test]
fn unknown_name_and_length_are_null() {
    let site = Site::new();
    let _client = sending(&site, "film", 11, "hello");
    let lists = recent(&site);
    assert_eq!(column(&lists, "under_way", "name"), [Value::Null]);
    assert_eq!(column(&lists, "under_way", "length"), [Value::Null]);
}

#[test]
fn interrupted_upload_is_not_under_way() {
    let site = Site::new();
    sending(&site, "film.mp4-11-1700000000000", 11, "hello").cut();
    assert_eq!(recent(&site)["under_way"], json!([]));
}

/// The upload is complete before its interim response.
#[test]
fn empty_upload_in_chunks_is_listed_once() {
    let site = Site::new();
    let mut client = site.connect();
    let head = "POST /files HTTP/1.1\r\nHost: localhost\r\nUpload-Draft-Interop-Version: 9\r\n\
                Upload-Complete: ?1\r\nUpload-Length: 0\r\nTransfer-Encoding: chunked\r\n\
                Content-Disposition: inline; filename=\"empty\"\r\n\r\n";
    assert_eq!(client.ask(head).status, 104);
    assert_eq!(client.ask("0\r\n\r\n").status, 201);
    assert_eq!(column(&recent(&site), "arrived", "path"), ["empty"]);
}

#[test]
fn of_many_arrivals_the_newest_are_told() {
    let site = Site::new();
    for number in 0..60 {
        send(&site, &format!("{number}.txt-1-1700000000000"), "x");
    }
    let newest: Vec<_> = (10..60)
        .rev()
        .map(|number| json!(format!("{number}.txt")))
        .collect();
    assert_eq!(column(&recent(&site), "arrived", "path"), newest);
}

#[test]
fn of_many_under_way_some_are_told() {
    let site = Site::new();
    let id = |number| format!("{number}.txt-2-1700000000000");
    let _clients: Vec<_> = (0..60)
        .map(|number| sending(&site, &id(number), 2, "x"))
        .collect();
    assert_eq!(
        recent(&site)["under_way"].as_array().map(Vec::len),
        Some(50)
    );
}

#[test]
fn a_file_that_took_the_place_of_another_is_told_once() {
    let site = Site::with(|config| config.on_conflict(resumed::store::OnConflict::Replace));
    send(&site, "a.txt-5-1700000000000", "hello");
    send(&site, "b.txt-1-1700000000000", "x");
    send(&site, "a.txt-4-1700000000000", "moon");
    let lists = recent(&site);
    assert_eq!(column(&lists, "arrived", "path"), ["a.txt", "b.txt"]);
    assert_eq!(column(&lists, "arrived", "length"), [4, 1]);
}

#[test]
fn recent_list_has_authorized_uploads_only() {
    let site = Site::with(|config| {
        config.authorize(|head, command| {
            let is_mine = command.id().is_some_and(|id| id.starts_with(b"mine"));
            let is_list = command.operation == Operation::List;
            (head.method() != "GET" || is_mine || is_list).into()
        })
    });
    let mut clients = ["yours.txt-2-1700000000000", "mine.txt-2-1700000000000"].map(|id| {
        let mut client = site.connect();
        client.send(append(id, 0, 2) + "x");
        // It has arrived when another may begin behind it.
        wait_until!(site.ask(append(id, 1, 0)).status == 200);
        client
    });
    assert_eq!(column(&recent(&site), "under_way", "name"), ["mine.txt"]);
    for client in &mut clients {
        assert_eq!(client.ask("x").status, 200);
    }
    assert_eq!(column(&recent(&site), "arrived", "path"), ["mine.txt"]);
}

#[test]
fn free_space_is_not_more_than_the_quota_leaves() {
    let site = Site::with(|config| config.user("ann", "secret").quota(1000));
    let ann = "Authorization: Basic YW5uOnNlY3JldA==\r\n";
    let free = || {
        let answer = site.ask(get("/recent", ann));
        let lists: Value = serde_json::from_str(answer.text()).expect("JSON");
        lists["free_bytes"].clone()
    };
    assert_eq!(free(), 1000);
    let mut client = site.connect();
    let request = append("a.txt-400-1700000000000", 0, 400);
    client.send(request.replacen("\r\n", &format!("\r\n{ann}"), 1));
    client.send([b'x'; 400]);
    assert_eq!(client.answer().status, 200);
    assert_eq!(free(), 600);
}

#[test]
fn free_space_is_hidden_by_an_authorizing_program() {
    let site = Site::with(|config| config.authorize(|_, _| Decision::allow()));
    assert_eq!(recent(&site)["free_bytes"], Value::Null);
    assert!(recent(&Site::new())["free_bytes"].as_u64() > Some(0));
}
