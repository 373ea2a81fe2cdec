//! The completions of bash, zsh and fish.

use std::fmt::Write;

use super::{COMMANDS, Command, Flag, Operand, SERVER};

pub(crate) fn script(shell: &str) -> Option<String> {
    match shell {
        "bash" => Some(bash()),
        "zsh" => Some(zsh()),
        "fish" => Some(fish()),
        _ => None,
    }
}

/// Returns the commands with a name, and last the one without.
fn commands() -> impl Iterator<Item = (&'static str, &'static Command)> {
    let named = COMMANDS.into_iter().map(|command| (command.name, command));
    named.filter(|(name, _)| *name != SERVER.name)
}

fn names() -> String {
    COMMANDS.map(|command| command.name).join(" ")
}

/// Returns `--name`, or `-n --name`.
fn words(flag: &Flag, between: &str) -> String {
    let short = flag.short.map(|letter| format!("-{letter}{between}"));
    format!("{}--{}", short.unwrap_or_default(), flag.name)
}

fn bash() -> String {
    let mut cases = String::new();
    for (name, command) in commands().chain([("*", &SERVER)]) {
        let _ = write!(cases, "        {name})\n            case $prev in\n");
        let files = patterns(command, Flag::takes_file);
        if !files.is_empty() {
            let _ = writeln!(cases, "                {files}) kind=files ;;");
        }
        for flag in command.flags() {
            if let Some(choices) = flag.choices() {
                let pattern = words(flag, " | ");
                let _ = writeln!(cases, "                {pattern}) values='{choices}' ;;");
            }
        }
        let others = patterns(command, |flag| {
            let is_needed = !flag.value.is_empty() && !flag.value.starts_with('[');
            is_needed && !flag.takes_file() && flag.choices().is_none()
        });
        if !others.is_empty() {
            let _ = writeln!(cases, "                {others}) return ;;");
        }
        let flags: Vec<_> = command.flags().map(|flag| words(flag, " ")).collect();
        let operand = match command.operand {
            Operand::Directory => "kind=directories".to_owned(),
            Operand::Files => "kind=files".to_owned(),
            Operand::Word => "kind=none".to_owned(),
            Operand::OneOf(values) => format!("values='{values}'"),
        };
        let flags = flags.join(" ");
        let _ = writeln!(
            cases,
            "                *) flags='{flags}' {operand} ;;\n            esac\n            ;;"
        );
    }
    BASH.replace("@CASES@\n", &cases)
        .replace("@COMMANDS@", &names())
}

/// Returns the flags that apply, as a pattern of `case`.
fn patterns(command: &Command, applies: impl Fn(&Flag) -> bool) -> String {
    let flags = command.flags().filter(|flag| applies(flag));
    let flags: Vec<_> = flags.map(|flag| words(flag, " | ")).collect();
    flags.join(" | ")
}

const BASH: &str = "\
# Completes resumed. Made by: resumed completions bash
_resumed() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command= kind= values= flags=
    [ \"$COMP_CWORD\" -eq 1 ] || command=${COMP_WORDS[1]}
    COMPREPLY=()
    case $command in
@CASES@
    esac
    case $cur in
        -*) values=$flags kind= ;;
        *) [ \"$COMP_CWORD\" -gt 1 ] || values='@COMMANDS@' ;;
    esac
    mapfile -t COMPREPLY < <(
        [ -z \"$values\" ] || compgen -W \"$values\" -- \"$cur\"
        [ \"$kind\" != files ] || compgen -f -- \"$cur\"
        [ \"$kind\" != directories ] || compgen -d -- \"$cur\"
    )
}
complete -o filenames -F _resumed resumed
";

fn zsh() -> String {
    let mut cases = String::new();
    for (name, command) in commands().chain([("*", &SERVER)]) {
        let _ = writeln!(cases, "    {name})\n        _arguments \\");
        for flag in command.flags() {
            let _ = writeln!(cases, "            {} \\", zsh_flag(flag));
        }
        let operand = match command.operand {
            Operand::Directory => "'*:directory:_files -/'".to_owned(),
            Operand::Files => "'*:file or address:_files'".to_owned(),
            Operand::Word => "'*:word: '".to_owned(),
            Operand::OneOf(values) => format!("'1:word:({values})'"),
        };
        let _ = writeln!(cases, "            {operand}\n        ;;");
    }
    let mut about = String::new();
    for command in COMMANDS {
        let _ = writeln!(about, "        '{}:{}'", command.name, command.about);
    }
    ZSH.replace("@CASES@\n", &cases)
        .replace("@ABOUT@\n", &about)
        .replace("@NAMES@", &names().replace(' ', " | "))
}

fn zsh_flag(flag: &Flag) -> String {
    let ends = matches!(flag.name, "help" | "version");
    let once = match flag.short {
        _ if ends => "'(- *)'".to_owned(),
        _ if flag.repeats => "'*'".to_owned(),
        Some(letter) => format!("'(-{letter} --{})'", flag.name),
        None => String::new(),
    };
    let names = match flag.short {
        Some(_) => format!("{{{}}}", words(flag, ",")),
        None => words(flag, ""),
    };
    let equals = if flag.value.starts_with('[') {
        "=-"
    } else {
        ""
    };
    let mut summary = String::new();
    for letter in flag.summary().chars() {
        match letter {
            '\'' => summary += "'\\''",
            '[' | ']' | ':' | '\\' => summary.extend(['\\', letter]),
            letter => summary.push(letter),
        }
    }
    let value = match flag.value {
        "" => String::new(),
        "FILE" => ":file:_files".to_owned(),
        "[PROXY]" => "::proxy: ".to_owned(),
        value if value.contains('|') => format!(":value:({})", value.replace('|', " ")),
        value => format!(":{}: ", value.to_ascii_lowercase().replace(':', "\\:")),
    };
    format!("{once}{names}{equals}'[{summary}]{value}'")
}

const ZSH: &str = "\
#compdef resumed
# Completes resumed. Made by: resumed completions zsh

local command=
local -a commands
if (( CURRENT == 2 )); then
    commands=(
@ABOUT@
    )
    [[ $words[2] == -* ]] || _describe command commands
else
    command=$words[2]
fi
case $command in
    @NAMES@)
        shift words
        (( CURRENT-- ))
        ;;
esac
case $command in
@CASES@
esac
";

fn fish() -> String {
    let mut text = String::from("# Completes resumed. Made by: resumed completions fish\n");
    let named: Vec<_> = commands().map(|(name, _)| name).collect();
    let _ = writeln!(
        text,
        "set -l serve 'not __fish_seen_subcommand_from {}'",
        named.join(" ")
    );
    for command in COMMANDS {
        let _ = writeln!(
            text,
            "complete -c resumed -n __fish_use_subcommand -a {} -d '{}'",
            command.name, command.about
        );
    }
    for command in COMMANDS {
        let condition = match command.name == SERVER.name {
            true => "$serve".to_owned(),
            false => format!("__fish_seen_subcommand_from {}", command.name),
        };
        let operand = match command.operand {
            Operand::Directory => " -x -a '(__fish_complete_directories)'".to_owned(),
            Operand::Files => " -F".to_owned(),
            Operand::Word => " -f".to_owned(),
            Operand::OneOf(values) => format!(" -f -a '{values}'"),
        };
        let _ = writeln!(text, "complete -c resumed -n \"{condition}\"{operand}");
        for flag in command.flags() {
            let short = flag.short.map(|letter| format!(" -s {letter}"));
            let value = match (flag.choices(), flag.value) {
                (Some(choices), _) => format!(" -x -a '{choices}'"),
                (None, "FILE") => " -r -F".to_owned(),
                (None, value) if value.is_empty() || value.starts_with('[') => String::new(),
                (None, _) => " -x".to_owned(),
            };
            let _ = writeln!(
                text,
                "complete -c resumed -n \"{condition}\"{} -l {}{value} -d '{}'",
                short.unwrap_or_default(),
                flag.name,
                flag.summary().replace('\\', "\\\\").replace('\'', "\\'")
            );
        }
    }
    text
}
