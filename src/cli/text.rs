//! Makes names, answers and command output safe to show on a terminal or in a log.

/// Replaces control characters, invisible characters, and those that reorder text. Joiners and variation selectors
/// stay: emoji and Persian names need them.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|letter| if misleads(letter) { '\u{fffd}' } else { letter })
        .collect()
}

/// Returns whether this is a control character, or has the property Bidi_Control or Default_Ignorable_Code_Point.
/// Joiners and variation selectors are excluded.
fn misleads(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e00ff}'
            | '\u{e01f0}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misleading_characters_are_replaced() {
        for letter in
            "\x1b\x07\n\u{85}\u{ad}\u{200b}\u{200f}\u{2028}\u{202e}\u{2066}\u{feff}\u{e0041}"
                .chars()
        {
            assert_eq!(
                printable(&format!("a{letter}b")),
                "a\u{fffd}b",
                "{letter:?}"
            );
        }
    }

    #[test]
    fn emoji_and_names_of_any_script_stay() {
        for text in [
            "제주도.mp4",
            "می\u{200c}خواهم.txt",
            "👩\u{200d}👩\u{fe0f}.jpg",
            "é (1)",
        ] {
            assert_eq!(printable(text), text);
        }
    }
}
