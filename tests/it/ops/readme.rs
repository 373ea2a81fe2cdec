//! The README does what it says, as it is printed.

use std::collections::BTreeSet;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use resumed::Config;

use crate::support::left_out::needs;
use crate::support::limit::RunInTime;
use crate::support::running::{Said, run};

pub(crate) const README: &str = include_str!("../../../README.md");

/// The code block behind a mark.
pub(crate) fn block(mark: &str) -> &'static str {
    block_of(README, mark)
}

/// The same, of another page.
pub(crate) fn block_of<'t>(page: &'t str, mark: &str) -> &'t str {
    let (_, after) = page
        .split_once(&format!("<!-- {mark} -->\n```"))
        .expect("the mark stands there");
    let (_, after) = after.split_once('\n').expect("a block");
    after.split_once("```").expect("its end").0
}

/// Runs the walk-through in a directory, for the server at an address.
fn walk_through(dir: &Path, address: &str, flags: &[&str]) -> Said {
    let script = block("walk-through").replace("127.0.0.1:8080", address);
    let mut sh = Command::new("sh");
    sh.args(flags).args(["-c", &script]).current_dir(dir);
    run(&mut sh)
}

#[test]
fn repeated_walk_through_prints_what_the_readme_shows() {
    needs!("curl");
    let here = tempfile::tempdir().expect("a temporary directory");
    let config = Config::new(here.path().join("uploads")).listen("127.0.0.1:0");
    let server = resumed::start(config).expect("the server starts");
    for _ in 0..2 {
        let said = walk_through(here.path(), &server.addr().to_string(), &["-e"]);
        assert_eq!(said.status, Some(0), "{said:?}");
        assert_eq!(said.out, block("walk-through-output"), "{said:?}");
    }
}

#[test]
fn walk_through_without_a_server_says_so_and_leaves_no_file() {
    needs!("curl");
    let here = tempfile::tempdir().expect("a temporary directory");
    // A connected port is taken, and does not listen.
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let client = TcpStream::connect(socket.local_addr().expect("its address"));
    let address = client.as_ref().expect("connected").local_addr();
    let said = walk_through(here.path(), &address.expect("bound").to_string(), &[]);
    assert!(said.err.contains("curl: (7) "), "{said:?}");
    let left = fs::read_dir(here.path()).expect("a directory");
    let left: Vec<_> = left.map(|file| file.expect("a file").file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_options_are_those_of_the_command() {
    let help = Command::new(env!("CARGO_BIN_EXE_resumed"))
        .arg("--help")
        .output_in_time()
        .expect("it runs");
    let help = String::from_utf8(help.stdout).expect("text");
    assert_eq!(
        block("help"),
        help,
        "paste the output of `resumed --help` into the README"
    );
}

#[test]
fn links_lead_to_files_and_the_readme_leads_to_each_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut led_to = BTreeSet::from([root.join("README.md")]);
    let mut unread: Vec<_> = led_to.iter().cloned().collect();
    while let Some(page) = unread.pop() {
        let text = fs::read_to_string(&page).expect("a page");
        for target in targets(&page, &text) {
            if target.extension().is_some_and(|kind| kind == "md") && led_to.insert(target.clone())
            {
                unread.push(target);
            }
        }
    }
    let lost: Vec<_> = pages("docs")
        .into_iter()
        .filter(|page| !led_to.contains(page))
        .collect();
    assert!(lost.is_empty(), "nothing leads to {lost:?}");
}

#[test]
fn the_site_lists_each_page_once() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let summary = root.join("docs/SUMMARY.md");
    let mut listed = targets(&summary, &fs::read_to_string(&summary).expect("there"));
    listed.sort();
    let others = [".", "client", "demo"];
    let mut expected: Vec<_> = others.into_iter().flat_map(pages).collect();
    expected.extend(pages("docs"));
    expected.extend(pages("docs/decisions"));
    expected.sort();
    assert_eq!(listed, expected);
}

/// Returns the pages in a folder of the repository, without the list of them.
fn pages(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = fs::read_dir(folder).expect("a folder");
    let files = files.map(|file| file.expect("a file").path().canonicalize().expect("a path"));
    files
        .filter(|path| path.extension().is_some_and(|kind| kind == "md"))
        .filter(|path| !path.ends_with("SUMMARY.md"))
        .collect()
}

/// Returns the targets of the links of a page in the repository.
fn targets(page: &Path, text: &str) -> Vec<PathBuf> {
    let links = text.split("](").skip(1).filter_map(|rest| {
        let (link, _) = rest.split_once(')')?;
        let (path, _) = link.split_once('#').unwrap_or((link, ""));
        (!path.is_empty() && !path.contains("://")).then_some(path)
    });
    let home = page.parent().expect("a folder");
    links
        .map(|path| {
            let target = home.join(path).canonicalize();
            target.unwrap_or_else(|_| panic!("{page:?} leads to {path}"))
        })
        .collect()
}

/// Returns the words in code marks in the last column of the tables of a page whose last heading is `test`.
fn named_tests(page: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut is_named = false;
    for line in page.lines() {
        let cells: Vec<_> = line
            .trim()
            .trim_matches('|')
            .split('|')
            .map(str::trim)
            .collect();
        let last = cells.last().copied().unwrap_or_default();
        is_named = line.starts_with('|') && (is_named || last == "test");
        if is_named {
            names.extend(last.split('`').skip(1).step_by(2));
        }
    }
    names
}

/// Returns whether a test, a module of tests, a folder or a target of make has this name.
fn exists(name: &str) -> bool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if let Some(target) = name.strip_prefix("make ") {
        let makefile = fs::read_to_string(root.join("Makefile")).expect("there");
        return makefile
            .lines()
            .any(|line| line.starts_with(&format!("{target}:")));
    }
    if name.contains('/') {
        return root.join(name).exists();
    }
    let tests = root.join("tests/it");
    let module = |path: &str| {
        let path = tests.join(path.replace("::", "/"));
        [path.with_extension("rs"), path.join("mod.rs")]
            .into_iter()
            .find(|file| file.exists())
    };
    let function = || {
        let (path, name) = name.rsplit_once("::")?;
        let text = fs::read_to_string(module(path)?).expect("a module");
        text.contains(&format!("\nfn {name}() {{")).then_some(())
    };
    module(name).is_some() || function().is_some()
}

#[test]
fn tests_named_by_tables_exist() {
    let security = include_str!("../../../SECURITY.md");
    for page in [README, security] {
        let names = named_tests(page);
        assert!(names.len() > 10, "{names:?}");
        let missing: Vec<_> = names.iter().filter(|name| !exists(name)).collect();
        assert!(missing.is_empty(), "there is no {missing:?}");
    }
    assert!(exists("ops::readme::tests_named_by_tables_exist"));
    for missing in [
        "ops::nothing",
        "ops::readme::nothing",
        "src/nothing",
        "make nothing",
    ] {
        assert!(!exists(missing), "{missing}");
    }
}

/// Returns the rows of the table of limits, without its head.
fn limits() -> Vec<Vec<&'static str>> {
    let (_, table) = README.split_once("\n## Limits\n").expect("a section");
    let (table, _) = table.split_once("\n## ").expect("its end");
    let rows = table.lines().filter(|line| line.starts_with('|')).skip(2);
    let cells = |row: &'static str| {
        let row = row.trim_matches('|');
        row.split(" | ").map(str::trim).collect::<Vec<_>>()
    };
    rows.map(cells).collect()
}

#[test]
fn each_limit_has_default_name_and_answer() {
    let setters = include_str!("../../../src/config.rs");
    for row in limits() {
        let [limit, default, names, answer] = &row[..] else {
            panic!("{row:?} has not four cells");
        };
        for (cell, text) in [("limit", limit), ("default", default), ("answer", answer)] {
            assert!(!text.is_empty(), "{row:?} has no {cell}");
        }
        let names: Vec<_> = names.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty() || row[2] == "none", "{row:?} has no name");
        for name in names {
            let is_known = match name.strip_prefix("--") {
                Some(_) => block("help").contains(&format!("  {name} ")),
                None => setters.contains(&format!(" {name}(")),
            };
            assert!(is_known, "{name} is no flag and no setter");
        }
    }
}

#[test]
fn each_flag_with_a_number_is_a_limit() {
    let table: String = limits().concat().concat();
    let words: Vec<_> = block("help").split_whitespace().collect();
    let mut numbers = words.windows(2).filter(|pair| {
        let is_number = ["N", "S", "SIZE", "BYTES", "DURATION"].contains(&pair[1]);
        pair[0].starts_with("--") && is_number
    });
    assert!(numbers.clone().count() > 10);
    let missing = numbers.find(|pair| !table.contains(&format!("`{}`", pair[0])));
    assert_eq!(missing, None, "the README has no row for it");
}
