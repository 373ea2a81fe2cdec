//! Cross-origin requests: the allowed origins, and the response fields of CORS (the Fetch standard).

use crate::http::{Head, Problem, Response};

const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
const EXPOSED_FIELDS: &str = "Upload-Offset, Upload-Complete, X-Tail-Digest, Location, \
                              Upload-Length, Upload-Metadata, Upload-Defer-Length, \
                              Upload-Expires, Upload-Incomplete, Upload-Limit, \
                              Upload-Draft-Interop-Version, Tus-Version, Tus-Resumable, \
                              Tus-Extension, Tus-Max-Size, Range, Repr-Digest, X-File-CRC32, \
                              X-File-Name, X-Problem, \
                              Retry-After";
const PREFLIGHT_SECS: &str = "86400";

/// The allowed origins, besides the own origin.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins {
    allowed: Vec<String>,
}

/// The response fields that let a page of an allowed origin read the response.
#[derive(Clone, Debug, Default)]
pub(crate) struct CorsHeaders {
    origin: Option<Box<str>>,
    varies: bool,
}

impl Origins {
    /// Allows these origins; `*` allows all.
    pub(crate) fn new(allowed: impl IntoIterator<Item = String>) -> Origins {
        Origins {
            allowed: allowed.into_iter().collect(),
        }
    }

    /// Returns the fields for the response to this request, also for an error.
    pub(crate) fn headers(&self, head: &Head) -> CorsHeaders {
        let origin = self.allowed_origin(head).map(Box::from);
        CorsHeaders {
            origin,
            varies: !self.allowed.is_empty(),
        }
    }

    /// Returns the response to a preflight request. It needs no user: a browser sends no credentials. The status is 200:
    /// old browsers accept no other.
    pub(crate) fn preflight(&self, head: &Head) -> Option<Response> {
        let is_preflight =
            head.method() == "OPTIONS" && head.field("Access-Control-Request-Method").is_some();
        if !is_preflight || self.allowed_origin(head).is_none() {
            return None;
        }
        let response = Response::new(200)
            .field("Access-Control-Allow-Methods", METHODS)
            .field("Access-Control-Max-Age", PREFLIGHT_SECS);
        // All request fields: a list would have to follow each dialect.
        let fields = head.field("Access-Control-Request-Headers");
        Some(match fields.map(std::str::from_utf8) {
            Some(Ok(fields)) => response.field("Access-Control-Allow-Headers", fields.to_owned()),
            _ => response,
        })
    }

    /// Refuses a page of another origin. No page can forge `Origin` or `Sec-Fetch-Site`. A proxy that changes `Host`
    /// keeps `Sec-Fetch-Site`.
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
        Err(Problem::ForbiddenOrigin.response(403).text(
            "pages of another origin must not use this server, unless its owner permits the origin\n",
        ))
    }

    fn allowed_origin<'h>(&self, head: &'h Head) -> Option<&'h str> {
        let origin = std::str::from_utf8(head.field("Origin")?).ok()?;
        let allowed = |entry: &String| entry == "*" || entry.eq_ignore_ascii_case(origin);
        self.allowed.iter().any(allowed).then_some(origin)
    }
}

impl CorsHeaders {
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
