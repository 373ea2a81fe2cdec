//! Servers of the tus protocol. An upload is created and brought by one request (creation-with-upload).

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::running::free_port;
use super::{Launch, Peer, Upload, first_line};
use crate::wire::Answer;

pub(super) struct Tus {
    name: &'static str,
    /// The program, or why there is none.
    program: Result<PathBuf, String>,
    describe: fn(&Path) -> Option<String>,
    launch: fn(&Path, &Path) -> io::Result<Launch>,
}

/// Has no Debian package: a binary that is here is named by BENCH_TUSD.
pub(super) fn tusd() -> Tus {
    let program = env::var_os("BENCH_TUSD").map(PathBuf::from);
    Tus {
        name: "tusd",
        program: program.ok_or_else(|| "BENCH_TUSD names no binary".to_owned()),
        describe: |program| {
            let version = first_line(Command::new(program).arg("-version"))?;
            Some(format!("tusd {}", version.trim_start_matches("Version: ")))
        },
        launch: |program, dir| {
            let port = free_port()?;
            let mut command = Command::new(program);
            command.args(["-host", "127.0.0.1", "-port", &port.to_string()]);
            command
                .args(["-verbose=false", "-show-greeting=false", "-upload-dir"])
                .arg(dir);
            Ok(Launch::Port(command, port))
        },
    }
}

pub(super) fn rustus(installed: &Path) -> Tus {
    Tus {
        name: "rustus",
        program: present(installed.join("bin/rustus")),
        describe: |program| first_line(Command::new(program).arg("--version")),
        launch: |program, dir| {
            let port = free_port()?;
            let mut command = Command::new(program);
            command.args(["--host", "127.0.0.1", "--log-level", "ERROR"]);
            command.args(["--port", &port.to_string()]);
            // It holds a body in memory before it writes it, and refuses one of more than 256 KiB unless told.
            command.args(["--max-body-size", "4000000000"]);
            command.arg("--data-dir").arg(dir);
            command.arg("--info-dir").arg(dir);
            Ok(Launch::Port(command, port))
        },
    }
}

/// `@tus/server` with `@tus/file-store`, on Node.
pub(super) fn node(installed: &Path) -> Tus {
    Tus {
        name: "@tus/server",
        program: present(installed.join("node/node_modules/@tus/server/package.json")),
        describe: |package| {
            let text = std::fs::read_to_string(package).ok()?;
            let line = text
                .lines()
                .find_map(|line| line.trim().strip_prefix("\"version\": \""))?;
            let node = first_line(Command::new("node").arg("--version"))?;
            Some(format!(
                "@tus/server {} on Node {node}",
                line.trim_end_matches(['"', ','])
            ))
        },
        launch: |package, dir| {
            let modules = package
                .ancestors()
                .nth(3)
                .expect("node_modules/@tus/server/package.json");
            let mut command = Command::new("node");
            command
                .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/peers/tus.mjs"))
                .arg(modules)
                .arg(dir);
            Ok(Launch::Says(command))
        },
    }
}

fn present(program: PathBuf) -> Result<PathBuf, String> {
    if program.exists() {
        Ok(program)
    } else {
        Err("not installed: make peers".to_owned())
    }
}

impl Peer for Tus {
    fn name(&self) -> &'static str {
        self.name
    }

    fn version(&self) -> Result<String, String> {
        let program = self.program.clone()?;
        (self.describe)(&program).ok_or_else(|| format!("{} does not run", program.display()))
    }

    fn launch(&self, dir: &Path) -> io::Result<Launch> {
        (self.launch)(
            self.program
                .as_ref()
                .map_err(|word| io::Error::other(word.clone()))?,
            dir,
        )
    }

    fn head(&self, upload: Upload) -> String {
        let bytes = upload.bytes;
        format!(
            "POST /files/ HTTP/1.1\r\nHost: 127.0.0.1\r\nTus-Resumable: 1.0.0\r\nUpload-Length: {bytes}\r\n\
             Content-Type: application/offset+octet-stream\r\nContent-Length: {bytes}\r\n\r\n"
        )
    }

    fn lands(&self, dir: &Path, _: Upload, answer: &Answer) -> PathBuf {
        let url = answer.field("location").unwrap_or_default();
        let id = url.rsplit('/').next().unwrap_or_default();
        dir.join(id)
    }
}
