//! What holds of what an id says of its file, whatever bytes it is made of.

use super::command::{Command, Target, Verb};
use super::read;
use super::terms::Terms;
use crate::http::Head;
use crate::store::Intent;

/// An id is taken as it came. What it declares is what it says again when its name is percent-encoded, and what the
/// fields for it declare.
pub fn declaration(bytes: &[u8]) {
    let Some(intent) = declared(&[("X-File-Id", bytes)]) else {
        return;
    };
    let (Some(name), Some(length), Some(modified)) =
        (&intent.name, intent.length, intent.modified_ms)
    else {
        assert_eq!(
            intent,
            Intent {
                incoming: intent.incoming,
                ..Intent::default()
            }
        );
        return;
    };
    let name = percent_encoded(name);
    let again = format!("{name}-{length}-{modified:012}");
    assert_eq!(
        declared(&[("X-File-Id", again.as_bytes())]).as_ref(),
        Some(&intent)
    );
    let (length, modified) = (length.to_string(), modified.to_string());
    let in_fields = [
        ("X-File-Id", &b"any"[..]),
        ("X-File-Name", name.as_bytes()),
        ("X-File-Size", length.as_bytes()),
        ("X-File-Modified", modified.as_bytes()),
    ];
    assert_eq!(declared(&in_fields), Some(intent));
}

/// What an append with these fields declares; `None` when it is no request.
fn declared(fields: &[(&str, &[u8])]) -> Option<Intent> {
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
