//! Properties of ids, names, records and segments that hold for arbitrary bytes.

use std::collections::BTreeSet;

use crate::store::fs::file_info::FileInfo;
use crate::store::fs::filename::{FilePath, NAME_MAX, Name};
use crate::store::fs::hashed::Crc32;
use crate::store::fs::record::{Hook, Publishing, Record};
use crate::store::fs::spelling::{Refusal, Spelling};
use crate::store::fs::wanted::Wanted;
use crate::store::id::{Id, Key, hex, unhex};
use crate::store::log::entry::{Entry, scan};

/// Keys and hex are parsed only as they are written. The first byte is the length of the owner; the id follows it.
pub fn id(bytes: &[u8]) {
    assert_eq!(unhex(&hex(bytes)).as_deref(), Some(bytes));
    if let Ok(text) = std::str::from_utf8(bytes) {
        let key = Key::parse(text);
        assert!(key.is_none_or(|key| key.to_string() == text));
    }
    let Some((&first, bytes)) = bytes.split_first() else {
        return;
    };
    let end = usize::from(first) % (bytes.len() + 1);
    let id = Id::new(&bytes[..end], &bytes[end..]);
    assert_eq!((id.owner(), id.as_bytes()), bytes.split_at(end));
    assert_eq!(Key::parse(&id.key().to_string()), Some(id.key()));
    let other = Id::new(&bytes[..bytes.len() - end], &bytes[bytes.len() - end..]);
    assert_eq!(
        id == other,
        end * 2 == bytes.len(),
        "owner and id are kept apart"
    );
}

/// A published name is one safe component of a path, and so is each alternative name.
pub fn name(bytes: &[u8]) {
    let key = Key::of(b"", bytes);
    let wanted = String::from_utf8_lossy(bytes);
    let name = Name::new(Some(&wanted), key);
    let path = Wanted::new(None, Some(&wanted), key, 0);
    let folders = path.folders.iter().chain([&path.name]);
    folders.for_each(check_spellings);
    let tried: Vec<_> = name.candidates(NAME_MAX).take(12).collect();
    for name in &tried {
        check_name(name);
    }
    let different: BTreeSet<_> = tried[1..].iter().collect();
    assert_eq!(different.len(), tried.len() - 1, "{tried:?}");
    assert_eq!(
        Name::new(Some(&tried[0]), key),
        name,
        "a harmless name is left alone"
    );
    name.neutral(key)
        .candidates(NAME_MAX)
        .take(2)
        .for_each(|name| check_name(&name));
}

/// Each entry found in a log segment stands at its offset, and its line is written as it was read.
pub fn segment(bytes: &[u8]) {
    let mut end = 0;
    scan(bytes, |offset, entry| {
        let line = entry.line();
        let offset = offset as usize;
        assert!(end <= offset && bytes[offset..].starts_with(&line));
        end = offset + line.len();
    })
    .expect("a slice is readable");
}

fn check_spellings(name: &Name) {
    check_name(name.as_str());
    for refusal in [Refusal::TooLong, Refusal::Character] {
        let mut spelling = Spelling::AS_IS;
        while let Some((next, spelled)) = spelling.next(name, refusal) {
            spelling = next;
            spelled
                .candidates(spelling.max_bytes())
                .for_each(|name| assert!(name.len() <= spelling.max_bytes()));
            check_name(spelled.as_str());
        }
    }
}

fn check_name(name: &str) {
    assert!((1..=255).contains(&name.len()), "{name:?}");
    assert_eq!(FilePath::parse(name).as_deref(), Some(name));
    assert!(
        !name.starts_with('.') && !name.ends_with(['.', ' ']),
        "{name:?}"
    );
    let harmful = |c: char| c == '/' || c == '\\' || c.is_control();
    assert!(!name.contains(harmful), "{name:?}");
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    let devices = ["CON", "PRN", "AUX", "NUL", "COM1", "LPT9"];
    assert!(
        !devices
            .iter()
            .any(|device| stem.eq_ignore_ascii_case(device)),
        "{name:?}"
    );
}

/// A written record is read back unchanged, and a read record would be written the same. It is valid for one upload only.
pub fn record(bytes: &[u8]) {
    check_record(&any_record(bytes));
    let fields = serde_json::from_slice(bytes).ok();
    let Some(record) = fields.and_then(|fields| Record::from_json(&fields)) else {
        return;
    };
    let read = Record::parse(bytes, record.id.key());
    let read = read.expect("it was read").expect("it is whole");
    assert_eq!(read, record);
    check_record(&record);
}

fn check_record(record: &Record) {
    let text = record.to_json();
    let key = record.id.key();
    let read = Record::parse(&text, key).expect("it was written");
    assert_eq!(read.as_ref(), Some(record));
    assert!(Record::parse(&text, Key::of(b"", &text)).is_err());
    let record = Some(&text[..]);
    let line = Entry { key, record }.line();
    assert_eq!(Entry::parse(&line), Some(Entry { key, record }));
    assert_eq!(
        Record::parse(&text[..text.len() - 1], key).expect("cut"),
        None
    );
}

/// Some record, made of these bytes.
fn any_record(bytes: &[u8]) -> Record {
    let mut parts = bytes.splitn(5, |byte| *byte == b'|');
    let mut part = || parts.next();
    let (id, owner) = (part().unwrap_or_default(), part().unwrap_or_default());
    let text = |part: &[u8]| Box::from(String::from_utf8_lossy(part));
    let number = |part: &[u8]| {
        part.iter()
            .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte))
    };
    let hooks = [None, Some(Hook::Due), Some(Hook::Done)];
    Record {
        file: FileInfo {
            name: part().map(text),
            modified_ms: bytes.first().map(|first| u64::from(*first)),
            ..FileInfo::default()
        },
        length: part().map(number),
        crc32: match bytes.len() % 3 {
            0 => None,
            1 => Some(Crc32::Asked),
            _ => Some(Crc32::Is(bytes.len() as u32)),
        },
        publishing: part().map(|path| {
            let name = Name::new(Some(&text(path)), Key::of(b"", path));
            let name = name.candidates(NAME_MAX).next().expect("a name");
            Publishing {
                path: FilePath::in_folder("", &name),
                hook: hooks[bytes.len() % hooks.len()],
                copied: bytes.len() % 2 == 1,
                new_folders: (bytes.len() % 3) as u8,
            }
            .into()
        }),
        ..Record::new(&Id::new(owner, id))
    }
}
