//! Compares a directory, and the answers of a new server, with the earlier answers.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;

use crate::support::files::finished;
use crate::support::{Client, status};

use super::facts::{Cancel, Facts, Reported, Upload};

/// Everything about `dir`, of which a server at `addr` tells, that contradicts `facts`; what that server tells is
/// noted there.
pub(crate) fn breaches(facts: &mut Facts, addr: SocketAddr, dir: &Path) -> Vec<String> {
    let mut client = Client::connect(addr);
    let mut breaches = Vec::new();
    for upload in &mut facts.uploads {
        let reported = ask(&mut client, upload);
        breaches.extend(upload.contradiction(reported));
        if !reported.complete {
            breaches.extend(wrong_partial(upload, reported.offset, dir));
        }
        upload.resolve(reported);
    }
    breaches.extend(wrong_files(facts, dir));
    breaches
}

fn ask(client: &mut Client, upload: &Upload) -> Reported {
    let answer = client.ask(status(&upload.id()));
    assert_eq!(answer.status, 200, "{answer:?}");
    Reported::by(&answer)
}

/// Returns the difference between the bytes on the disk and the reported offset.
fn wrong_partial(upload: &Upload, offset: u64, dir: &Path) -> Option<String> {
    let bytes = match fs::read(dir.join(".resumed").join(upload.key())) {
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        bytes => bytes.expect("a partial is readable"),
    };
    let expected = upload.content(0, offset);
    let differ = (expected.iter().zip(&bytes)).position(|(one, other)| one != other);
    let (known, there) = (upload.known(), bytes.len());
    let problem =
        format!("{known}: {offset} bytes reported, {there} on the disk, and differ at {differ:?}");
    (bytes != expected).then_some(problem)
}

/// Published files that are not the whole of an upload of that name, and complete uploads without a file.
fn wrong_files(facts: &Facts, dir: &Path) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut found = HashSet::new();
    for name in finished(dir) {
        let bytes = fs::read(dir.join(&name)).expect("a file is readable");
        let is_it = |upload: &&Upload| {
            base_name(&name) == upload.name
                && upload.length == bytes.len() as u64
                && upload.content(0, upload.length) == bytes
        };
        match facts.uploads.iter().find(is_it) {
            None => wrong.push(format!("{name}, {} bytes, is no whole upload", bytes.len())),
            Some(upload) if !found.insert(upload.number) => {
                wrong.push(format!("{name} is there twice"))
            }
            Some(_) => {}
        }
    }
    let is_missing = |upload: &&Upload| {
        upload.complete && upload.cancel == Cancel::No && !found.contains(&upload.number)
    };
    let missing = facts.uploads.iter().filter(is_missing);
    wrong.extend(missing.map(|upload| format!("{}, and has no file", upload.known())));
    wrong
}

/// `a.bin` of `a (1).bin`.
fn base_name(name: &str) -> String {
    let stem = name.trim_end_matches(".bin");
    let base = stem.split_once(" (").map_or(stem, |(base, _)| base);
    format!("{base}.bin")
}
