//! Pages of other origins: which may read and write here, and what a browser is told of it
//! (the Fetch standard, "CORS protocol").

use crate::http::{Head, Response};

const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
/// What any dialect reads, and what it refuses: a page can only show a refusal that it got.
const REQUEST_FIELDS: &str = "X-File-Id, X-Start-Byte, X-File-Size, X-File-Name, X-File-Modified, \
                              X-File-CRC32, X-Tail-Digest, Authorization, Content-Type, X-Requested-With, X-Request-ID, \
                              X-HTTP-Method-Override, Tus-Resumable, Upload-Length, Upload-Offset, \
                              Upload-Metadata, Upload-Defer-Length, Upload-Concat, Upload-Checksum, \
                              Upload-Complete, Upload-Incomplete, Upload-Draft-Interop-Version, \
                              Content-Disposition, Content-Digest, Repr-Digest, Content-Range, \
                              X-Update-Range";
const EXPOSED_FIELDS: &str = "Upload-Offset, Upload-Complete, X-Tail-Digest, Location, \
                              Upload-Length, Upload-Metadata, Upload-Defer-Length, \
                              Upload-Expires, Upload-Incomplete, Upload-Limit, \
                              Upload-Draft-Interop-Version, Tus-Version, Tus-Resumable, \
                              Tus-Extension, Tus-Max-Size, Range, Repr-Digest, X-File-CRC32, \
                              Retry-After";
const PREFLIGHT_SECS: &str = "86400";

/// The origins whose pages may use this server besides its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins {
    allowed: Vec<String>,
}

/// What is added to an answer so that the asking page may read it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grant {
    origin: Option<Box<str>>,
    varies: bool,
}

impl Origins {
    /// `*` allows every page.
    pub(crate) fn new(allowed: impl IntoIterator<Item = String>) -> Origins {
        Origins {
            allowed: allowed.into_iter().collect(),
        }
    }

    /// What the answer to this request carries, errors included.
    pub(crate) fn grant(&self, head: &Head) -> Grant {
        let origin = self.allowed_origin(head).map(Box::from);
        Grant {
            origin,
            varies: !self.allowed.is_empty(),
        }
    }

    /// The answer to a browser that asks first. It needs no user: it cannot name one. 200, because
    /// some old ones take nothing else.
    pub(crate) fn preflight(&self, head: &Head) -> Option<Response> {
        let asks =
            head.method() == "OPTIONS" && head.field("Access-Control-Request-Method").is_some();
        (asks && self.allowed_origin(head).is_some()).then(|| {
            Response::new(200)
                .field("Access-Control-Allow-Methods", METHODS)
                .field("Access-Control-Allow-Headers", REQUEST_FIELDS)
                .field("Access-Control-Max-Age", PREFLIGHT_SECS)
        })
    }

    /// Refuses the page of another origin. Only browsers send `Origin`, and no page can forge it
    /// or `Sec-Fetch-Site`; a proxy that hides our name in `Host` leaves the latter alone.
    pub(crate) fn check(&self, head: &Head) -> Result<(), Response> {
        let Some(origin) = head.fields_named("Origin").next() else {
            return Ok(());
        };
        let same_site = match head.field("Sec-Fetch-Site") {
            Some(site) => site == b"same-origin" || site == b"none",
            None => head
                .host()
                .is_some_and(|host| authority(origin) == Some(host.as_bytes())),
        };
        if same_site || self.allowed_origin(head).is_some() {
            return Ok(());
        }
        Err(Response::new(403).text(
            "a page of another origin may not use this server; if it should, start it with \
             --allow-origin (behind a proxy: let it pass Host on)\n",
        ))
    }

    fn allowed_origin<'h>(&self, head: &'h Head) -> Option<&'h str> {
        let origin = std::str::from_utf8(head.field("Origin")?).ok()?;
        let allowed = |entry: &String| entry == "*" || entry.eq_ignore_ascii_case(origin);
        self.allowed.iter().any(allowed).then_some(origin)
    }
}

impl Grant {
    pub(crate) fn add_to(&self, response: Response) -> Response {
        let response = if self.varies {
            response.field("Vary", "Origin")
        } else {
            response
        };
        match &self.origin {
            Some(origin) => response
                .field("Access-Control-Allow-Origin", origin.clone().into_string())
                .field("Access-Control-Expose-Headers", EXPOSED_FIELDS),
            None => response,
        }
    }
}

fn authority(origin: &[u8]) -> Option<&[u8]> {
    let after_scheme = origin.windows(3).position(|three| three == b"://")? + 3;
    Some(&origin[after_scheme..])
}
