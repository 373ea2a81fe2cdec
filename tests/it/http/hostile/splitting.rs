//! However a request is cut into packets, the same comes of it.

use std::thread;

use resumed::store::SyncMode;

use crate::protocol::transcripts::sent_in;
use crate::support::torture::some_or_all;
use crate::support::{Client, Site, status};

#[test]
fn requests_split_at_any_byte() {
    let requests = sent_in("http");
    assert!(requests.len() > 100, "{} requests", requests.len());
    thread::scope(|scope| {
        for share in requests.chunks(requests.len().div_ceil(2)) {
            scope.spawn(move || {
                // Of its own: all of them speak of the same uploads.
                let site = Site::with(|config| config.sync(SyncMode::Fast).workers(2));
                let mut asker = Asker(site.connect());
                for (number, request) in share.iter().enumerate() {
                    check(&site, &mut asker, number, request);
                }
            });
        }
    });
}

fn check(site: &Site, asker: &mut Asker, number: usize, request: &[u8]) {
    let whole = play(site, asker, &[request]);
    let text = request.escape_ascii();
    for cut in cuts(request.len(), number) {
        let (start, rest) = request.split_at(cut);
        let split = play(site, asker, &[start, rest]);
        assert!(
            split.is_like(&whole),
            "{text}\nat {cut}: {split:#?}\nwhole: {whole:#?}"
        );
    }
    let (start, rest) = request.split_at(request.len().min(ENDS));
    let bytes: Vec<_> = start.chunks(1).chain([rest]).collect();
    let split = play(site, asker, &bytes);
    assert!(
        split.is_like(&whole),
        "{text}\nbyte by byte: {split:#?}\nwhole: {whole:#?}"
    );
}

/// Every byte, or some in turn; of very long requests, near the ends.
fn cuts(length: usize, number: usize) -> impl Iterator<Item = usize> {
    let some = some_or_all(4, 1);
    let near = move |cut: &usize| *cut < ENDS || length - cut < ENDS || cut % 997 == 0;
    (1 + number % some..length).step_by(some).filter(near)
}

const ENDS: usize = 300;

/// The outcome of a request.
#[derive(Debug)]
struct Outcome {
    /// All answers, less what depends on the moment.
    answers: String,
    /// The last answer was the last of its connection, and said so.
    closed: bool,
    /// The state of each named upload after the request.
    held: Vec<String>,
}

impl Outcome {
    /// Returns whether the outcome of a split request equals that of the whole. A server that closes the connection of
    /// an unwanted body does not read the requests behind it, and says so.
    fn is_like(&self, whole: &Outcome) -> bool {
        self.held == whole.held
            && (self.answers == whole.answers
                || self.closed && whole.answers.starts_with(&self.answers))
    }
}

/// Sends these parts, the second when the server has the first, and so on.
fn play(site: &Site, asker: &mut Asker, parts: &[&[u8]]) -> Outcome {
    let ids = ids(&parts.concat());
    for id in &ids {
        asker.forget(id);
    }
    let mut client = site.connect();
    // An answer shows that what came in one write with its question has been read.
    client.ask([status("nothing").as_bytes(), parts[0]].concat());
    for part in &parts[1..] {
        // It may have been refused already.
        let _ = client.try_send(part);
    }
    client.stop_sending();
    let said = String::from_utf8(client.all()).expect("answers are text");
    let (lasting, closed) = without_the_moment(&said);
    Outcome {
        answers: lasting,
        closed,
        held: ids.iter().map(|id| asker.held(id)).collect(),
    }
}

/// Removes `Date`, `Connection`, interim responses, and the saved name: files of earlier plays have taken the names before.
fn without_the_moment(said: &str) -> (String, bool) {
    let close = "Connection: close\r\n";
    let lines = said
        .replace("HTTP/1.1 100 Continue\r\n\r\n", "")
        .split_inclusive('\n')
        .filter(|line| {
            let depends = ["Date: ", "X-File-Name: "];
            !depends.iter().any(|field| line.starts_with(field)) && *line != close
        })
        .collect();
    (lines, said.contains(close))
}

/// The uploads that a request names, where that can be said in a head at all.
fn ids(request: &[u8]) -> Vec<Vec<u8>> {
    let name = b"\r\nX-File-Id: ";
    let at = |start: usize| {
        request[start..]
            .windows(name.len())
            .position(|part| part == name)
    };
    let mut found = Vec::new();
    let mut start = 0;
    while let Some(next) = at(start) {
        start += next + name.len();
        let value = request[start..]
            .split(|byte| byte.is_ascii_control())
            .next();
        found.extend(value.map(<[u8]>::to_vec));
    }
    found.retain(|id| !id.is_empty() && id.len() < 1000);
    found.sort();
    found.dedup();
    found
}

/// A connection of its own to ask on.
struct Asker(Client);

impl Asker {
    fn forget(&mut self, id: &[u8]) {
        self.ask(b"DELETE /upload", id);
    }

    /// Returns the offset and the tail of an upload.
    fn held(&mut self, id: &[u8]) -> String {
        self.ask(b"GET /status", id)
    }

    fn ask(&mut self, what: &[u8], id: &[u8]) -> String {
        let fields = b" HTTP/1.1\r\nHost: localhost\r\nX-File-Id: ";
        let answer = self.0.ask([what, fields, id, b"\r\n\r\n"].concat());
        format!("{} {:?}", answer.text(), answer.field("X-Tail-Digest"))
    }
}
