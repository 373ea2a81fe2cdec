//! The manual page and the completions: made by the command, and true in each shell.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::left_out::{left_out, require, terminal_obstacle};
use crate::support::limit::RunInTime;

type Words = BTreeSet<String>;

const RESUMED: &str = env!("CARGO_BIN_EXE_resumed");

/// The files of packages, and the arguments that print them.
const MADE: [(&str, &[&str]); 4] = [
    ("resumed.1", &["man"]),
    ("completions/resumed.bash", &["completions", "bash"]),
    ("completions/_resumed", &["completions", "zsh"]),
    ("completions/resumed.fish", &["completions", "fish"]),
];

fn packaging(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("packaging")
        .join(file)
}

/// Returns the output of a command in a directory, if it is installed.
fn said_in(here: &Path, command: &str, args: &[&str]) -> Option<String> {
    let home = tempfile::tempdir().expect("a temporary directory");
    let mut command = Command::new(command);
    // A shell makes files in the home directory.
    command
        .args(args)
        .current_dir(here)
        .env("HOME", home.path());
    for name in ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"] {
        command.env_remove(name);
    }
    let run = command.output_in_time().ok()?;
    let complaints = String::from_utf8_lossy(&run.stderr);
    assert!(
        run.status.success() && complaints.is_empty(),
        "{complaints}"
    );
    Some(String::from_utf8(run.stdout).expect("text"))
}

fn said_by(command: &str, args: &[&str]) -> Option<String> {
    said_in(Path::new("."), command, args)
}

/// The flags at the beginnings of the lines of `--help`, short ones too.
fn flags(command: &str) -> Words {
    let args = ["help", command];
    let help = said_by(RESUMED, &args[..2 - usize::from(command.is_empty())]).expect("it runs");
    let lines = help.lines().map(str::trim_start);
    let lines = lines.filter(|line| line.starts_with('-'));
    let words = lines.flat_map(|line| line.split_whitespace().take(2));
    let words = words.map(|word| word.trim_end_matches(','));
    let flags: Words = words
        .filter(|word| word.starts_with('-'))
        .map(str::to_owned)
        .collect();
    assert!(flags.contains("--help"));
    flags
}

fn words(text: &str) -> Words {
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn files_of_packages_are_those_that_the_command_prints() {
    for (file, args) in MADE {
        let made = said_by(RESUMED, args).expect("it runs");
        let kept = fs::read_to_string(packaging(file)).expect("it is there");
        let args = args.join(" ");
        assert!(
            made == kept,
            "run: target/debug/resumed {args} > packaging/{file}"
        );
    }
}

#[test]
fn manual_page_is_well_formed_and_shows_each_flag() {
    let page = packaging("resumed.1");
    let page = page.to_str().expect("text");
    let args = ["--warnings", "-l", "-E", "UTF-8", page];
    let Some(text) = said_by("man", &args) else {
        return left_out("the form of the manual page", "man is missing");
    };
    let starts = |flag: &str| {
        let begins = |line: &str| line.trim_start().starts_with(flag);
        text.lines().filter(|line| begins(line)).count()
    };
    for flag in flags("").union(&flags("put")) {
        let long = flag.starts_with("--");
        assert!(
            !long || starts(flag) > 0 || text.contains(&format!(", {flag}")),
            "{flag}"
        );
    }
}

#[test]
fn closed_output_is_no_failure() {
    for args in ["man", "help", "put --help"] {
        let script = format!("set -o pipefail; '{RESUMED}' {args} | :");
        let Some(said) = said_by("bash", &["-c", &script]) else {
            return left_out("a closed output", "bash is missing");
        };
        assert_eq!(said, "");
    }
}

/// Returns the matches of a command line in a shell, if it is installed. `here` has a file and a folder.
type Ask = fn(here: &Path, line: &str) -> Option<Words>;

fn bash(here: &Path, line: &str) -> Option<Words> {
    let script = packaging("completions/resumed.bash");
    let (before, word) = line.rsplit_once(' ').expect("a command");
    let ask = format!(
        ". {}; COMP_WORDS=({before} '{word}'); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _resumed; \
         echo \"${{COMPREPLY[@]}}\"",
        script.display()
    );
    Some(words(&said_in(here, "bash", &["-c", &ask])?))
}

fn zsh(here: &Path, line: &str) -> Option<Words> {
    let capture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/ops/capture.zsh");
    let functions = packaging("completions");
    let args = [
        "-f",
        capture,
        capture,
        functions.to_str().expect("text"),
        line,
    ];
    let said = said_in(here, "zsh", &args)?;
    let hits = said.split('<').skip(1);
    let hits = hits.filter_map(|hit| hit.split_once('>'));
    let hits = hits.map(|(hit, _)| hit.to_owned());
    Some(hits.filter(|hit| hit != "END").collect())
}

fn fish(here: &Path, line: &str) -> Option<Words> {
    let script = packaging("completions/resumed.fish");
    let ask = format!("source {}; complete -C '{line}'", script.display());
    let said = said_in(here, "fish", &["--no-config", "-c", &ask])?;
    let hits = said.lines().filter_map(|line| line.split('\t').next());
    Some(
        hits.map(|hit| hit.trim_end_matches('/').to_owned())
            .collect(),
    )
}

/// Asks a shell for flags, values, commands and files.
fn check(shell: &str, ask: Ask) {
    let here = tempfile::tempdir().expect("a temporary directory");
    fs::write(here.path().join("z-file"), "").expect("written");
    fs::create_dir(here.path().join("z-folder")).expect("created");
    if ask(here.path(), "resumed -").is_none() {
        return left_out(
            &format!("completion in {shell}"),
            &format!("{shell} is missing"),
        );
    }
    let ask = |line: &str| ask(here.path(), line).expect("it is installed");
    for (line, command) in [
        ("resumed --", ""),
        ("resumed serve --", ""),
        ("resumed z-folder --", ""),
        ("resumed put --", "put"),
        ("resumed hash-password --", "hash-password"),
        ("resumed completions --", "completions"),
    ] {
        let mut expected = flags(command);
        expected.retain(|flag| flag.starts_with("--"));
        assert_eq!(ask(line), expected, "{line}");
    }
    let commands = "serve put hash-password health completions man help version";
    for (line, expected) in [
        ("resumed --sync ", "durable fast"),
        ("resumed serve --on-conflict ", "keep-both replace"),
        ("resumed --log-format ", "text json"),
        ("resumed completions ", "bash zsh fish"),
        ("resumed put z", "z-file z-folder"),
        ("resumed put --ca z", "z-file z-folder"),
        ("resumed put --jobs ", ""),
        ("resumed serve z", "z-folder"),
        ("resumed z", "z-folder"),
        ("resumed --tls-cert z", "z-file z-folder"),
        ("resumed --workers ", ""),
    ] {
        assert_eq!(ask(line), words(expected), "{line}");
    }
    let found = ask("resumed ");
    assert!(found.is_superset(&words(commands)), "{found:?}");
}

#[test]
fn bash_completes_flags_values_commands_and_files() {
    check("bash", bash);
}

#[test]
fn zsh_completes_flags_values_commands_and_files() {
    // The editor of zsh needs a terminal.
    require!("completion in zsh", terminal_obstacle());
    check("zsh", zsh);
}

#[test]
fn fish_completes_flags_values_commands_and_files() {
    check("fish", fish);
}
