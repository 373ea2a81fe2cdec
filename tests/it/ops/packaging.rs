//! The manual page and the completions list the flags of the command.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::left_out::left_out;

type Flags = BTreeSet<String>;

fn packaging(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("packaging")
        .join(file)
}

fn read(file: &str) -> String {
    fs::read_to_string(packaging(file)).expect("it is there")
}

/// Returns the output of a command, if it is installed.
fn said_by(command: &str, args: &[&str]) -> Option<String> {
    let run = Command::new(command).args(args).output().ok()?;
    let complaints = String::from_utf8_lossy(&run.stderr);
    assert!(
        run.status.success() && complaints.is_empty(),
        "{complaints}"
    );
    Some(String::from_utf8(run.stdout).expect("text"))
}

/// The flags at the beginnings of the lines of `--help`, short ones too.
fn known(args: &[&str]) -> Flags {
    let help = said_by(env!("CARGO_BIN_EXE_resumed"), args).expect("it runs");
    let lines = help.lines().map(str::trim_start);
    let lines = lines.filter(|line| line.starts_with('-'));
    let words = lines.flat_map(|line| line.split_whitespace().take(2));
    flags(words)
}

fn flags<'w>(words: impl IntoIterator<Item = &'w str>) -> Flags {
    let words = words.into_iter().map(|word| word.trim_end_matches(','));
    let flags = words.filter(|word| word.starts_with('-') && word.len() > 1);
    flags.map(str::to_owned).collect()
}

fn served() -> Flags {
    let flags = known(&["--help"]);
    assert!(
        flags.contains("--listen") && flags.contains("-l"),
        "{flags:?}"
    );
    flags
}

fn put() -> Flags {
    let flags = known(&["put", "--help"]);
    assert!(
        flags.contains("--json") && flags.contains("-q"),
        "{flags:?}"
    );
    flags
}

fn only_long(flags: &Flags) -> Flags {
    let long = flags.iter().filter(|flag| flag.starts_with("--"));
    long.cloned().collect()
}

#[test]
fn the_manual_page_has_every_flag_and_no_other() {
    let page = read("resumed.1").replace("\\-", "-");
    let (before, of_put) = page.split_once(".SH OPTIONS OF PUT").expect("a part");
    let (of_put, _) = of_put.split_once("\n.SH").expect("its end");
    let (_, of_server) = before.split_once(".SH OPTIONS").expect("a part");
    for (part, expected) in [(of_server, served()), (of_put, put())] {
        let heads = part.lines().filter(|line| line.starts_with(".B"));
        let words = heads.flat_map(str::split_whitespace);
        assert_eq!(flags(words), expected);
    }
    let warnings = ["--warnings", "-l", "-E", "UTF-8", "-Z"];
    let page = packaging("resumed.1");
    let args = [&warnings[..], &[page.to_str().expect("text")]].concat();
    if said_by("man", &args).is_none() {
        left_out("the form of the manual page", "man is missing");
    }
}

#[test]
fn bash_completes_every_flag_and_no_other() {
    let script = packaging("completions/resumed.bash");
    let ask = |line: &str| {
        let ask = format!(
            ". {}; COMP_WORDS=({line} -); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _resumed; \
             echo \"${{COMPREPLY[@]}}\"",
            script.display()
        );
        let said = said_by("bash", &["-c", &ask]);
        said.map(|said| flags(said.split_whitespace()))
    };
    match (ask("resumed"), ask("resumed put")) {
        (Some(of_server), Some(of_put)) => {
            assert_eq!(of_server, served());
            assert_eq!(of_put, put());
        }
        _ => left_out("completion in bash", "bash is missing"),
    }
}

#[test]
fn fish_completes_every_flag_and_no_other() {
    let script = packaging("completions/resumed.fish");
    let ask = |line: &str| {
        let ask = format!("source {}; complete -C '{line} --'", script.display());
        let said = said_by("fish", &["--no-config", "-c", &ask]);
        said.map(|said| flags(said.split_whitespace()))
    };
    match (ask("resumed"), ask("resumed put")) {
        (Some(of_server), Some(of_put)) => {
            assert_eq!(of_server, only_long(&served()));
            assert_eq!(of_put, only_long(&put()));
        }
        _ => left_out("completion in fish", "fish is missing"),
    }
}

#[test]
fn zsh_completes_every_flag_and_no_other() {
    let script = read("completions/_resumed");
    let (of_put, of_server) = script.split_once("return").expect("two parts");
    let words = |part: &str| {
        let part = part.replace(
            |sign: char| !(sign.is_ascii_alphanumeric() || sign == '-'),
            " ",
        );
        flags(
            part.split(' ')
                .filter(|word| *word != "-")
                .collect::<Vec<_>>(),
        )
    };
    // `files -/` takes folders only.
    assert_eq!(words(of_server), served());
    // A subtraction is no flag.
    let of_put = words(&of_put.replace("CURRENT--", ""));
    assert_eq!(of_put, put());
    let script = packaging("completions/_resumed");
    if said_by("zsh", &["-n", script.to_str().expect("text")]).is_none() {
        left_out("the form of the completion in zsh", "zsh is missing");
    }
}
