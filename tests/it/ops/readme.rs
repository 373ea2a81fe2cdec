//! The README does what it says, as it is printed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use resumed::Config;

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

#[test]
fn repeated_walk_through_prints_what_the_readme_shows() {
    let here = tempfile::tempdir().expect("a temporary directory");
    let config = Config::new(here.path().join("uploads")).listen("127.0.0.1:0");
    let server = resumed::start(config).expect("the server starts");
    let script = block("walk-through").replace("127.0.0.1:8080", &server.addr().to_string());
    for _ in 0..2 {
        let run = Command::new("sh")
            .args(["-e", "-c", &script])
            .current_dir(here.path())
            .output()
            .expect("sh runs");
        let stderr = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "{stderr}");
        let stdout = String::from_utf8_lossy(&run.stdout);
        assert_eq!(stdout, block("walk-through-output"), "{stderr}");
    }
}

#[test]
fn the_options_are_those_of_the_command() {
    let help = Command::new(env!("CARGO_BIN_EXE_resumed"))
        .arg("--help")
        .output()
        .expect("it runs");
    let help = String::from_utf8(help.stdout).expect("text");
    assert_eq!(
        block("help"),
        help,
        "paste the output of `resumed --help` into the README"
    );
}

#[test]
fn links_lead_somewhere_and_every_page_is_led_to() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut led_to = BTreeSet::from([root.join("README.md")]);
    let mut unread: Vec<_> = led_to.iter().cloned().collect();
    while let Some(page) = unread.pop() {
        let text = fs::read_to_string(&page).expect("a page");
        for target in targets(&page, &text) {
            assert!(target.exists(), "{page:?} leads to {target:?}");
            if target.extension().is_some_and(|kind| kind == "md") && led_to.insert(target.clone())
            {
                unread.push(target);
            }
        }
    }
    let pages = "install proxy systemd logs put clients embedding scaling bench";
    let pages = pages.split(' ').map(|name| format!("docs/{name}.md"));
    let lost: Vec<_> = pages
        .filter(|page| !led_to.contains(&root.join(page)))
        .collect();
    assert!(lost.is_empty(), "nothing leads to {lost:?}");
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
        .map(|path| match path.strip_prefix("../") {
            Some(path) => home.parent().expect("a folder").join(path),
            None => home.join(path),
        })
        .collect()
}
