//! Uploads in a program with its own `tiny_http` server.
//!
//! `cargo run --example behind_tiny_http --features tiny_http -- DIR`

use std::error::Error;
use std::sync::Arc;

use resumed::{Options, Uploads};

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let dir = std::env::args_os()
        .nth(1)
        .unwrap_or_else(|| "uploads".into());
    let uploads = Arc::new(Uploads::open(dir, Options::default())?);
    let server = tiny_http::Server::http("127.0.0.1:8080")?;
    println!("listening on http://{}", server.server_addr());
    resumed::tiny_http::serve(&uploads, &server, 8);
    Ok(())
}
