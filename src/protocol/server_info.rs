//! The limits and the address of the server, as responses state them.

use crate::http::Head;

use crate::protocol::access::proxies::TrustedProxies;
use crate::protocol::parse::files_path;

/// The limits and the address of the server.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServerInfo {
    /// The maximum length of an upload, in bytes.
    pub(crate) max_size: Option<u64>,
    /// The lifetime of a partial upload after its last byte, in seconds.
    pub(crate) expire_secs: u64,
    /// The base of all addresses, or a path below the scheme and `Host` of each request. `None`: no such path.
    pub(crate) public_url: Option<String>,
    /// True if clients reach the server by `https` without a proxy.
    pub(crate) is_tls: bool,
    /// True if browsers should use nothing but `https` for this host.
    pub(crate) hsts: bool,
    /// The proxies whose forwarding fields are used. Any client can send them.
    pub(crate) proxies: TrustedProxies,
    /// True if interim responses are sent.
    pub(crate) interim: bool,
}

impl ServerInfo {
    /// Returns the address of the upload `name`. It is absolute, because some clients do not resolve a path. Without
    /// `Host` (HTTP/1.0) it is a path.
    pub(crate) fn location(&self, head: &Head, name: &str) -> String {
        let url = self.public_url.as_deref().unwrap_or_default();
        let base = match self.names_a_host() {
            true => String::new(),
            false => self.base(head).unwrap_or_default(),
        };
        format!("{base}{url}{}/{name}", files_path::ROOT)
    }

    /// Returns whether all addresses begin with one scheme and host.
    fn names_a_host(&self) -> bool {
        (self.public_url.as_deref()).is_some_and(|url| !url.is_empty() && !url.starts_with('/'))
    }

    /// Returns the host that a trusted proxy forwards, if it becomes part of the address of an upload.
    pub(crate) fn forwarded_host<'h>(&self, head: &'h Head) -> Option<&'h str> {
        let is_used = !self.names_a_host() && self.proxies.trusts(head);
        is_used.then(|| Proxy::read(head).host).flatten()
    }

    fn base(&self, head: &Head) -> Option<String> {
        let proxy = if self.proxies.trusts(head) {
            Proxy::read(head)
        } else {
            Proxy::default()
        };
        let own = if self.is_tls { "https" } else { "http" };
        let scheme = proxy.scheme.unwrap_or(own);
        Some(format!("{scheme}://{}", proxy.host.or(head.host())?))
    }
}

/// The request of the client, as a proxy forwards it.
#[derive(Default)]
struct Proxy<'h> {
    scheme: Option<&'h str>,
    host: Option<&'h str>,
}

impl<'h> Proxy<'h> {
    /// Reads the first entry: of several proxies, the client spoke to the first.
    fn read(head: &'h Head) -> Proxy<'h> {
        let first = |name| {
            let value = head.fields_named(name).next()?;
            Some(std::str::from_utf8(value).ok()?.split(',').next()?.trim())
        };
        let forwarded = first("Forwarded").unwrap_or_default();
        let parameter = |name: &str| {
            let pairs = forwarded.split(';').filter_map(|pair| pair.split_once('='));
            let mut pairs = pairs.filter(|(given, _)| given.trim().eq_ignore_ascii_case(name));
            pairs
                .next()
                .map(|(_, value)| value.trim().trim_matches('"'))
        };
        let scheme = parameter("proto").or_else(|| first("X-Forwarded-Proto"));
        let host = parameter("host").or_else(|| first("X-Forwarded-Host"));
        Proxy {
            scheme: scheme.filter(|scheme| matches!(*scheme, "http" | "https")),
            host: host.filter(|host| is_host(host)),
        }
    }
}

/// Returns whether this text is a host and an optional port, in an address.
fn is_host(host: &str) -> bool {
    let may_stand = |b: u8| b.is_ascii_alphanumeric() || b"-._~:[]".contains(&b);
    !host.is_empty() && host.bytes().all(may_stand)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Peer;

    fn behind_proxy() -> ServerInfo {
        let mut proxies = TrustedProxies::default();
        proxies.trust_local(true);
        ServerInfo {
            proxies,
            ..ServerInfo::default()
        }
    }

    #[track_caller]
    fn check(server: &ServerInfo, fields: &[(&str, &str)], expected: &str) {
        let host = [("Host", "localhost:8080")];
        let all = host.iter().chain(fields).copied();
        let head = Head::from_parts("POST", "/files", all).expect("a head");
        let head = head.with_peer(Peer::Unix);
        assert_eq!(server.location(&head, "1"), expected);
    }

    #[test]
    fn location_is_the_address_that_the_client_uses() {
        let alone = ServerInfo::default();
        let behind = behind_proxy();
        let fixed = ServerInfo {
            public_url: Some("https://up.example/in".to_owned()),
            ..behind.clone()
        };
        let forwarded_fields = [
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", "a.example, b.example"),
        ];
        let mut mounted = behind.clone();
        mounted.public_url = Some("/up".to_owned());
        check(&mounted, &[], "http://localhost:8080/up/files/1");
        check(&mounted, &forwarded_fields, "https://a.example/up/files/1");
        check(&alone, &forwarded_fields, "http://localhost:8080/files/1");
        check(&behind, &forwarded_fields, "https://a.example/files/1");
        check(&fixed, &forwarded_fields, "https://up.example/in/files/1");
        let forwarded = (
            "Forwarded",
            "for=1.2.3.4;Proto=https;host=\"c.example:444\"",
        );
        check(&behind, &[forwarded], "https://c.example:444/files/1");
        check(&behind, &[], "http://localhost:8080/files/1");
    }

    #[test]
    fn malformed_forwarded_host_and_scheme_are_ignored() {
        let behind = behind_proxy();
        let forwarded_fields = [
            ("X-Forwarded-Proto", "javascript"),
            ("X-Forwarded-Host", "a.example/b?"),
        ];
        check(&behind, &forwarded_fields, "http://localhost:8080/files/1");
    }
}
