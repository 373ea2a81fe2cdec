//! Transcripts: requests and answers as text, run over a real socket. They live in `tests/data/<dialect>/*.http`
//! and are meant to be read as the dialect's documentation.
//!
//! ```text
//! # What this is about, in a title and some prose.
//!
//! server: --max-size 10 --user ann:secret       flags of the command; optional, before the first request
//!
//! > POST /upload HTTP/1.1                        `>`  is a line that the client sends; CRLF is added
//! > Host: localhost
//! > X-File-Id: film
//! > Content-Length: 5
//! >
//! >> hello                                       `>>` is bytes that it sends, nothing added
//!
//! < HTTP/1.1 200 OK                              `<`  is a line of the answer's head
//! < Upload-Offset: 5
//! <
//! << 5                                           `<<` is bytes of its body
//!
//! disk: film.mp4 = "hello", modified 1700000000123      exactly these finished files are there
//! disk: nothing                                         no finished file is
//! held: "hel"                                           exactly these unfinished bytes are kept
//! held: nothing                                         no unfinished upload is
//!
//! --- new connection
//! --- cut                                        the client vanishes; goes on when the server noticed
//! --- closed                                     the server closes the connection, without a further word
//! --- restart                                    the server ends and a new one starts on the same directory
//! ```
//!
//! `>>`, `<<` and quoted text know `\r`, `\n`, `\t`, `\\`, `\"`, `\{`, `\xe9` and `{64 KiB of a}`; the other lines
//! know them too, braces aside. An answer's body may be `{a line}` or `{a line with "X-File-Id"}`: one line
//! of plain text whose wording is the server's business. In any other, `{a number}` is one, whichever.
//!
//! **An answer is what its transcript says and nothing else**: the status line, every field named, no field that is
//! not named, the body to the byte. Only the fields in [`USUAL`] go without saying; one that is
//! named has to be there all the same, with whatever value if that is `{any}`, a date if that is `{date}`, and must
//! not be there if it is `{none}`. Each final answer has the fields of [`protecting`] besides. When a connection ends,
//! nothing unread may be left on it.
//!
//! A field's value may end in `{film}`, or any other word: that is an id that the server has made, 32 hex digits. From
//! there on `{film}` stands for it in what the client sends, and in what is answered.

mod front;
mod ids;
mod script;

use std::{collections::BTreeMap, fs, io, path::Path, time::UNIX_EPOCH};

use front::{Front, Running};
use ids::Ids;
use script::{Body, Expected, File, Script, Step};

use crate::support::files::partials;
use crate::support::{Answer, Client};

/// Fields that an answer may have without its transcript's saying so, and with which value (`None`: any).
const USUAL: [(&str, Option<&str>); 5] = [
    ("Connection", None),
    ("Content-Length", None), // how long the body is, is seen from the body
    ("Content-Type", Some("text/plain; charset=utf-8")),
    ("Date", None),
    ("Server", Some("tiny-http (Rust)")), // that front cannot leave it out
];

/// One test for each transcript of a dialect and each front that speaks it.
macro_rules! transcripts {
    ($dialect:ident: $($name:ident)*; but not tiny_http: $($own:ident)*) => {
        mod $dialect {
            #[test]
            fn every_transcript_is_played() {
                let mut played = [$(stringify!($name),)* $(stringify!($own),)*];
                played.sort();
                assert_eq!(played.as_slice(), super::names_in(stringify!($dialect)));
            }

            transcripts!(library Library $dialect: $($name)* $($own)*);
            transcripts!(command Command $dialect: $($name)* $($own)*);
            #[cfg(feature = "tiny_http")]
            transcripts!(tiny_http TinyHttp $dialect: $($name)*);
        }
    };
    ($module:ident $front:ident $dialect:ident: $($name:ident)*) => {
        mod $module {
            $(#[test]
            fn $name() {
                let front = &crate::protocol::transcripts::front::$front;
                crate::protocol::transcripts::check(front, stringify!($dialect), stringify!($name));
            })*
        }
    };
}

transcripts! { file_id:
    append bad_input complete_again cors crc32 crc32_said cut declare delete host id_as_name methods mismatch
    names_on_disk replace status tail;
    but not tiny_http: digest disk_full expect_continue overshoot quota raw_id too_large users
}

transcripts! { tus:
    address_behind_proxy address_below_a_path address_forged address_given append checksum cors create create_refused
    defer_length digest method_override terminate users version with_upload;
    but not tiny_http: append_refused cut expect_continue failed_logins options quota
}

transcripts! { ietf:
    append_refused cancel carefully create_refused digest interim_off length one_request other_words
    overshoot;
    but not tiny_http: cut interim interop_3 interop_5 interop_6 interop_7 interop_8 limits no_interim quota unsaid users
}

transcripts! { plain: delete digest forms names pieces range_refused replace;
    but not tiny_http: append append_refused put resume too_large
}

transcripts! { recent: arrived empty users; but not tiny_http: }

transcripts! { http: ; but not tiny_http:
    ahead chunk_extras chunks connection expect fields length lines request_line version
}

/// Everything that clients send in the transcripts of a dialect.
pub(crate) fn sent_in(dialect: &str) -> Vec<Vec<u8>> {
    let names = names_in(dialect).into_iter();
    names
        .flat_map(|name| {
            Script::parse(&read(dialect, &name))
                .expect("a script")
                .sent()
        })
        .collect()
}

fn check(front: &dyn Front, dialect: &str, name: &str) {
    if let Err((line, problem)) = run(front, &read(dialect, name)) {
        panic!("tests/data/{dialect}/{name}.http:{line}: {problem}");
    }
}

fn read(dialect: &str, name: &str) -> String {
    let path = folder(dialect).join(format!("{name}.http"));
    fs::read_to_string(path).expect("the transcript is there")
}

fn folder(dialect: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(dialect)
}

fn names_in(dialect: &str) -> Vec<String> {
    let entries = fs::read_dir(folder(dialect)).expect("the dialect has a folder");
    let name = |entry: io::Result<fs::DirEntry>| entry.expect("an entry").path();
    let mut names: Vec<_> = entries
        .map(name)
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Plays a transcript against a front. An error names the line and what was seen there.
fn run(front: &dyn Front, text: &str) -> Result<(), (usize, String)> {
    let script = Script::parse(text)?;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut stage = Stage::new(front, &script.flags, dir.path());
    for (line, step) in &script.steps {
        stage.play(step).map_err(|problem| (*line, problem))?;
    }
    stage
        .hang_up()
        .map_err(|problem| (text.lines().count(), problem))
}

/// A server, its directory and the current connection.
struct Stage<'a> {
    front: &'a dyn Front,
    flags: &'a [String],
    dir: &'a Path,
    /// The ids that the server has made, by what the transcript calls them.
    ids: Ids,
    // Dropped before the server, which may wait for it.
    client: Option<Client>,
    running: Option<Running>,
}

impl<'a> Stage<'a> {
    fn new(front: &'a dyn Front, flags: &'a [String], dir: &'a Path) -> Stage<'a> {
        let running = Some(front.start(flags, dir));
        Stage {
            front,
            flags,
            dir,
            running,
            ids: Ids::default(),
            client: None,
        }
    }

    fn play(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Send(bytes) => {
                let bytes = self.ids.put_into(bytes);
                let sent = self.client().try_send(bytes);
                sent.map_err(|error| format!("sending: {error}"))
            }
            Step::Answer(expected) => {
                let answer = self
                    .client()
                    .try_answer()
                    .map_err(|error| format!("no answer: {error}"))?;
                compare(expected, &answer, &mut self.ids)
                    .map_err(|problem| format!("{problem}\n\n{}", shown(&answer)))
            }
            Step::NewConnection => self.hang_up(),
            Step::Cut => {
                self.client.take().ok_or("nothing to cut")?.cut();
                Ok(())
            }
            Step::Closed => {
                let mut client = self.client.take().ok_or("no connection")?;
                nothing_left(client.rest())
            }
            Step::Restart => self.restart(),
            Step::Disk(files) => same_files(files, self.dir),
            Step::Progress(uploads) => same("held", uploads, &held(self.dir)),
        }
    }

    fn client(&mut self) -> &mut Client {
        let addr = self.running.as_ref().expect("a server runs").addr;
        self.client.get_or_insert_with(|| Client::connect(addr))
    }

    /// Ends the connection at hand in good order: nothing unread may be left on it.
    fn hang_up(&mut self) -> Result<(), String> {
        let Some(mut client) = self.client.take() else {
            return Ok(());
        };
        client.stop_sending();
        nothing_left(client.rest())
    }

    fn restart(&mut self) -> Result<(), String> {
        self.hang_up()?;
        // The old one has to be gone first: a directory has one server.
        self.running = None;
        self.running = Some(self.front.start(self.flags, self.dir));
        Ok(())
    }
}

fn nothing_left(rest: io::Result<Vec<u8>>) -> Result<(), String> {
    match rest {
        Ok(rest) if rest.is_empty() => Ok(()),
        Ok(rest) => Err(format!("unread: {:?}", String::from_utf8_lossy(&rest))),
        Err(error) => Err(format!("the server should close the connection: {error}")),
    }
}

fn compare(expected: &Expected, answer: &Answer, ids: &mut Ids) -> Result<(), String> {
    same("status line", &expected.status_line, &answer.status_line)?;
    for (name, value) in &expected.fields {
        let came = answer.field(name);
        match value.as_str() {
            "{any}" => same(name, &true, &came.is_some())?,
            "{none}" => same(name, &None, &came)?,
            "{date}" => came
                .and_then(|date| httpdate::parse_http_date(date).ok())
                .map(drop)
                .ok_or_else(|| format!("{name}: {came:?} is no date"))?,
            value => same(name, &Some(&*ids.filled_in(value, came)), &came)?,
        }
    }
    for (name, value) in protecting(answer) {
        same(name, &Some(value), &answer.field(name))?;
    }
    for (name, value) in &answer.fields {
        let named = expected
            .fields
            .iter()
            .any(|(known, _)| known.eq_ignore_ascii_case(name));
        let protects = protecting(answer).any(|(known, _)| known.eq_ignore_ascii_case(name));
        if !named && !protects && !is_usual(name, value) {
            return Err(format!("{name}: {value}\nis not in the transcript"));
        }
    }
    match &expected.body {
        Body::Around(bytes) if script::fits(bytes, &answer.body) => Ok(()),
        Body::Around(bytes) => {
            let expected = answer_text(&bytes.join(script::NUMBER.as_bytes()));
            same("body", &expected, &answer_text(&answer.body))
        }
        Body::LineWith(words) => {
            let line = answer_text(&answer.body);
            let is_line = line
                .find('\n')
                .is_some_and(|end| end > 0 && end + 1 == line.len());
            let holds = is_line && line.contains(words.as_str());
            holds
                .then_some(())
                .ok_or_else(|| format!("body: expected a line with {words:?}, came {line:?}"))
        }
    }
}

/// Returns the fields that protect a browser: an interim answer has none.
fn protecting(answer: &Answer) -> impl Iterator<Item = (&'static str, &'static str)> {
    let is_final = answer.status >= 200;
    let is_shared = answer.field("Access-Control-Allow-Origin").is_some();
    let readers = if is_shared {
        "cross-origin"
    } else {
        "same-origin"
    };
    let fields = [
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Resource-Policy", readers),
    ];
    fields.into_iter().filter(move |_| is_final)
}

fn is_usual(name: &str, value: &str) -> bool {
    USUAL.iter().any(|(usual, only)| {
        usual.eq_ignore_ascii_case(name) && only.is_none_or(|only| only == value)
    })
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, expected: &T, came: &T) -> Result<(), String> {
    if expected == came {
        Ok(())
    } else {
        Err(format!(
            "{what}\n  expected {expected:?}\n      came {came:?}"
        ))
    }
}

/// An answer as a transcript would write it down.
fn shown(answer: &Answer) -> String {
    let fields = answer
        .fields
        .iter()
        .map(|(name, value)| format!("< {name}: {value}\n"))
        .collect::<String>();
    format!(
        "< {}\n{fields}<\n<< {}",
        answer.status_line,
        answer_text(&answer.body).escape_debug()
    )
}

fn answer_text(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}

/// Compares names and bytes of all finished files, and the times of those whose time is given.
fn same_files(expected: &[File], dir: &Path) -> Result<(), String> {
    let found = finished(dir);
    let names: Vec<_> = expected.iter().map(|file| file.name.clone()).collect();
    same("disk", &names, &found.keys().cloned().collect())?;
    for file in expected {
        let (bytes, modified) = &found[&file.name];
        // Two large files are not worth printing.
        same(
            &file.name,
            &(file.bytes.len(), true),
            &(bytes.len(), bytes == &file.bytes),
        )?;
        if let Some(expected) = file.modified {
            same(&format!("{} modified", file.name), &expected, modified)?;
        }
    }
    Ok(())
}

/// The finished files with their bytes and times (milliseconds since 1970), by name.
fn finished(dir: &Path) -> BTreeMap<String, (Vec<u8>, u128)> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).expect("the directory is there") {
        let entry = entry.expect("an entry");
        if entry.file_name() == ".resumed" {
            continue;
        }
        let modified = entry
            .metadata()
            .and_then(|metadata| metadata.modified())
            .expect("a time");
        let modified = modified
            .duration_since(UNIX_EPOCH)
            .expect("after 1970")
            .as_millis();
        let bytes = fs::read(entry.path()).expect("a file");
        files.insert(
            entry.file_name().to_string_lossy().into_owned(),
            (bytes, modified),
        );
    }
    files
}

/// The bytes of all unfinished uploads, in order of their bytes.
fn held(dir: &Path) -> Vec<String> {
    let text = |path| answer_text(&fs::read(path).expect("a file"));
    let mut uploads: Vec<_> = partials(dir).iter().map(text).collect();
    uploads.sort();
    uploads
}

mod tests;
