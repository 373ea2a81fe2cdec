//! The text of `--help`.

use super::{Command, Flag};

/// The column of the effects.
const INDENT: usize = 29;
const COLUMNS: usize = 100;

impl Command {
    pub(crate) fn help(&self) -> String {
        let mut text = format!("{}\n", self.usage);
        for group in self.groups {
            if !group.heading.is_empty() {
                text += &format!("{}:\n", group.heading);
            }
            for flag in group.flags {
                text += &lines(flag);
            }
        }
        if !self.end.is_empty() {
            text += &format!("\n{}", self.end);
        }
        text
    }
}

fn lines(flag: &Flag) -> String {
    let short = match flag.short {
        Some(letter) => format!("-{letter},"),
        None => "   ".into(),
    };
    let mut line = format!("  {short} --{} {}", flag.name, flag.value);
    line.truncate(line.trim_end().len());
    let mut text = String::new();
    // A long name has a line of its own.
    if line.len() >= INDENT {
        text = format!("{line}\n");
        line.clear();
    }
    let mut is_new = true;
    let default = flag.default_text();
    let default = Some(&*default).filter(|text| !text.is_empty());
    // The default stays together, if it fits.
    for word in flag.effect().split(' ').chain(default) {
        if !is_new && line.len() + 1 + word.len() > COLUMNS {
            text += &format!("{line}\n");
            line.clear();
            is_new = true;
        }
        if is_new {
            line = format!("{line:INDENT$}{word}");
        } else {
            line = format!("{line} {word}");
        }
        is_new = false;
    }
    format!("{text}{line}\n")
}
