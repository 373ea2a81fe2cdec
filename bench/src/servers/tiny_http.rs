//! A plain server with `tiny_http` and `threadpool`.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use threadpool::ThreadPool;
use tiny_http::{Request, Response, Server};

/// As many as the small files have connections: a worker is held while its client sends.
const WORKERS: usize = 16;

pub(super) fn serve(dir: PathBuf) -> io::Result<()> {
    let server = Server::http("127.0.0.1:0").map_err(io::Error::other)?;
    super::announce(server.server_addr().to_ip().expect("it listens on a port"));
    let (pool, dir) = (ThreadPool::new(WORKERS), Arc::new(dir));
    for request in server.incoming_requests() {
        let dir = Arc::clone(&dir);
        pool.execute(move || {
            // Who vanishes gets no answer.
            let _ = take(&dir, request);
        });
    }
    Ok(())
}

fn take(dir: &Path, mut request: Request) -> io::Result<()> {
    let mut file = File::create(dir.join(request.url().trim_start_matches('/')))?;
    io::copy(request.as_reader(), &mut file)?;
    drop(file);
    request.respond(Response::empty(201))
}
