//! What holds of requests, and of what an id says of its file, whatever bytes they are made of.

use super::read;
use crate::http::Head;
use crate::protocol::command::{Command, Refusal, Target, Verb};
use crate::protocol::terms::Terms;
use crate::store::{self, AppendRequest, Precondition, Progress, Start};

/// An id is taken as it came. What it declares is what it says again when its name is percent-encoded, and what the
/// fields for it declare.
pub fn declaration(bytes: &[u8]) {
    let Some(intent) = declared(&[("X-File-Id", bytes)]) else {
        return;
    };
    let (Some(name), Some(length)) = (&intent.name, intent.length) else {
        assert_eq!(
            intent,
            AppendRequest {
                incoming: intent.incoming,
                ..AppendRequest::default()
            }
        );
        return;
    };
    let name = percent_encoded(name);
    // An id may hold a time that does not fit into the field.
    let modified = intent
        .modified_ms
        .map_or("-1".to_owned(), |ms| ms.to_string());
    let again = format!("{name}-{length}-{modified}");
    assert_eq!(
        declared(&[("X-File-Id", again.as_bytes())]).as_ref(),
        Some(&intent)
    );
    let length = length.to_string();
    let mut in_fields = vec![
        ("X-File-Id", &b"any"[..]),
        ("X-File-Name", name.as_bytes()),
        ("X-File-Size", length.as_bytes()),
    ];
    if intent.modified_ms.is_some() {
        in_fields.push(("X-File-Modified", modified.as_bytes()));
    }
    assert_eq!(declared(&in_fields), Some(intent));
}

/// What an append with these fields declares; `None` when it is no request.
fn declared(fields: &[(&str, &[u8])]) -> Option<AppendRequest> {
    let all = [("Host", &b"localhost"[..])].into_iter();
    let head = Head::from_parts("POST", "/upload", all.chain(fields.iter().copied())).ok()?;
    let (_, command) = read(&head, &Terms::default());
    let Command { target, verb } = command.ok()?;
    let sent = head.field("X-File-Id").map(<[u8]>::to_vec);
    assert_eq!(Some(target), sent.map(Target::Named));
    match verb {
        Verb::Append { intent, .. } => Some(intent),
        _ => panic!("a POST appends"),
    }
}

fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// A request among the files is read, or refused; what is to be made begins at its first byte; and whoever asked, in
/// whichever words, can be refused. The first line is the method and the end of the address, each further one a field.
pub fn request(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let first = String::from_utf8_lossy(lines.next().unwrap_or_default());
    let (method, rest) = first.split_once(' ').unwrap_or((&first, ""));
    let fields = lines.filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = std::str::from_utf8(&line[..colon]).ok()?;
        Some((name, &line[colon + 1..]))
    });
    let all = [("Host", &b"localhost"[..])].into_iter().chain(fields);
    let Ok(head) = Head::from_parts(method, &format!("/files{rest}"), all) else {
        return;
    };
    let terms = Terms::default();
    let (dialect, command) = read(&head, &terms);
    match command {
        Ok(command) => check_command(&command),
        Err(response) => assert!(response.status() >= 400 || method == "OPTIONS"),
    }
    for refusal in [store::Error::Mismatch, store::Error::Unknown] {
        let refusal = Err(Refusal::from(refusal));
        let response = dialect.reply(&terms, Progress::default(), None, refusal);
        assert!(response.status() >= 400);
    }
}

fn check_command(command: &Command) {
    let Verb::Append { start, intent, .. } = &command.verb else {
        return assert!(matches!(command.target, Target::Named(_)));
    };
    match command.target {
        Target::Named(_) => assert_ne!(intent.existence, Precondition::Made),
        Target::Anew(_) => assert_eq!(*start, Start::At(0)),
        Target::New => {
            assert_eq!(
                (*start, intent.existence),
                (Start::At(0), Precondition::Made)
            );
        }
    }
}
