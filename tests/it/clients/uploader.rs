//! The npm package of the page's script, installed from its archive: in Node, in a worker of a browser, and its types.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::{SCRIPTS, Trip, Way, command, fetched, go_on_after_kill, ways};
use crate::ops::readme::block_of;
use crate::support::browser::{Browser, in_each_browser};
use crate::support::left_out::needs;
use crate::support::proxy::Nginx;
use crate::support::running::{Running, run};
use crate::support::tls::Pem;
use crate::support::{Site, get};

const README: &str = include_str!("../../../demo/README.md");
const MANIFEST: &str = include_str!("../../../demo/package.json");
const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/demo");

/// A connection that is idle during a cut ends at its next bytes: one buffer of the line, which is lost.
const IDLE_BYTES: u64 = 64 * 1024;

/// The maximum difference between a size in the README and the measured one.
const SIZE_PERCENT: usize = 5;

/// A folder with no more than the installed package.
struct Installed {
    dir: TempDir,
}

impl Installed {
    fn new() -> Installed {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let pack = concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/pack-npm");
        run(Command::new(pack).arg(dir.path())).expect(0, &[]);
        let archive = format!("resumed-uploader-{}.tgz", env!("CARGO_PKG_VERSION"));
        let archive = dir.path().join(archive);
        let install = [
            "install",
            "--offline",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ];
        let cache = dir.path().join("cache");
        let mut npm = Command::new("npm");
        npm.args(install).arg("--cache").arg(cache);
        npm.arg("--prefix").arg(dir.path()).arg(archive);
        run(&mut npm).expect(0, &[]);
        Installed { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn package(&self) -> PathBuf {
        self.path("node_modules/resumed-uploader")
    }

    /// Writes the example of the README, and returns its command.
    fn node(&self, trip: &Trip) -> Command {
        fs::write(self.path("upload.mjs"), block_of(README, "node")).expect("written");
        let mut node = command("node");
        node.arg(self.path("upload.mjs"));
        node.arg(trip.line.url()).arg(trip.file.path());
        node
    }
}

/// Returns the names of the modules that a module imports, with its own.
fn closure(name: &str, found: &mut BTreeSet<String>) {
    if !found.insert(name.to_owned()) {
        return;
    }
    let text = fs::read_to_string(Path::new(DEMO).join(name)).expect("a module");
    for rest in text.split(" from './").skip(1) {
        let (name, _) = rest.split_once("';").expect("the end of an import");
        closure(name, found);
    }
}

#[test]
fn package_has_the_imported_modules_and_the_version() {
    needs!("npm");
    let installed = Installed::new();
    let entries = fs::read_dir(installed.package()).expect("listed");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string());
    let names: BTreeSet<_> = names.map(|name| name.expect("text")).collect();
    let more = "LICENSE-APACHE LICENSE-MIT README.md package.json uploader.d.ts";
    let mut expected: BTreeSet<_> = more.split(' ').map(str::to_owned).collect();
    closure("uploader.js", &mut expected);
    closure("worker.js", &mut expected);
    assert_eq!(names, expected);
    let manifest: serde_json::Value = serde_json::from_str(MANIFEST).expect("JSON");
    assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn node_goes_on_by_itself() {
    needs!("npm");
    let installed = Installed::new();
    for way in ways() {
        let mut trip = Trip::new(way, &[]);
        let running = Running::start(&mut installed.node(&trip));
        trip.cut();
        running.end().expect(0, &[]);
        trip.expect_arrived_but(IDLE_BYTES);
    }
}

#[test]
fn node_finds_the_upload_of_a_run_that_was_killed() {
    needs!("npm");
    let installed = Installed::new();
    go_on_after_kill(|trip| installed.node(trip));
}

/// The server joins the modules of a script into one: see `build.rs`.
#[test]
fn served_scripts_have_a_valid_syntax() {
    needs!("node");
    let site = Site::new();
    let dir = tempfile::tempdir().expect("a temporary directory");
    for name in ["page", "uploader", "worker"] {
        let script = dir.path().join(format!("{name}.mjs"));
        let answer = site.ask(get(&format!("/{name}.js"), ""));
        assert_eq!(answer.status, 200, "{name}");
        fs::write(&script, answer.text()).expect("written");
        run(command("node").arg("--check").arg(&script)).expect(0, &[]);
    }
}

#[test]
fn options_of_the_package_hold_in_node() {
    needs!("npm");
    let installed = Installed::new();
    let script = installed.path("uploader.mjs");
    fs::copy(Path::new(SCRIPTS).join("uploader.mjs"), &script).expect("copied");
    let site = Site::new();
    let mut node = command("node");
    node.arg("--test").arg(script);
    let said = run(node.env("SERVER", format!("http://{}/", site.addr())));
    assert!(
        said.status == Some(0) && !said.out.contains("Warning"),
        "{}",
        said.out
    );
}

/// Uploads a file, and prints the problem.
const UPLOAD: &str = r#"
import { Uploader } from "resumed-uploader";
const uploader = new Uploader({ file: new Blob(["bytes"]), name: "a.txt", server: process.env.SERVER });
uploader.upload().then(console.error, ({ kind, message }) => console.error(kind, message));
"#;

#[test]
fn node_names_a_certificate_that_it_does_not_trust() {
    needs!("npm");
    let installed = Installed::new();
    let script = installed.path("upload.mjs");
    fs::write(&script, UPLOAD).expect("written");
    let pem = Pem::new();
    let certificate = installed.path("server.pem");
    fs::write(&certificate, &pem.certificate).expect("written");
    let site = Site::with(|config| config.tls(pem.options()));
    let node = || {
        let mut node = command("node");
        node.arg(&script)
            .env("SERVER", format!("https://{}/", site.addr()));
        node
    };
    run(&mut node()).expect(0, &["untrusted", "SELF_SIGNED_CERT"]);
    run(node().env("NODE_EXTRA_CA_CERTS", certificate)).expect(0, &["true"]);
}

in_each_browser!(worker_goes_on_by_itself,);

fn worker_goes_on_by_itself(browser: Browser) {
    needs!("nginx", "npm");
    let installed = Installed::new();
    let scripts = Path::new(SCRIPTS).join("browser");
    for (script, name) in [
        ("index.html", "index.html"),
        ("uploader.js", "client.js"),
        ("uploader_worker.js", "worker_of_test.js"),
    ] {
        fs::copy(scripts.join(script), installed.path(name)).expect("copied");
    }
    let root = installed.dir.path().display();
    let types = "text/html html; text/javascript js;";
    let nginx = Nginx::start(&format!(
        "location / {{ root {root}; types {{ {types} }} }}"
    ));
    let origin = format!("http://{}", nginx.addr());
    let trip = Trip::new(Way::Straight, &["--allow-origin", &origin]);
    let page = browser.open(&format!("{origin}/?server={}", trip.line.url()));
    page.set_files("input", &[trip.file.path()]);
    trip.wait_for_half();
    // Chromium repeats a request by itself if its connection was used before. The line lets no byte of the copy through.
    trip.line.cut_and_wait();
    trip.line.cut_and_open();
    page.wait_for("window.isComplete");
    trip.expect_arrived_but(IDLE_BYTES);
    assert_eq!(page.evaluate("savedAs"), trip.file.name());
}

#[test]
fn types_compile_in_strict_mode() {
    let Some(packages) = fetched("npm") else {
        return;
    };
    let installed = Installed::new();
    let consumer = installed.path("consumer.ts");
    fs::copy(Path::new(SCRIPTS).join("uploader.ts"), &consumer).expect("copied");
    for options in [
        ["--module", "nodenext", "--moduleResolution", "nodenext"],
        ["--module", "esnext", "--moduleResolution", "bundler"],
    ] {
        let mut tsc = command("node");
        tsc.arg(packages.join("node_modules/typescript/bin/tsc"))
            .args(["--strict", "--exactOptionalPropertyTypes", "--noEmit"])
            .args(["--target", "es2022", "--lib", "es2022,dom"])
            .args(options)
            .arg(&consumer);
        let said = run(tsc.current_dir(installed.dir.path()));
        assert_eq!(said.status, Some(0), "{said:?}");
    }
}

#[test]
fn sizes_in_the_readme_are_those_of_the_scripts() {
    let Some(packages) = fetched("npm") else {
        return;
    };
    let packages = packages.join("node_modules");
    let (_, row) = README.split_once("| size, ").expect("a row");
    let cells: Vec<_> = row.lines().next().expect("a row").split('|').collect();
    for (cell, script) in [
        (cells[1], Path::new(DEMO).join("uploader.js")),
        (
            cells[2],
            packages.join("tus-js-client/lib.esm/browser/index.js"),
        ),
    ] {
        let stated: f64 = cell
            .trim()
            .strip_suffix(" kB")
            .expect("kB")
            .parse()
            .expect("a number");
        let bundle =
            "$1/.bin/esbuild $2 --bundle --minify --format=esm --log-level=error | gzip -9 | wc -c";
        let mut sh = command("sh");
        sh.args(["-c", bundle, "sh"]).arg(&packages).arg(script);
        let measured: usize = run(&mut sh).out.trim().parse().expect("a number");
        let stated = (stated * 1000.0) as usize;
        let difference = stated.abs_diff(measured) * 100;
        assert!(difference <= SIZE_PERCENT * stated, "{cell}: {measured}");
    }
}
