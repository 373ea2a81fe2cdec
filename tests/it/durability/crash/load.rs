//! Clients that upload, ask, vanish and cancel until the server dies, and that record its answers.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use crate::support::{Answer, Client, TIMEOUT};

use super::chance::{Chance, LONGEST};
use super::facts::{Cancel, Facts, Reported, Upload};

/// The number of concurrent clients.
const SENDERS: usize = 4;

/// The number of unfinished uploads of a client.
const OPEN: u64 = 3;

/// The longest upload, and the longest part of one, has fewer than 2 to this power bytes.
const LENGTH_BITS: u32 = LONGEST.ilog2();

/// The maximum number of answers before a random moment, and the maximum time after the last of them.
const MORE_ANSWERS: u64 = 20;
const LATER: Duration = Duration::from_millis(30);

/// Several clients on one directory, over the lives of several servers.
#[derive(Default)]
pub(crate) struct Load {
    facts: Mutex<Facts>,
    heard: Condvar,
    is_dying: AtomicBool,
}

impl Load {
    /// Locks the facts of all answers.
    pub(crate) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().expect("no client panicked")
    }

    /// Waits for enough answers.
    pub(crate) fn wait_until(&self, is_enough: impl Fn(&Facts) -> bool) {
        let mut facts = self.facts();
        while !is_enough(&facts) {
            let waited = self.heard.wait_timeout(facts, TIMEOUT);
            let (heard, waited) = waited.expect("no client panicked");
            assert!(!waited.timed_out(), "no answers come");
            facts = heard;
        }
    }

    /// Waits for no moment in particular.
    pub(crate) fn wait_for_some_moment(&self, chance: &mut Chance) {
        let answers = self.facts().answers + chance.below(MORE_ANSWERS);
        self.wait_until(|facts| facts.answers >= answers);
        thread::sleep(chance.moment(LATER));
    }

    /// Has the clients at work until `kill` has killed the server. A line that breaks before `is_dying` was called
    /// is a failure.
    pub(crate) fn run(&self, addr: SocketAddr, mut chance: Chance, kill: impl FnOnce()) {
        self.is_dying.store(false, SeqCst);
        thread::scope(|scope| {
            for number in 0..SENDERS {
                let sender = Sender::new(number, self, addr, chance.fork());
                scope.spawn(|| sender.work());
            }
            kill();
        });
    }

    /// From now on lines may break.
    pub(crate) fn is_dying(&self) {
        self.is_dying.store(true, SeqCst);
    }

    /// Sends what is left of every upload.
    pub(crate) fn finish(&self, addr: SocketAddr, chance: Chance) {
        let mut sender = Sender::new(0, self, addr, chance);
        while let Some(upload) = self.any_open() {
            sender
                .send(&upload, upload.length - upload.held)
                .expect("an answer");
        }
    }

    fn any_open(&self) -> Option<Upload> {
        self.facts()
            .uploads
            .iter()
            .find(|upload| upload.is_open())
            .cloned()
    }

    fn hear(&self, before: &Upload, reported: Reported) {
        let mut facts = self.facts();
        facts.answers += 1;
        let upload = &mut facts.uploads[before.number];
        // A question of somebody else's while its client cancelled: either answer is right.
        if upload.cancel == before.cancel {
            assert_eq!(before.contradiction(reported), None);
            upload.hear(reported);
        }
        self.heard.notify_all();
    }
}

/// One client.
struct Sender<'a> {
    number: usize,
    load: &'a Load,
    addr: SocketAddr,
    chance: Chance,
    line: Option<Client>,
}

impl<'a> Sender<'a> {
    fn new(number: usize, load: &'a Load, addr: SocketAddr, chance: Chance) -> Sender<'a> {
        Sender {
            number,
            load,
            addr,
            chance,
            line: None,
        }
    }

    fn work(mut self) {
        loop {
            if let Err(error) = self.step() {
                assert!(self.load.is_dying.load(SeqCst), "the line broke: {error}");
                return;
            }
        }
    }

    fn step(&mut self) -> io::Result<()> {
        let upload = self.pick();
        let left = upload.length - upload.held;
        let part = self.chance.of_any_size(LENGTH_BITS).min(left);
        match self.chance.below(40) {
            0 => self.begin_and_cancel(),
            1..=6 => self.ask_about_any(),
            7..=12 => self.vanish(&upload, left, part),
            13..=18 => self.send_chunked(&upload, part),
            19..=26 => self.send(&upload, part),
            _ => self.send(&upload, left),
        }
    }

    /// An upload to go on with, or a new one.
    fn pick(&mut self) -> Upload {
        let facts = self.load.facts();
        let mine = |upload: &&Upload| upload.sender == self.number && upload.is_open();
        let open: Vec<&Upload> = facts.uploads.iter().filter(mine).collect();
        let picked = open.get(self.chance.below(OPEN) as usize);
        let picked = picked.map(|upload| (*upload).clone());
        drop(facts);
        picked.unwrap_or_else(|| self.begin())
    }

    fn begin(&mut self) -> Upload {
        let length = self.chance.of_any_size(LENGTH_BITS);
        self.load.facts().begin(self.number, length)
    }

    fn ask_about_any(&mut self) -> io::Result<()> {
        let facts = self.load.facts();
        let upload = facts.uploads[self.chance.below(facts.uploads.len() as u64) as usize].clone();
        drop(facts);
        let answer = self.exchange(&request("GET /status", &upload, ""), &[])?;
        assert_eq!(answer.status, 200, "{answer:?}");
        self.load.hear(&upload, Reported::by(&answer));
        Ok(())
    }

    fn send(&mut self, upload: &Upload, part: u64) -> io::Result<()> {
        let body = upload.content(upload.held, upload.held + part);
        let answer = self.exchange(
            &append(upload, &format!("Content-Length: {part}\r\n")),
            body,
        )?;
        self.hear(upload, &answer);
        Ok(())
    }

    fn send_chunked(&mut self, upload: &Upload, part: u64) -> io::Result<()> {
        let content = upload.content(upload.held, upload.held + part);
        let mut body = Vec::new();
        for chunk in content.chunks(100_000) {
            body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            body.extend_from_slice(chunk);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"0\r\n\r\n");
        let answer = self.exchange(&append(upload, "Transfer-Encoding: chunked\r\n"), &body)?;
        self.hear(upload, &answer);
        Ok(())
    }

    /// Announces all that is left, sends a part of it and is not heard of again.
    fn vanish(&mut self, upload: &Upload, left: u64, part: u64) -> io::Result<()> {
        let mut line = self
            .line
            .take()
            .map_or_else(|| Client::try_connect(self.addr), Ok)?;
        line.try_send(append(upload, &format!("Content-Length: {left}\r\n")))?;
        line.try_send(upload.content(upload.held, upload.held + part))
    }

    /// All on one line: a request left behind on another might come later, and begin it again.
    fn begin_and_cancel(&mut self) -> io::Result<()> {
        let upload = self.begin();
        if upload.length == 0 {
            return Ok(());
        }
        self.send(&upload, upload.length / 2)?;
        let load = self.load;
        let say = |cancel| load.facts().uploads[upload.number].cancel = cancel;
        say(Cancel::Asked);
        let answer = self.exchange(&request("DELETE /upload", &upload, ""), &[])?;
        assert_eq!(answer.status, 204, "{answer:?}");
        say(Cancel::Done);
        Ok(())
    }

    fn hear(&self, upload: &Upload, answer: &Answer) {
        assert!(matches!(answer.status, 200 | 409), "{answer:?}");
        self.load.hear(upload, Reported::by(answer));
    }

    /// One request and its answer.
    fn exchange(&mut self, head: &str, body: &[u8]) -> io::Result<Answer> {
        let mut line = self
            .line
            .take()
            .map_or_else(|| Client::try_connect(self.addr), Ok)?;
        line.try_send([head.as_bytes(), body].concat())?;
        let answer = line.try_answer()?;
        let closes = answer.field("Connection") == Some("close");
        self.line = Some(line).filter(|_| !closes);
        Ok(answer)
    }
}

/// Returns the head of a request at the reported offset.
pub(crate) fn append(upload: &Upload, framing: &str) -> String {
    let Upload {
        name, length, held, ..
    } = upload;
    let fields = format!(
        "X-File-Name: {name}\r\nX-File-Size: {length}\r\nX-Start-Byte: {held}\r\n{framing}"
    );
    request("POST /upload", upload, &fields)
}

fn request(line: &str, upload: &Upload, fields: &str) -> String {
    format!(
        "{line} HTTP/1.1\r\nHost: localhost\r\nX-File-Id: {}\r\n{fields}\r\n",
        upload.id()
    )
}
