//! File names from `Content-Disposition`, and extensions from media types.

use crate::http::Head;

use crate::protocol::parse::fields::{percent_decoded, utf8_or_latin1};

/// The extensions of the media types that phones and browsers send.
const EXTENSIONS: [(&str, &str); 18] = [
    ("application/json", "json"),
    ("application/pdf", "pdf"),
    ("application/zip", "zip"),
    ("audio/flac", "flac"),
    ("audio/mp4", "m4a"),
    ("audio/mpeg", "mp3"),
    ("audio/ogg", "ogg"),
    ("image/avif", "avif"),
    ("image/gif", "gif"),
    ("image/heic", "heic"),
    ("image/jpeg", "jpg"),
    ("image/png", "png"),
    ("image/svg+xml", "svg"),
    ("image/webp", "webp"),
    ("text/plain", "txt"),
    ("video/mp4", "mp4"),
    ("video/quicktime", "mov"),
    ("video/webm", "webm"),
];

/// Returns a name without folders, for a source that only has names.
pub(crate) fn flat(name: &str) -> String {
    name.replace('/', "_")
}

/// Adds the extension of the media type to a name without extension.
pub(crate) fn of_type(name: Option<&str>, media_type: Option<&str>) -> Option<String> {
    let is_type = |(known, _): &&(&str, &str)| {
        media_type.is_some_and(|media_type| media_type.eq_ignore_ascii_case(known))
    };
    let extension = EXTENSIONS
        .iter()
        .find(is_type)
        .map(|(_, extension)| extension);
    match (name, extension) {
        (Some(name), Some(extension)) if !name.rsplit('/').next()?.contains('.') => {
            Some(format!("{name}.{extension}"))
        }
        (Some(name), _) => Some(name.to_owned()),
        (None, Some(extension)) => Some(format!("upload.{extension}")),
        (None, None) => None,
    }
}

/// Returns the name in `Content-Disposition` (RFC 6266): `filename*`, which has an encoding, else `filename`.
pub(crate) fn in_disposition(head: &Head) -> Option<String> {
    let (mut plain, mut extended) = (None, None);
    let mut rest = after_semicolon(head.field("Content-Disposition")?);
    while let Some(parameter) = rest {
        let equals = parameter.iter().position(|byte| *byte == b'=')?;
        let name = parameter[..equals].trim_ascii().to_ascii_lowercase();
        let (value, after) = value(parameter[equals + 1..].trim_ascii_start());
        match name.as_slice() {
            b"filename" => plain = Some(utf8_or_latin1(&value)),
            b"filename*" => extended = decoded(&value),
            _ => {}
        }
        rest = after_semicolon(after);
    }
    let name = extended.or(plain).filter(|name| !name.is_empty());
    name.as_deref().map(flat)
}

fn after_semicolon(bytes: &[u8]) -> Option<&[u8]> {
    let at = bytes.iter().position(|byte| *byte == b';')?;
    Some(&bytes[at + 1..])
}

/// Splits off a token or a quoted string.
fn value(bytes: &[u8]) -> (Vec<u8>, &[u8]) {
    let Some(quoted) = bytes.strip_prefix(b"\"") else {
        let end = bytes.iter().position(|byte| *byte == b';');
        let (value, after) = bytes.split_at(end.unwrap_or(bytes.len()));
        return (value.trim_ascii_end().to_vec(), after);
    };
    let (mut value, mut escaped) = (Vec::new(), false);
    for (at, &byte) in quoted.iter().enumerate() {
        match byte {
            b'"' if !escaped => return (value, &quoted[at + 1..]),
            b'\\' if !escaped => escaped = true,
            _ => {
                value.push(byte);
                escaped = false;
            }
        }
    }
    (value, &[])
}

/// Decodes `UTF-8'language'percent-encoded` (RFC 8187).
fn decoded(value: &[u8]) -> Option<String> {
    let mut parts = value.splitn(3, |byte| *byte == b'\'');
    let is_utf8 = parts.next()?.eq_ignore_ascii_case(b"utf-8");
    let text = parts.nth(1)?;
    String::from_utf8(percent_decoded(text))
        .ok()
        .filter(|_| is_utf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(disposition: &str, name: Option<&str>) {
        let fields = [("Host", "localhost"), ("Content-Disposition", disposition)];
        let head = Head::from_parts("POST", "/files", fields).expect("a head");
        assert_eq!(in_disposition(&head).as_deref(), name, "{disposition}");
    }

    #[test]
    fn disposition_names_the_file() {
        check("inline; filename=a.txt", Some("a.txt"));
        check("attachment; filename=\"a; b.txt\"; x=y", Some("a; b.txt"));
        check(
            "inline; FileName = \"a \\\"b\\\".txt\"",
            Some("a \"b\".txt"),
        );
        check(
            "inline; filename=\"?.txt\"; filename*=UTF-8'en'%E6%97%A5.txt",
            Some("日.txt"),
        );
        check(
            "inline; filename*=utf-8''a%20b.txt; filename=c.txt",
            Some("a b.txt"),
        );
        check(
            "inline; filename=\"a.txt\"; filename*=iso-8859-1''%E9",
            Some("a.txt"),
        );
        check("inline; filename*=utf-8''trip%2Fa.txt", Some("trip_a.txt"));
        check("inline; filename=\"open", Some("open"));
        for none in [
            "inline",
            "inline; filename=",
            "inline; filename",
            "filename=a.txt",
        ] {
            check(none, None);
        }
    }
}
