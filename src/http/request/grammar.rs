//! The grammar of a request head: each rule with its ABNF, and its difference from the RFC.

use std::net::Ipv6Addr;

/// RFC 9110, section 5.6.2:
/// ```text
/// token = 1*tchar
/// ```
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is_tchar(byte))
}

/// RFC 9110, section 5.6.2:
/// ```text
/// tchar = "!" / "#" / "$" / "%" / "&" / "'" / "*" / "+" / "-" / "."
///       / "^" / "_" / "`" / "|" / "~" / DIGIT / ALPHA
/// ```
pub(in crate::http) fn is_tchar(byte: u8) -> bool {
    matches!(
        byte,
        b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~'
            | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z'
    )
}

/// RFC 9110, section 5.5:
/// ```text
/// field-value   = *field-content
/// field-content = field-vchar [ 1*( SP / HTAB / field-vchar ) field-vchar ]
/// field-vchar   = VCHAR / obs-text
/// obs-text      = %x80-FF
/// ```
/// The surrounding space is part of `bytes`; the caller trims it.
pub(super) fn is_field_value(bytes: &[u8]) -> bool {
    // Without an early return the compiler vectorizes the loop. The head of a slow client is parsed many times.
    bytes
        .iter()
        .fold(true, |good, &byte| good & is_field_byte(byte))
}

/// ```text
/// SP / HTAB / VCHAR / obs-text
/// ```
pub(in crate::http) fn is_field_byte(byte: u8) -> bool {
    byte == b'\t' || !byte.is_ascii_control()
}

/// RFC 9112, section 3.2: the bytes of a target in any form.
///
/// Wider than RFC 3986: browsers send `|`, `{` and `"` unescaped. VCHAR, but not `#`: clients send no fragment.
pub(super) fn is_target(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && bytes
            .iter()
            .all(|&byte| byte.is_ascii_graphic() && byte != b'#')
}

/// RFC 9110, section 7.2, and RFC 3986, section 3.2:
/// ```text
/// Host     = uri-host [ ":" port ]
/// uri-host = IP-literal / IPv4address / reg-name
/// port     = *DIGIT
/// ```
pub(super) fn is_host(bytes: &[u8]) -> bool {
    let Some((is_host, port)) = (match bytes.strip_prefix(b"[") {
        Some(literal) => split_at_byte(literal, b']').map(|(ip, rest)| (is_ipv6(ip), &rest[1..])),
        None => split_at_byte(bytes, b':')
            .or(Some((bytes, &[])))
            .map(|(name, rest)| (is_reg_name(name), rest)),
    }) else {
        return false;
    };
    is_host && (port.is_empty() || port.strip_prefix(b":").is_some_and(is_port))
}

/// RFC 3986, section 3.2.2:
/// ```text
/// reg-name   = *( unreserved / pct-encoded / sub-delims )
/// unreserved = ALPHA / DIGIT / "-" / "." / "_" / "~"
/// ```
/// Narrower: never empty (RFC 9110, section 4.2.1) and unreserved only, like names in DNS.
fn is_reg_name(bytes: &[u8]) -> bool {
    let is_unreserved = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    !bytes.is_empty() && bytes.iter().all(is_unreserved)
}

fn is_ipv6(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

fn is_port(bytes: &[u8]) -> bool {
    bytes.iter().all(u8::is_ascii_digit)
}

/// Splits before the first such byte.
fn split_at_byte(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&byte| byte == at)?;
    Some(bytes.split_at(end))
}
