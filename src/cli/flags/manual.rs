//! The manual page.

use super::{Command, Flag, SERVER, put::PUT};

/// The page with a mark for the flags of each command.
const TEMPLATE: &str = include_str!("manual.1");

/// Returns the manual page in the language of man(7).
pub(crate) fn page() -> String {
    TEMPLATE
        .replace("@SERVER@\n", &options(&SERVER))
        .replace("@PUT@\n", &options(&PUT))
}

fn options(command: &Command) -> String {
    let mut text = String::new();
    for group in command.groups {
        if !group.heading.is_empty() {
            text += &format!(".SS {}\n", group.heading);
        }
        group.flags.iter().for_each(|flag| text += &option(flag));
    }
    text
}

fn option(flag: &Flag) -> String {
    let short = flag.short.map(|letter| bold(&format!("-{letter}")) + ", ");
    let name = bold(&format!("--{}", flag.name));
    let value = match flag.value {
        "" => String::new(),
        value if value.contains('|') => format!(" {}", bold(value)),
        value => format!(" \\fI{}\\fR", escaped(value)),
    };
    let mut text = format!(".TP\n{}{name}{value}\n", short.unwrap_or_default());
    let help = format!("{} {}", flag.effect(), flag.default_text());
    text += &format!("{}.\n", sentence(help.trim_end()));
    if !flag.details.is_empty() {
        text += &format!("{}\n", marked(flag.details).replace("\n\n", "\n.IP\n"));
    }
    text
}

/// Returns the text with a capital first letter.
fn sentence(text: &str) -> String {
    let (first, rest) = text.split_at(1);
    first.to_ascii_uppercase() + &marked(rest)
}

/// Makes flags and words in backquotes bold.
fn marked(text: &str) -> String {
    let mut out = String::new();
    for (at, part) in text.split('`').enumerate() {
        if at % 2 == 1 {
            out += &bold(part);
            continue;
        }
        for word in part.split_inclusive(' ') {
            let is_name = |letter: char| letter == '-' || letter.is_ascii_lowercase();
            let end = word.find(|letter| !is_name(letter)).unwrap_or(word.len());
            let is_flag = word.starts_with("--") && end > 2;
            let (name, rest) = word.split_at(if is_flag { end } else { 0 });
            if is_flag {
                out += &bold(name);
            }
            out += &escaped(rest);
        }
    }
    out
}

fn bold(text: &str) -> String {
    format!("\\fB{}\\fR", escaped(text))
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}
