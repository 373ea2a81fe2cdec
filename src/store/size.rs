//! Numbers of bytes in messages for people.

use std::fmt;

/// The largest number of bytes that is shown exactly.
const EXACT_MAX: u64 = 9_999;

const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];

/// A number of bytes in a message. Units are decimal, with the digits that the page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => return write!(f, "1 byte"),
            bytes @ 0..=EXACT_MAX => return write!(f, "{bytes} bytes"),
            _ => {}
        }
        let mut value = self.0 as f64 / 1000.0;
        let mut units = UNITS.iter();
        let mut unit = units.next();
        // 999.5 would be written as 1000.
        while value >= 999.5 {
            value /= 1000.0;
            unit = units.next();
        }
        let digits = usize::from(value < 100.0);
        write!(f, "{value:.digits$} {}", unit.unwrap_or(&""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_has_decimal_units() {
        for (bytes, expected) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (9_999, "9999 bytes"),
            (10_000, "10.0 kB"),
            (99_940, "99.9 kB"),
            (123_456, "123 kB"),
            (999_499, "999 kB"),
            (999_500, "1.0 MB"),
            (52_428_800, "52.4 MB"),
            (1_000_000_000, "1.0 GB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(Size(bytes).to_string(), expected);
        }
    }
}
