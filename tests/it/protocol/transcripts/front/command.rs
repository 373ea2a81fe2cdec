use std::path::Path;

use super::{Front, Running};
use crate::support::program::Process;

/// The command. Its end is `kill -9`: what it has answered has to outlive that.
pub(in crate::protocol::transcripts) struct Command;

impl Front for Command {
    fn start(&self, flags: &[String], dir: &Path) -> Running {
        let process = Process::start(dir, "127.0.0.1:0", flags);
        Running {
            addr: process.addr,
            _server: Box::new(process),
        }
    }
}
