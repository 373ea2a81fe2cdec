//! A server as the article "Resuming file upload" shows one, on Node: a request is piped into a file.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Launch, Peer, Upload, first_line};
use crate::wire::Answer;

pub(super) struct Article;

impl Peer for Article {
    fn name(&self) -> &'static str {
        "article"
    }

    fn version(&self) -> Result<String, String> {
        let node = first_line(Command::new("node").arg("--version"));
        let node = node.ok_or_else(|| "not installed: apt-get install nodejs".to_owned())?;
        Ok(format!("the article's way, on Node {node}"))
    }

    fn launch(&self, dir: &Path) -> io::Result<Launch> {
        let mut command = Command::new("node");
        command
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/peers/article.mjs"))
            .arg(dir);
        Ok(Launch::Says(command))
    }

    fn head(&self, upload: Upload) -> String {
        let (name, bytes) = (upload.name(), upload.bytes);
        format!(
            "POST /upload HTTP/1.1\r\nHost: 127.0.0.1\r\nX-File-Id: {name}\r\nX-File-Size: {bytes}\r\n\
             Content-Length: {bytes}\r\n\r\n"
        )
    }

    fn lands(&self, dir: &Path, upload: Upload, _: &Answer) -> PathBuf {
        dir.join(upload.name())
    }
}
