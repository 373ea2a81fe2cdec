//! Checks of the parser: against `httparse`, and with cut heads.

use super::{Head, Version};
use crate::http::limits::Limits;

/// Checks that the result for a part of the bytes is the result for all of them, or `None`.
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

/// Returns whether the head is accepted. Then `httparse` must return the same parts.
pub(in crate::http) fn is_accepted_alike(bytes: &[u8]) -> bool {
    let Ok(Some((head, consumed))) = Head::parse(bytes, &Limits::default()) else {
        return false;
    };
    // `httparse` refuses later minor versions, which count as 1.1.
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
    match target.split_once("://") {
        Some((_, rest)) if !target.starts_with('/') => rest,
        _ => target,
    }
}

/// Returns the target from its parts, without its scheme.
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
    fn result_does_not_depend_on_cuts() {
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
    fn accepted_heads_have_the_parts_of_httparse() {
        let all: Vec<&[u8]> = EXAMPLES.iter().map(|(bytes, _)| *bytes).collect();
        let fit: Vec<&[u8]> = all
            .iter()
            .copied()
            .filter(|bytes| is_accepted_alike(bytes))
            .collect();
        let mut random = Xorshift(0x2545_F491_4F6C_DD1D);
        let mut taken = 0;
        for examples in [all, fit].iter().cycle().take(20_000) {
            let example = examples[random.below(examples.len())];
            let mutant = random.mutate(example);
            taken += usize::from(is_accepted_alike(&mutant));
            let cut = random.below(mutant.len() + 1);
            check_cuts(&mutant, &Limits::default(), [cut]);
        }
        assert!(taken > 2_000, "only {taken} heads were accepted");
    }

    struct Xorshift(u64);

    impl Xorshift {
        fn below(&mut self, end: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % end as u64) as usize
        }

        /// Replaces, inserts, removes or copies one to three bytes.
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
