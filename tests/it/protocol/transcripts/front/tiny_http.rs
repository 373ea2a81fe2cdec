use std::{
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
};

use resumed::{Options, Uploads, store::OnConflict};
use tiny_http::Server;

use crate::support::limit::{self, LIMIT};

use super::{Front, Running, pairs, set};

/// The same uploads behind a server that a program runs already.
pub(in crate::protocol::transcripts) struct TinyHttp;

impl Front for TinyHttp {
    fn start(&self, flags: &[String], dir: &Path) -> Running {
        let options = Options::default();
        let options =
            pairs(flags).fold(options, |options, (flag, value)| set!(options, flag, value));
        let uploads = Arc::new(Uploads::open(dir, options).expect("the directory is ours"));
        let server = Arc::new(Server::http("127.0.0.1:0").expect("a port"));
        let addr = server.server_addr().to_ip().expect("it listens on a port");
        let thread = thread::spawn({
            let server = Arc::clone(&server);
            move || resumed::tiny_http::serve(&uploads, &server, 4)
        });
        Running {
            addr,
            _server: Box::new(Serving {
                server,
                thread: Some(thread),
            }),
        }
    }
}

struct Serving {
    server: Arc<Server>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.server.unblock();
        if let Some(thread) = self.thread.take() {
            // The directory is free when the last request has been answered.
            if limit::within(LIMIT, move || thread.join()).is_none() {
                limit::fail("tiny_http serves after `unblock`");
            }
        }
    }
}
