//! The browser page: the files of `demo/`, embedded in the binary.

use crate::http::{Head, Response};
use crate::protocol::refusal::{method_not_allowed, not_found};

/// Content Security Policy 3: only files of this server, and no frame around the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      connect-src 'self'; img-src 'self' data:; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// HTTP Strict Transport Security (RFC 6797).
const HTTPS_FOR_A_YEAR: &str = "max-age=31536000";

/// A file of the page.
struct File {
    name: &'static str,
    /// The hash of the content, which is the query in the address of the file in the page.
    version: &'static str,
    plain: Form,
    gzip: Form,
}

/// One encoding of a file. Each has an entity tag of its own (RFC 9110, section 8.8.3.3).
struct Form {
    tag: &'static str,
    content: &'static [u8],
}

/// The files of `demo/`, as `build.rs` has prepared them.
const FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/page.rs"));

impl File {
    fn at(path: &str) -> Option<&'static File> {
        let name = match path.strip_prefix('/')? {
            "" => "index.html",
            name => name,
        };
        let is_own_path = name != "index.html" || path == "/";
        let file = FILES.iter().find(|file| file.name == name)?;
        is_own_path.then_some(file)
    }

    fn content_type(&self) -> &'static str {
        match self.name.rsplit('.').next() {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            _ => "text/javascript; charset=utf-8",
        }
    }
}

/// Returns whether a file of the page has this path.
pub(crate) fn has(path: &str) -> bool {
    File::at(path).is_some()
}

pub(crate) fn respond(head: &Head, with_hsts: bool) -> Response {
    let Some(file) = File::at(head.path()) else {
        return not_found();
    };
    if !matches!(head.method(), "GET" | "HEAD") {
        return method_not_allowed("GET, HEAD");
    }
    let is_gzip = prefers_gzip(head);
    let form = if is_gzip { &file.gzip } else { &file.plain };
    let is_known = has_tag(head, form.tag);
    let caching = match head.query() == Some(file.version) {
        true => "max-age=31536000, immutable",
        false => "no-cache",
    };
    let response = Response::new(if is_known { 304 } else { 200 })
        .field("Content-Security-Policy", POLICY)
        .field("Cache-Control", caching)
        .field("Vary", "Accept-Encoding")
        .field("ETag", form.tag);
    let response = match with_hsts {
        true => response.field("Strict-Transport-Security", HTTPS_FOR_A_YEAR),
        false => response,
    };
    match (is_known, is_gzip) {
        (true, _) => response.head_length(form.content.len() as u64),
        (false, false) => response.body(file.content_type(), form.content),
        (false, true) => response
            .field("Content-Encoding", "gzip")
            .body(file.content_type(), form.content),
    }
}

/// Returns whether the client has the form with this tag (RFC 9110, section 13.1.2). The comparison is weak: a proxy that
/// compresses makes a tag weak.
fn has_tag(head: &Head, tag: &str) -> bool {
    head.fields_named("If-None-Match").any(|list| {
        list.split(|byte| *byte == b',').any(|member| {
            let member = member.trim_ascii();
            let member = member.strip_prefix(b"W/").unwrap_or(member);
            member == b"*" || member == tag.as_bytes()
        })
    })
}

/// Returns whether the client accepts gzip, and not less than an unchanged file (RFC 9110, section 12.5.3).
fn prefers_gzip(head: &Head) -> bool {
    let (mut gzip, mut identity, mut other) = (None, None, None);
    for list in head.fields_named("Accept-Encoding") {
        for member in list.split(|byte| *byte == b',') {
            let mut parts = member.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let coding = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight = parts.next().map_or(Some(1000), weight).unwrap_or(0);
            match coding.as_slice() {
                b"gzip" | b"x-gzip" => gzip = Some(weight),
                b"identity" => identity = Some(weight),
                b"*" => other = Some(weight),
                _ => {}
            }
        }
    }
    let gzip = gzip.or(other).unwrap_or(0);
    gzip > 0 && gzip >= identity.unwrap_or(0)
}

/// Reads `q=0.123` as thousandths.
fn weight(parameter: &[u8]) -> Option<u32> {
    let parameter = std::str::from_utf8(parameter).ok()?;
    let (name, value) = parameter.split_once('=')?;
    let (whole, digits) = value.split_once('.').unwrap_or((value, ""));
    let is_weight = name.trim().eq_ignore_ascii_case("q")
        && matches!(whole, "0" | "1")
        && digits.len() <= 3
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    let thousandths = format!("{whole}{digits:0<3}").parse().ok();
    thousandths.filter(|thousandths| is_weight && *thousandths <= 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(fields: &[(&str, &str)]) -> Response {
        let host = [("Host", "localhost")];
        let fields = host.iter().chain(fields).copied();
        let head = Head::from_parts("GET", "/page.js", fields).expect("a head");
        respond(&head, false)
    }

    #[track_caller]
    fn check_encoding(accepted: &[&str], expected: Option<&str>) {
        let fields: Vec<_> = (accepted.iter())
            .map(|value| ("Accept-Encoding", *value))
            .collect();
        let response = asked(&fields);
        assert_eq!(response.get("Content-Encoding"), expected, "{accepted:?}");
        assert_eq!(response.get("Vary"), Some("Accept-Encoding"));
        let is_gzip = response.body_bytes().starts_with(&[0x1f, 0x8b]);
        assert_eq!(is_gzip, expected.is_some());
    }

    #[test]
    fn encoding_follows_the_weights() {
        let gzip = Some("gzip");
        check_encoding(&[], None);
        check_encoding(&[""], None);
        check_encoding(&["gzip, deflate, br"], gzip);
        check_encoding(&["br", "GZIP"], gzip);
        check_encoding(&["x-gzip"], gzip);
        check_encoding(&["*"], gzip);
        check_encoding(&["gzip ; q=0.001"], gzip);
        check_encoding(&["gzip;Q=1.000"], gzip);
        check_encoding(&["gzip;q=0"], None);
        check_encoding(&["gzip;q=0.000, *"], None);
        check_encoding(&["*;q=0"], None);
        check_encoding(&["gzip;q=0.5, identity"], None);
        check_encoding(&["gzip;q=0.5, identity;q=0.5"], gzip);
        check_encoding(&["identity;q=0.2, *;q=0.1"], None);
        check_encoding(&["br, deflate"], None);
        for wrong in ["2", "-1", "1.5", "0.1234", ".5", "", "x", "0.x"] {
            check_encoding(&[&format!("gzip;q={wrong}")], None);
        }
        check_encoding(&["gzip;level=9"], None);
    }

    #[test]
    fn known_tag_gets_a_304() {
        let gzip = ("Accept-Encoding", "gzip");
        let tag = |response: &Response| response.get("ETag").expect("a tag").to_owned();
        let (plain_tag, gzip_tag) = (tag(&asked(&[])), tag(&asked(&[gzip])));
        assert_ne!(plain_tag, gzip_tag);
        let plain_bytes = asked(&[]).body_bytes().len() as u64;
        for (value, status) in [
            (plain_tag.clone(), 304),
            (format!("W/{plain_tag}"), 304),
            (format!("\"a\", {plain_tag} ,\"b\""), 304),
            ("*".to_owned(), 304),
            (gzip_tag.clone(), 200),
            (plain_tag.replace('"', ""), 200),
            (String::new(), 200),
        ] {
            let response = asked(&[("If-None-Match", &value)]);
            assert_eq!(response.status(), status, "{value}");
            assert_eq!(tag(&response), plain_tag);
            assert!(response.get("Content-Security-Policy").is_some());
            assert_eq!(response.get("Cache-Control"), Some("no-cache"));
            assert_eq!(response.body_bytes().is_empty(), status == 304);
            // A front that states a length in a 304 has to state that of the file.
            assert_eq!(response.length(true), plain_bytes);
        }
        let response = asked(&[gzip, ("If-None-Match", &gzip_tag)]);
        assert_eq!(response.status(), 304);
    }

    #[test]
    fn versioned_files_of_the_page_are_kept() {
        let get = |path: &str| {
            let head = Head::from_parts("GET", path, [("Host", "a")]).expect("a head");
            respond(&head, false)
        };
        let page = String::from_utf8(get("/").body_bytes().to_vec()).expect("UTF-8");
        for name in ["style.css", "page.js"] {
            let address = page
                .split('"')
                .find(|text| text.starts_with(&format!("{name}?")));
            let address = format!("/{}", address.expect(name));
            let caching = |path: &str| get(path).get("Cache-Control").map(str::to_owned);
            let kept = Some("max-age=31536000, immutable");
            assert_eq!(caching(&address).as_deref(), kept);
            for path in [
                format!("{address}0"),
                format!("/{name}?"),
                format!("/{name}"),
            ] {
                assert_eq!(caching(&path).as_deref(), Some("no-cache"), "{path}");
            }
        }
        assert_eq!(get("/").get("Cache-Control"), Some("no-cache"));
    }

    #[test]
    fn scripts_have_no_imports() {
        for file in FILES.iter().filter(|file| file.name.ends_with(".js")) {
            let text = std::str::from_utf8(file.plain.content).expect("UTF-8");
            let is_import = |line: &&str| line.starts_with("import");
            assert_eq!(text.lines().find(is_import), None, "{}", file.name);
        }
    }
}
