//! `Upload-Metadata` of tus, which clients of the draft send too.

use crate::http::{Head, Response};

use crate::protocol::parse::fields::{bad_request, base64, single};
use crate::protocol::parse::filename;

/// The name of the file, and the whole field, which the server returns to the client.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Metadata {
    pub(crate) name: Option<Box<str>>,
    pub(crate) as_sent: Option<Box<str>>,
}

impl Metadata {
    pub(crate) fn read(head: &Head) -> Result<Metadata, Response> {
        match single(head, "Upload-Metadata")? {
            None | Some(b"") => Ok(Metadata::default()),
            Some(sent) => Metadata::parse(sent).ok_or_else(|| {
                bad_request("Upload-Metadata must be KEY BASE64 pairs, separated by commas")
            }),
        }
    }

    fn parse(sent: &[u8]) -> Option<Metadata> {
        let as_sent = std::str::from_utf8(sent).ok()?;
        let mut pairs: Vec<(&str, String)> = Vec::new();
        for pair in as_sent.split(',') {
            let (key, value) = pair.trim().split_once(' ').unwrap_or((pair.trim(), ""));
            let value = base64(value.trim().as_bytes())?;
            let is_key = !key.is_empty() && key.is_ascii();
            if !is_key || pairs.iter().any(|(known, _)| *known == key) {
                return None;
            }
            pairs.push((key, String::from_utf8_lossy(&value).into_owned()));
        }
        let value = |key: &str| {
            let mut pairs = pairs
                .iter()
                .filter(|(known, text)| *known == key && !text.is_empty());
            pairs.next().map(|(_, text)| text.as_str())
        };
        // Uppy sends a path, with or without a leading `/`, for a file in a folder, else `null`.
        let path = value("relativePath").map(|path| path.trim_start_matches('/'));
        let path = path.filter(|path| path.contains('/')).map(str::to_owned);
        let name = path.or_else(|| value("filename").or(value("name")).map(filename::flat));
        Some(Metadata {
            name: filename::of_type(name.as_deref(), value("filetype")).map(Into::into),
            as_sent: Some(as_sent.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_names_the_file_and_is_kept_as_sent() {
        let names = [
            ("filename aG9saWRheS5tcDQ=", Some("holiday.mp4")),
            ("filename aG9saWRheS5tcDQ", Some("holiday.mp4")),
            (
                "is_new,filename aG9saWRheS5tcDQ=,x eA==",
                Some("holiday.mp4"),
            ),
            (
                "name Y2Fmw6kudHh0, filetype dGV4dC9wbGFpbg==",
                Some("café.txt"),
            ),
            (
                "filename aG9saWRheQ==,filetype dmlkZW8vbXA0",
                Some("holiday.mp4"),
            ),
            ("filetype dmlkZW8vbXA0", Some("upload.mp4")),
            ("filename dHJpcC9hLmpwZw==", Some("trip_a.jpg")),
            (
                "relativePath L3RyaXAvYS5qcGc=,name YS5qcGc=",
                Some("trip/a.jpg"),
            ),
            ("relativePath bnVsbA==,name YS5qcGc=", Some("a.jpg")),
            ("filename ,is_new", None),
        ];
        for (sent, name) in names {
            let metadata = Metadata::parse(sent.as_bytes()).expect(sent);
            assert_eq!(metadata.name.as_deref(), name, "{sent}");
            assert_eq!(metadata.as_sent.as_deref(), Some(sent));
        }
    }

    #[test]
    fn malformed_metadata_is_refused() {
        for sent in [
            "filename a.txt",
            "a eA==,a eQ==",
            ",",
            "caf\u{e9} eA==",
            "a eA== eA==",
        ] {
            assert_eq!(Metadata::parse(sent.as_bytes()), None, "{sent}");
        }
    }
}
