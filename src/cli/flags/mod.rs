//! The commands and their flags, as one table. Help, manual page and completions are made from it.

mod completions;
mod help;
mod manual;
mod put;
mod server;

use lexopt::Arg;

pub(crate) use self::completions::script;
pub(crate) use self::manual::page as manual;
#[cfg(feature = "put")]
pub(crate) use self::put::PUT;
pub(crate) use self::server::SERVER;

/// A command, with its flags.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    /// The effect, in a few words, for completions.
    about: &'static str,
    /// The first lines of the help.
    usage: &'static str,
    groups: &'static [Group],
    /// The last lines of the help.
    end: &'static str,
    operand: Operand,
}

/// The values of the operands, for completions.
#[derive(Clone, Copy)]
enum Operand {
    Directory,
    Files,
    Word,
    OneOf(&'static str),
}

/// Flags under a heading, if it is not empty.
struct Group {
    heading: &'static str,
    flags: &'static [Flag],
}

/// A flag with its texts. Marks such as `--listen` and words in backquotes are bold in the manual page.
struct Flag {
    short: Option<char>,
    name: &'static str,
    /// A placeholder; `a|b` for a choice; `[X]` for an optional value; empty without a value.
    value: &'static str,
    /// The effect. Completions end before the first `;`, `:` or bracket.
    help: &'static str,
    /// Empty without a default.
    default: &'static str,
    repeats: bool,
    /// Sentences for the manual page only.
    details: &'static str,
}

const fn flag(name: &'static str, value: &'static str, help: &'static str) -> Flag {
    Flag {
        short: None,
        name,
        value,
        help,
        default: "",
        repeats: false,
        details: "",
    }
}

impl Flag {
    const fn short(mut self, letter: char) -> Flag {
        self.short = Some(letter);
        self
    }

    const fn default(mut self, text: &'static str) -> Flag {
        self.default = text;
        self
    }

    const fn repeats(mut self) -> Flag {
        self.repeats = true;
        self
    }

    const fn details(mut self, text: &'static str) -> Flag {
        self.details = text;
        self
    }

    fn effect(&self) -> String {
        let repeatable = if self.repeats { "; repeatable" } else { "" };
        format!("{}{repeatable}", self.help)
    }

    fn default_text(&self) -> String {
        match self.default {
            "" => String::new(),
            text => format!("(default: {text})"),
        }
    }

    /// Returns the beginning of the help.
    fn summary(&self) -> &'static str {
        let ends = ["; ", ": ", " ("].map(|end| self.help.find(end));
        let end = ends.into_iter().flatten().min();
        &self.help[..end.unwrap_or(self.help.len())]
    }

    /// Returns the values to choose from.
    fn choices(&self) -> Option<String> {
        self.value
            .contains('|')
            .then(|| self.value.replace('|', " "))
    }

    fn takes_file(&self) -> bool {
        self.value == "FILE"
    }
}

impl Command {
    fn flags(&self) -> impl Iterator<Item = &'static Flag> {
        self.groups.iter().flat_map(|group| group.flags)
    }

    /// Returns each flag with its placeholder.
    #[cfg(test)]
    pub(crate) fn names(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.flags().map(|flag| (flag.name, flag.value))
    }

    /// Returns the long name of a flag, if the command has it.
    pub(super) fn name_of(&self, arg: &Arg<'_>) -> Option<&'static str> {
        let is_it = |flag: &&Flag| match arg {
            Arg::Short(letter) => flag.short == Some(*letter),
            Arg::Long(name) => flag.name == *name,
            Arg::Value(_) => false,
        };
        self.flags().find(is_it).map(|flag| flag.name)
    }
}

const GENERAL: Group = Group {
    heading: "",
    flags: &[
        flag("help", "", "print this help").short('h'),
        flag("version", "", "print the version").short('V'),
    ],
};

pub(crate) const HASH_PASSWORD: Command = Command {
    name: "hash-password",
    about: "print the hash of a password",
    usage: "\
resumed hash-password [NAME]    print the argon2id hash of a password, or NAME:HASH

The password comes from the terminal, which does not show it, or is one line of standard input.
The output is a line for a --user-file, or a value for --user.
",
    groups: &[GENERAL],
    end: "",
    operand: Operand::Word,
};

pub(crate) const HEALTH: Command = Command {
    name: "health",
    about: "ask a server for its health",
    usage: "\
resumed health URL    print the health of a server; exit with 0 if it accepts uploads, else with 1

URL is http://HOST:PORT, HOST:PORT or unix:PATH. The check of a container or a monitor runs this command.
",
    groups: &[GENERAL],
    end: "",
    operand: Operand::Word,
};

const COMPLETIONS: Command = Command {
    name: "completions",
    about: "print the completions of a shell",
    usage: "resumed completions bash|zsh|fish    print the completions of a shell\n",
    groups: &[GENERAL],
    end: "",
    operand: Operand::OneOf("bash zsh fish"),
};

const MAN: Command = Command {
    name: "man",
    about: "print the manual page",
    usage: "resumed man    print the manual page: resumed man | man -l -\n",
    groups: &[GENERAL],
    end: "",
    operand: Operand::Word,
};

const HELP: Command = Command {
    name: "help",
    about: "print the help of a command",
    usage: "resumed help [COMMAND]    print the help of a command\n",
    groups: &[GENERAL],
    end: "",
    operand: Operand::OneOf("serve put hash-password health completions man version"),
};

const VERSION: Command = Command {
    name: "version",
    about: "print the version",
    usage: "resumed version    print the version\n",
    groups: &[GENERAL],
    end: "",
    operand: Operand::Word,
};

/// All commands. The first one is also the command without a name.
pub(crate) const COMMANDS: [&Command; 8] = [
    &SERVER,
    &put::PUT,
    &HASH_PASSWORD,
    &HEALTH,
    &COMPLETIONS,
    &MAN,
    &HELP,
    &VERSION,
];

pub(crate) fn named(name: &str) -> Option<&'static Command> {
    COMMANDS.into_iter().find(|command| command.name == name)
}
