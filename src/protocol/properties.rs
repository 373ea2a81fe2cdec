//! Properties of requests and of ids, for arbitrary bytes.

use super::read;
use crate::http::{Head, Response};
use crate::protocol::command::{AppendCommand, Command, Operation, Target};
use crate::protocol::refusal::Refusal;
use crate::protocol::server_info::ServerInfo;
use crate::store::{self, AppendRequest, Precondition, Progress, Start};

/// Checks that an id declares the same with a percent-encoded name, and as separate fields.
pub fn declaration(bytes: &[u8]) {
    let Some(intent) = declared(&[("X-File-Id", bytes)]) else {
        return;
    };
    let (Some(name), Some(length)) = (&intent.file.name, intent.length) else {
        assert_eq!(
            intent,
            AppendRequest {
                body_length: intent.body_length,
                ..AppendRequest::default()
            }
        );
        return;
    };
    let name = percent_encoded(name);
    // An id may hold a time that does not fit into the field.
    let modified = intent
        .file
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
    if intent.file.modified_ms.is_some() {
        in_fields.push(("X-File-Modified", modified.as_bytes()));
    }
    assert_eq!(declared(&in_fields), Some(intent));
}

/// Returns the declarations of an append with these fields; `None` if it is no request.
fn declared(fields: &[(&str, &[u8])]) -> Option<AppendRequest> {
    let all = [("Host", &b"localhost"[..])].into_iter();
    let head = Head::from_parts("POST", "/upload", all.chain(fields.iter().copied())).ok()?;
    let (_, command) = read(&head, &ServerInfo::default());
    let Command { target, operation } = command.ok()?;
    let sent = head.field("X-File-Id").map(<[u8]>::to_vec);
    assert_eq!(Some(target), sent.map(Target::Id));
    match operation {
        Operation::Append(append) => Some(append.request),
        _ => panic!("a POST appends"),
    }
}

fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Checks that a request below `/files` is read or refused, that a new upload starts at 0, and that each dialect has a
/// reply to a refusal. The first line is the method and the end of the path; each further line is a field.
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
    let server = ServerInfo::default();
    let (dialect, command) = read(&head, &server);
    match command {
        Ok(command) => check_command(&command),
        Err(response) if method == "OPTIONS" && response.status() == 200 => {}
        Err(response) => check_refusal(&response),
    }
    for refusal in [store::Error::Mismatch, store::Error::Unknown] {
        let refusal = Err(Refusal::from(refusal));
        let response = dialect.reply(&server, (Progress::default(), None), None, refusal);
        check_refusal(&response);
    }
}

fn check_refusal(response: &Response) {
    assert!(response.status() >= 400 && response.get("X-Problem").is_some());
}

fn check_command(command: &Command) {
    let Operation::Append(AppendCommand { start, request, .. }) = &command.operation else {
        let is_list = command.operation == Operation::List;
        return match command.target {
            Target::All => assert!(is_list),
            ref target => assert!(!is_list && matches!(target, Target::Id(_))),
        };
    };
    match command.target {
        Target::Id(_) => assert_ne!(request.precondition, Precondition::New),
        Target::Restart(_) => assert_eq!(*start, Start::At(0)),
        Target::All => panic!("an append has one upload"),
        Target::Generated => {
            assert_eq!(
                (*start, request.precondition),
                (Start::At(0), Precondition::New)
            );
        }
    }
}
