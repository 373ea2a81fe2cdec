//! `httparse` as the oracle of heads, and heads that are cut.

use super::{Head, Version};
use crate::http::limits::Limits;

/// A verdict on a part of the bytes must be the verdict on all of them.
pub(in crate::http) fn check_cuts(
    bytes: &[u8],
    limits: &Limits,
    cuts: impl IntoIterator<Item = usize>,
) {
    let all = Head::parse(bytes, limits);
    for cut in cuts {
        let part = Head::parse(&bytes[..cut], limits);
        let text = bytes.escape_ascii();
        assert!(part == Ok(None) || part == all, "{text} at {cut}");
    }
}

/// Whether the head is taken; if so, `httparse` must agree in every part.
pub(in crate::http) fn is_taken_alike(bytes: &[u8]) -> bool {
    let Ok(Some((head, consumed))) = Head::parse(bytes, &Limits::default()) else {
        return false;
    };
    // It knows no later minor version, which we have to take for 1.1.
    let mut bytes = bytes.to_vec();
    let is_later = |end: &[u8]| end.starts_with(b"HTTP/1.") && end.ends_with(b"\r\n");
    if let Some(at) = bytes.windows(10).position(is_later) {
        bytes[at + 7] = bytes[at + 7].min(b'1');
    }
    let mut slots = [httparse::EMPTY_HEADER; 100];
    let mut oracle = httparse::Request::new(&mut slots);
    let status = oracle.parse(&bytes);
    let text = bytes.escape_ascii();
    assert_eq!(status, Ok(httparse::Status::Complete(consumed)), "{text}");
    assert_eq!(oracle.method, Some(head.method()));
    let minor = u8::from(head.version() == Version::Http11);
    assert_eq!(oracle.version, Some(minor), "{text}");
    let path = oracle.path.map(without_scheme);
    assert_eq!(path, Some(target(&head).as_str()), "{text}");
    let fields = oracle.headers.iter().map(|field| (field.name, field.value));
    assert!(head.fields().eq(fields), "{text}");
    true
}

fn without_scheme(target: &str) -> &str {
    let is_absolute = !target.starts_with('/');
    target
        .split_once("://")
        .filter(|_| is_absolute)
        .map_or(target, |(_, rest)| rest)
}

/// The target put together again from its parts, less its scheme.
fn target(head: &Head) -> String {
    let parts = &head.request_line.target;
    let authority = parts.authority.as_ref().map_or("", |span| head.text(span));
    let query = head
        .query()
        .map_or(String::new(), |query| format!("?{query}"));
    format!("{authority}{}{query}", head.text(&parts.path))
}

#[cfg(test)]
mod tests {
    use super::super::tests::EXAMPLES;
    use super::*;

    #[test]
    fn however_a_head_is_cut_its_verdict_is_the_same() {
        let tight = Limits {
            head_bytes: 60,
            fields: 2,
            target_bytes: 5,
            ..Limits::default()
        };
        for (bytes, _) in EXAMPLES {
            check_cuts(bytes, &Limits::default(), 0..bytes.len());
            check_cuts(bytes, &tight, 0..bytes.len());
        }
    }

    #[test]
    fn what_is_taken_httparse_takes_and_reads_alike() {
        let all: Vec<&[u8]> = EXAMPLES.iter().map(|(bytes, _)| *bytes).collect();
        let fit: Vec<&[u8]> = all
            .iter()
            .copied()
            .filter(|bytes| is_taken_alike(bytes))
            .collect();
        let mut random = Xorshift(0x2545_F491_4F6C_DD1D);
        let mut taken = 0;
        for examples in [all, fit].iter().cycle().take(20_000) {
            let example = examples[random.below(examples.len())];
            let mutant = random.mutate(example);
            taken += usize::from(is_taken_alike(&mutant));
            let cut = random.below(mutant.len() + 1);
            check_cuts(&mutant, &Limits::default(), [cut]);
        }
        assert!(taken > 2_000, "{taken} are too few to show anything");
    }

    struct Xorshift(u64);

    impl Xorshift {
        fn below(&mut self, end: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % end as u64) as usize
        }

        /// One or two bytes replaced, inserted, removed, or copied from elsewhere.
        fn mutate(&mut self, bytes: &[u8]) -> Vec<u8> {
            const TELLING: &[u8] = b"\r\n \t:/?#*@,;[]%.1059aH\0\x0b\x7f\x80\xff";
            let mut mutant = bytes.to_vec();
            for _ in 0..=self.below(2) {
                let at = self.below(mutant.len() + 1);
                let new = match self.below(3) {
                    0 => self.below(256) as u8,
                    1 => TELLING[self.below(TELLING.len())],
                    _ => *mutant.get(self.below(mutant.len() + 1)).unwrap_or(&b'\n'),
                };
                let removed = at..(at + self.below(3)).min(mutant.len());
                mutant.splice(removed, (self.below(4) > 0).then_some(new));
            }
            mutant
        }
    }
}
