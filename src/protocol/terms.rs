//! What this server offers, and under which address: what answers say of it.

use crate::http::Head;

use crate::protocol::parse::target;

/// What this server offers, and how it is reached.
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    /// The longest upload taken, in bytes.
    pub(crate) max_size: Option<u64>,
    /// How long a partial upload waits for its next byte, in seconds.
    pub(crate) expire_secs: u64,
    /// Where clients reach this server, when that is not what they say in `Host`.
    pub(crate) public_url: Option<String>,
    /// Whether what a proxy says of its client is believed. Anybody can send those fields.
    pub(crate) trust_proxy: bool,
    /// Whether interim answers are given.
    pub(crate) interim: bool,
}

impl Terms {
    /// The address of the upload that a client is to know as `name`: an absolute one, because some
    /// clients use it as it stands. Without `Host` (HTTP/1.0) it is a path.
    pub(crate) fn location(&self, head: &Head, name: &str) -> String {
        let base = self.public_url.clone().or_else(|| self.base(head));
        format!("{}{}/{name}", base.unwrap_or_default(), target::ROOT)
    }

    /// Returns the host that a trusted proxy forwards, if it becomes part of the address of an upload.
    pub(crate) fn forwarded_host<'h>(&self, head: &'h Head) -> Option<&'h str> {
        let is_told = self.trust_proxy && self.public_url.is_none();
        is_told.then(|| Proxy::read(head).host).flatten()
    }

    fn base(&self, head: &Head) -> Option<String> {
        let proxy = if self.trust_proxy {
            Proxy::read(head)
        } else {
            Proxy::default()
        };
        let scheme = proxy.scheme.unwrap_or("http");
        Some(format!("{scheme}://{}", proxy.host.or(head.host())?))
    }
}

/// What a proxy says of its client's request.
#[derive(Default)]
struct Proxy<'h> {
    scheme: Option<&'h str>,
    host: Option<&'h str>,
}

impl<'h> Proxy<'h> {
    /// Of several proxies, the first is the one that the client spoke to.
    fn read(head: &'h Head) -> Proxy<'h> {
        let first = |name| {
            let value = head.fields_named(name).next()?;
            Some(std::str::from_utf8(value).ok()?.split(',').next()?.trim())
        };
        let forwarded = first("Forwarded").unwrap_or_default();
        let said = |name: &str| {
            let pairs = forwarded.split(';').filter_map(|pair| pair.split_once('='));
            let mut pairs = pairs.filter(|(given, _)| given.trim().eq_ignore_ascii_case(name));
            pairs
                .next()
                .map(|(_, value)| value.trim().trim_matches('"'))
        };
        let scheme = said("proto").or_else(|| first("X-Forwarded-Proto"));
        let host = said("host").or_else(|| first("X-Forwarded-Host"));
        Proxy {
            scheme: scheme.filter(|scheme| matches!(*scheme, "http" | "https")),
            host: host.filter(|host| is_host(host)),
        }
    }
}

/// Whether this can stand in an address where a host does.
fn is_host(host: &str) -> bool {
    let may_stand = |b: u8| b.is_ascii_alphanumeric() || b"-._~:[]".contains(&b);
    !host.is_empty() && host.bytes().all(may_stand)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(terms: &Terms, fields: &[(&str, &str)], expected: &str) {
        let host = [("Host", "localhost:8080")];
        let all = host.iter().chain(fields).copied();
        let head = Head::from_parts("POST", "/files", all).expect("a head");
        assert_eq!(terms.location(&head, "1"), expected);
    }

    #[test]
    fn an_upload_is_where_its_client_reaches_it() {
        let alone = Terms::default();
        let behind = Terms {
            trust_proxy: true,
            ..Terms::default()
        };
        let fixed = Terms {
            public_url: Some("https://up.example/in".to_owned()),
            ..behind.clone()
        };
        let said = [
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", "a.example, b.example"),
        ];
        check(&alone, &said, "http://localhost:8080/files/1");
        check(&behind, &said, "https://a.example/files/1");
        check(&fixed, &said, "https://up.example/in/files/1");
        let forwarded = (
            "Forwarded",
            "for=1.2.3.4;Proto=https;host=\"c.example:444\"",
        );
        check(&behind, &[forwarded], "https://c.example:444/files/1");
        check(&behind, &[], "http://localhost:8080/files/1");
    }

    #[test]
    fn what_is_no_host_and_no_scheme_is_passed_over() {
        let behind = Terms {
            trust_proxy: true,
            ..Terms::default()
        };
        let said = [
            ("X-Forwarded-Proto", "javascript"),
            ("X-Forwarded-Host", "a.example/b?"),
        ];
        check(&behind, &said, "http://localhost:8080/files/1");
    }
}
