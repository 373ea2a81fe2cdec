//! Sizes and durations as people write them.

use std::time::Duration;

/// `1024`, `500K`, `20M`, `5G`, `1T`, with or without a `B` or `iB` behind: powers of 1024.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = split(text);
    let unit = unit.to_ascii_uppercase();
    let short = unit.strip_suffix("IB").filter(|letter| !letter.is_empty());
    let power = match short.or(unit.strip_suffix('B')).unwrap_or(&unit) {
        "" => 0,
        "K" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        _ => return None,
    };
    number?.checked_mul(1024_u64.pow(power))
}

/// `90` or `90s`, `30m`, `12h`, `7d`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text);
    let secs = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    Some(Duration::from_secs(number?.checked_mul(secs)?))
}

fn split(text: &str) -> (Option<u64>, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    (text[..digits].parse().ok(), &text[digits..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("0", Some(0)),
            ("10", Some(10)),
            ("1k", Some(1024)),
            ("500M", Some(500 << 20)),
            ("2GiB", Some(2 << 30)),
            ("1TB", Some(1 << 40)),
            ("", None),
            ("M", None),
            ("-1", None),
            ("1.5G", None),
            ("5X", None),
            ("99999999999999999999", None),
            ("99999999T", None),
            ("5B", Some(5)),
            ("5I", None),
            ("5KBB", None),
            ("5KIIB", None),
            ("5iB", None),
        ] {
            assert_eq!(bytes(text), expected, "{text:?}");
        }
    }

    #[test]
    fn durations() {
        for (text, expected) in [
            ("90", 90),
            ("90s", 90),
            ("30m", 1800),
            ("12h", 43_200),
            ("7d", 604_800),
        ] {
            assert_eq!(
                duration(text),
                Some(Duration::from_secs(expected)),
                "{text:?}"
            );
        }
        for not in ["", "d", "1w", "1 d", "-1s"] {
            assert_eq!(duration(not), None, "{not:?}");
        }
    }
}
