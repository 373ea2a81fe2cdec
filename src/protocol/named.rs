//! What a file is called by clients that say only what kind of thing it is.

/// The endings of the kinds that phones and browsers send.
const ENDINGS: [(&str, &str); 18] = [
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

/// The name of a file of this type. One that has an ending keeps it: who named it knew better.
pub(super) fn of_type(name: Option<&str>, media_type: Option<&str>) -> Option<String> {
    let is_it = |(known, _): &&(&str, &str)| {
        media_type.is_some_and(|media_type| media_type.eq_ignore_ascii_case(known))
    };
    let ending = ENDINGS.iter().find(is_it).map(|(_, ending)| ending);
    match (name, ending) {
        (Some(name), Some(ending)) if !name.contains('.') => Some(format!("{name}.{ending}")),
        (Some(name), _) => Some(name.to_owned()),
        (None, Some(ending)) => Some(format!("upload.{ending}")),
        (None, None) => None,
    }
}
