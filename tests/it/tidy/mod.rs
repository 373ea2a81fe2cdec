//! The laws of the house, read from its own text: who imports whom, and how large things are.

mod imports;
mod source;
mod tests;

use std::{
    fs,
    path::{Path, PathBuf},
};

use imports::{Crate, Import};
use source::{blanked, functions};

/// Which room may import which, besides itself. A room that is not listed may import any, and is imported by those
/// that say so. The picture is drawn in ARCHITECTURE.md.
const IMPORTS: [(&str, &[&str]); 8] = [
    ("http", &[]),
    ("store", &[]),
    ("engine", &["http"]),
    ("protocol", &["http", "store"]),
    ("uploads", &["http", "protocol", "store"]),
    ("tiny_http", &["http", "uploads"]),
    (
        "config",
        &["engine", "http", "protocol", "store", "uploads"],
    ),
    ("server", &["config", "engine", "http", "store", "uploads"]),
];

/// Where files are touched. (`main` and `cli` are the command, not the library.)
const SAYS_FS: [&str; 3] = ["store::fs::disk", "main", "cli"];

/// What a pure room does without ...
const IMPURE: [&str; 5] = ["std::fs", "std::io", "std::net", "std::thread", "std::time"];
/// ... but for these: an address is a value like any other.
const PURE: [&str; 2] = ["std::net::Ipv4Addr", "std::net::Ipv6Addr"];

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 60;
const FUNCTION_LINES_MEDIAN_MAX: usize = 9;
const README_LINES_MAX: usize = 240;
const ARCHITECTURE_LINES_MAX: usize = 120;

#[test]
fn rooms_import_only_what_they_may() {
    assert_none(room_breaches(&the_crate()));
}

#[test]
fn modules_import_each_other_in_no_circle() {
    assert_none(circle_breaches(&the_crate()));
}

#[test]
fn protocol_is_pure_and_files_are_touched_in_one_place() {
    assert_none(std_breaches(&the_crate()));
}

#[test]
fn no_file_is_long() {
    let files = texts(&["src", "tests", "demo"]);
    assert_none(
        files
            .iter()
            // A list that npm writes.
            .filter(|(path, _)| !path.ends_with("package-lock.json"))
            .filter_map(|(path, text)| length_breach(path, text, FILE_LINES_MAX)),
    );
    let root = [
        ("README.md", README_LINES_MAX),
        ("ARCHITECTURE.md", ARCHITECTURE_LINES_MAX),
    ];
    let breach = |(path, max)| length_breach(Path::new(path), &read(path), max);
    assert_none(root.into_iter().filter_map(breach));
}

#[test]
fn no_function_is_long() {
    let files = texts(&["src", "tests", "demo"]);
    let rust = files.iter().filter(|(path, _)| is_rust(path));
    assert_none(rust.flat_map(|(path, text)| function_breaches(path, text)));
}

#[test]
fn most_functions_are_short() {
    let files = texts(&["src"]);
    let all = files.iter().flat_map(|(_, text)| functions(&blanked(text)));
    let median = median(all.map(|function| function.lines).collect());
    assert!(
        median <= FUNCTION_LINES_MEDIAN_MAX,
        "the median function has {median} lines"
    );
}

#[test]
fn no_line_ends_in_space() {
    let mut files = texts(&["src", "tests", "demo", ".ci"]);
    files.extend(
        ["Cargo.toml", "Makefile", "README.md", "ARCHITECTURE.md"]
            .map(|path| (path.into(), read(path))),
    );
    assert_none(
        files
            .iter()
            .flat_map(|(path, text)| trailing_space(path, text)),
    );
}

#[test]
fn every_flag_stands_in_the_readme() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_resumed"));
    let help = command.arg("--help").output().expect("the command runs");
    assert!(help.status.success(), "{help:?}");
    let help = String::from_utf8(help.stdout).expect("help is text");
    assert!(help.contains("--listen"), "{help}");
    assert_none(missing_flags(&help, &read("README.md")));
}

fn room_breaches(krate: &Crate) -> Vec<String> {
    let mut imports = krate.imports();
    imports.retain(|import| {
        let (from, to) = (room(import.from), room(import.to));
        let law = IMPORTS.iter().find(|(listed, _)| *listed == from);
        from != to && law.is_some_and(|(_, may)| !may.contains(&to))
    });
    shown(imports)
}

fn circle_breaches(krate: &Crate) -> Vec<String> {
    shown(krate.circles())
}

fn shown(imports: Vec<Import<'_>>) -> Vec<String> {
    imports.iter().map(Import::to_string).collect()
}

fn std_breaches(krate: &Crate) -> Vec<String> {
    let breaks = |module: &str, path: &str| {
        let says = |name: &str| path == name || path.starts_with(&format!("{name}::"));
        let may_say_fs = SAYS_FS
            .iter()
            .any(|may| *may == module || *may == room(module));
        let is_impure = IMPURE.iter().any(|name| says(name)) && !PURE.iter().any(|name| says(name));
        says("std::fs") && !may_say_fs || room(module) == "protocol" && is_impure
    };
    let breaches = krate
        .std_paths()
        .filter(|(module, path)| breaks(module, path));
    breaches
        .map(|(module, path)| format!("{module} says {path}"))
        .collect()
}

/// The first part of a module's path: `store` of `store::append`. The crate's root is the room `lib`.
fn room(module: &str) -> &str {
    module.split("::").next().unwrap_or(module)
}

fn length_breach(path: &Path, text: &str, max: usize) -> Option<String> {
    let lines = text.lines().count();
    (lines > max).then(|| format!("{}: {lines} lines, not more than {max}", path.display()))
}

fn function_breaches(path: &Path, text: &str) -> Vec<String> {
    let long = functions(&blanked(text))
        .into_iter()
        .filter(|function| function.lines > FUNCTION_LINES_MAX);
    long.map(|function| {
        format!(
            "{}: {} has {} lines",
            path.display(),
            function.name,
            function.lines
        )
    })
    .collect()
}

fn median(mut lines: Vec<usize>) -> usize {
    lines.sort();
    lines.get(lines.len() / 2).copied().unwrap_or(0)
}

fn trailing_space(path: &Path, text: &str) -> Vec<String> {
    let ends_in_space = |line: &str| line.ends_with([' ', '\t', '\r']);
    let lines = (1..)
        .zip(text.split('\n'))
        .filter(|(_, line)| ends_in_space(line));
    lines
        .map(|(number, _)| format!("{}:{number} ends in space", path.display()))
        .collect()
}

fn missing_flags(help: &str, readme: &str) -> Vec<String> {
    let words = |text: &str| -> Vec<String> {
        let ends_word = |letter: char| !(letter.is_ascii_alphanumeric() || letter == '-');
        text.split(ends_word)
            .filter(|word| word.starts_with("--") && word.len() > 2)
            .map(str::to_owned)
            .collect()
    };
    let known = words(readme);
    words(help)
        .into_iter()
        .filter(|flag| !known.contains(flag))
        .collect()
}

#[track_caller]
fn assert_none(breaches: impl IntoIterator<Item = String>) {
    let breaches: Vec<_> = breaches.into_iter().collect();
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

fn the_crate() -> Crate {
    let files = texts(&["src"])
        .into_iter()
        .filter(|(path, _)| is_rust(path));
    Crate::new(files.map(|(path, text)| (path.to_string_lossy().into_owned(), text)))
}

fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}

/// All text files below these folders, with their paths from the root of the repository.
fn texts(folders: &[&str]) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    let mut folders: Vec<_> = folders.iter().map(|folder| root.join(folder)).collect();
    while let Some(folder) = folders.pop() {
        for entry in
            fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                // What is not UTF-8 is a picture.
                files.push((
                    path.strip_prefix(root).expect("it is below").to_owned(),
                    text,
                ));
            }
        }
    }
    files.sort();
    files
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
