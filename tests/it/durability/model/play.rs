//! Plays a sequence against a real server, beside the reference.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use resumed::Config;
use tempfile::TempDir;

use crate::support::files::{finished, partials};
use crate::support::{Answer, Client, Site};

use super::super::crash::chance::content;
use super::reference::{Expected, Kind, Planted, Reference, Request};
use super::steps::{Dialect, Restart, SLOTS, Sequence, Step, UPLOADS};

/// The server chooses the ninth name of a file at random, so a sequence ends before.
const NAMESAKES: usize = 8;

/// More free space than any disk has.
const FULL: u64 = 1 << 60;

/// Returns the first difference between the server and the reference. `set` changes the server.
pub(crate) fn difference(
    sequence: &Sequence,
    planted: Option<Planted>,
    set: fn(Config) -> Config,
) -> Option<String> {
    let mut play = Play::new(sequence, planted, set);
    for (number, step) in sequence.steps.iter().enumerate() {
        if play.reference.most_namesakes() > NAMESAKES {
            break;
        }
        if let Err(difference) = play.step(*step) {
            return Some(format!("step {number}, {step:?}: {difference}"));
        }
    }
    let end = Restart {
        dated: None,
        full: false,
    };
    play.restart(end)
        .err()
        .map(|difference| format!("at the end: {difference}"))
}

struct Play {
    reference: Reference,
    set: fn(Config) -> Config,
    site: Option<Site>,
    client: Option<Client>,
    /// The paths of the uploads whose id the server makes.
    paths: [String; UPLOADS],
}

impl Play {
    fn new(sequence: &Sequence, planted: Option<Planted>, set: fn(Config) -> Config) -> Play {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let mut play = Play {
            reference: Reference::new(sequence, planted),
            set,
            site: None,
            client: None,
            paths: Default::default(),
        };
        play.start(dir.expect("a directory"), false);
        play
    }

    fn start(&mut self, dir: TempDir, is_full: bool) {
        let set = self.set;
        self.site = Some(Site::again(dir, |config| {
            let config = config.user("ann", "secret").user("bob", "secret");
            let config = set(config.workers(4));
            if is_full {
                config.min_free(FULL)
            } else {
                config.min_free(0)
            }
        }));
    }

    fn step(&mut self, step: Step) -> Result<(), String> {
        if let Step::Restart(restart) = step {
            return self.restart(restart);
        }
        let Some(request) = self.reference.request(step) else {
            return Ok(());
        };
        let answer = self.exchange(&request);
        let expected = self.reference.answer(&request);
        match answer {
            Some(answer) => {
                self.learn_path(&request, &answer);
                compare(&expected, &answer).map_err(|it| format!("{request:?}: {it}"))
            }
            None => Ok(()),
        }
    }

    /// Stops the server, compares its directory, and starts the next one.
    fn restart(&mut self, restart: Restart) -> Result<(), String> {
        self.client = None;
        let dir = self.site.take().expect("it runs").stop();
        self.compare_files(dir.path())?;
        if let Some(secs) = restart.dated {
            date_all(&dir.path().join(".resumed"), secs);
        }
        self.reference.restart(restart.full);
        self.start(dir, restart.full);
        Ok(())
    }

    fn compare_files(&self, dir: &Path) -> Result<(), String> {
        let names: Vec<_> = self.reference.files.keys().cloned().collect();
        let found = finished(dir);
        if names != found {
            return Err(format!("published: expected {names:?}, found {found:?}"));
        }
        for (name, (number, length)) in &self.reference.files {
            if fs::read(dir.join(name)).expect("readable") != content(*number, 0, *length) {
                return Err(format!("{name} has other bytes"));
            }
        }
        let read = |path| fs::read(path).expect("readable");
        let mut found: Vec<_> = partials(dir).into_iter().map(read).collect();
        found.retain(|bytes| !bytes.is_empty());
        let expected = self.reference.partials().into_iter();
        let mut expected: Vec<_> = expected
            .map(|(number, length)| content(number, 0, length).to_vec())
            .collect();
        found.sort();
        expected.sort();
        let lengths = |all: &[Vec<u8>]| all.iter().map(Vec::len).collect::<Vec<_>>();
        let (has, wants) = (lengths(&found), lengths(&expected));
        match found == expected {
            true => Ok(()),
            false => Err(format!(
                "partial uploads: expected {wants:?}, found {has:?}"
            )),
        }
    }

    /// Sends a request. `None` if its connection was cut.
    fn exchange(&mut self, request: &Request) -> Option<Answer> {
        let site = self.site.as_ref().expect("it runs");
        let mut client = self.client.take().unwrap_or_else(|| site.connect());
        let sent = request.cut.unwrap_or(request.bytes);
        let body = content(request.content, request.start, request.start + sent);
        let mut bytes = self.head(request).into_bytes();
        match request.chunked {
            true if sent > 0 => {
                bytes.extend(format!("{:x}\r\n", request.bytes).as_bytes());
                bytes.extend(body);
                if request.cut.is_none() {
                    bytes.extend(b"\r\n0\r\n\r\n");
                }
            }
            _ => bytes.extend(body),
        }
        client.send(bytes);
        if request.cut.is_some() {
            client.cut();
            return None;
        }
        let answer = client.answer();
        if answer.field("Connection") != Some("close") {
            self.client = Some(client);
        }
        Some(answer)
    }

    fn head(&self, request: &Request) -> String {
        let slot = &SLOTS[request.slot];
        let login = BASE64_STANDARD.encode(format!("{}:secret", slot.user));
        let mut head = format!(
            "{} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {login}\r\n",
            self.line(request)
        );
        let mut field = |name: &str, value: String| head += &format!("{name}: {value}\r\n");
        match slot.dialect {
            Dialect::FileId => field("X-File-Id", slot.id.into()),
            Dialect::Tus => field("Tus-Resumable", "1.0.0".into()),
            Dialect::Draft | Dialect::Plain => {}
        }
        if matches!(request.kind, Kind::Create | Kind::Append) {
            for (name, value) in declarations(request) {
                field(name, value);
            }
            match request.chunked {
                true => field("Transfer-Encoding", "chunked".into()),
                false => field("Content-Length", request.bytes.to_string()),
            }
        }
        head + "\r\n"
    }

    fn line(&self, request: &Request) -> String {
        let slot = &SLOTS[request.slot];
        let path = match slot.dialect {
            Dialect::FileId if request.kind == Kind::Ask => return "GET /status".into(),
            Dialect::FileId => "/upload",
            Dialect::Tus | Dialect::Draft if request.kind == Kind::Create => "/files",
            Dialect::Tus | Dialect::Draft => &self.paths[request.slot],
            Dialect::Plain => &format!("/files/{}", slot.id),
        };
        let method = match (slot.dialect, request.kind) {
            (_, Kind::Ask) => "HEAD",
            (_, Kind::Delete) => "DELETE",
            (Dialect::Plain, _) => "PUT",
            (Dialect::FileId, _) | (_, Kind::Create) => "POST",
            (_, Kind::Append) => "PATCH",
        };
        format!("{method} {path}")
    }

    fn learn_path(&mut self, request: &Request, answer: &Answer) {
        if let Some((_, id)) = (answer.field("Location")).and_then(|it| it.split_once("/files/")) {
            self.paths[request.slot] = format!("/files/{id}");
        }
    }
}

/// Returns the fields about the file and the body.
fn declarations(request: &Request) -> Vec<(&'static str, String)> {
    let slot = &SLOTS[request.slot];
    let (start, length) = (request.start.to_string(), request.length);
    let length = length.map(|length| length.to_string());
    let creates = request.kind == Kind::Create;
    let mut fields = Vec::new();
    match slot.dialect {
        Dialect::FileId => {
            fields.push(("X-File-Name", slot.name.into()));
            fields.push(("X-Start-Byte", start));
            fields.extend(length.map(|length| ("X-File-Size", length)));
        }
        Dialect::Tus => {
            fields.push(("Content-Type", "application/offset+octet-stream".into()));
            match length {
                Some(length) => fields.push(("Upload-Length", length)),
                None if creates => fields.push(("Upload-Defer-Length", "1".into())),
                None => {}
            }
            match creates {
                true => {
                    let name = BASE64_STANDARD.encode(slot.name);
                    fields.push(("Upload-Metadata", format!("filename {name}")));
                }
                false => fields.push(("Upload-Offset", start)),
            }
        }
        Dialect::Draft => {
            let is_last = if request.last { "?1" } else { "?0" };
            fields.push(("Upload-Complete", is_last.into()));
            fields.extend(length.map(|length| ("Upload-Length", length)));
            match creates {
                true => {
                    let name = format!("inline; filename=\"{}\"", slot.name);
                    fields.push(("Content-Disposition", name));
                }
                false => {
                    fields.push(("Content-Type", "application/partial-upload".into()));
                    fields.push(("Upload-Offset", start));
                }
            }
        }
        Dialect::Plain if creates => {}
        Dialect::Plain => {
            let last = request.start + request.bytes - 1;
            let total = length.unwrap_or("*".into());
            fields.push(("Content-Range", format!("bytes {start}-{last}/{total}")));
        }
    }
    fields
}

fn compare(expected: &Expected, answer: &Answer) -> Result<(), String> {
    let number = |text: &str| text.parse().expect("a number");
    let complete = answer.field("Upload-Complete").map(|flag| flag == "?1");
    let said = Expected {
        status: answer.status,
        offset: (answer.field("Upload-Offset").map(number)).filter(|_| expected.offset.is_some()),
        complete: complete.filter(|_| expected.complete.is_some()),
        saved: answer
            .field("X-File-Name")
            .map(|name| name.replace("%20", " ")),
    };
    match said == *expected {
        true => Ok(()),
        false => Err(format!(
            "expected {expected:?}, got {said:?}: {}",
            String::from_utf8_lossy(&answer.body)
        )),
    }
}

/// Sets the time of every file, as a wrong clock would have.
fn date_all(dir: &Path, secs: u64) {
    for entry in fs::read_dir(dir).expect("listed") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => date_all(&path, secs),
            false => {
                let file = File::options().write(true).open(&path).expect("opened");
                let time = UNIX_EPOCH + Duration::from_secs(secs);
                file.set_modified(time).expect("dated");
            }
        }
    }
}
