//! A program with an embedded server. It prints complete uploads.
//!
//! `cargo run --example embedded -- DIR ADDRESS`

use std::error::Error;

use resumed::{Config, Response};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().unwrap_or_else(|| "uploads".into());
    let address = args.next().unwrap_or_else(|| "127.0.0.1:8080".into());
    let config = Config::new(dir)
        .listen(address)
        .route(|head| match (head.method(), head.path()) {
            ("GET" | "HEAD", "/version") => {
                Some(Response::new(200).text(env!("CARGO_PKG_VERSION")))
            }
            _ => None,
        })
        .on_complete(|upload| {
            println!(
                "{} has arrived: {} bytes",
                upload.path.display(),
                upload.length
            );
            Ok(())
        });
    let server = resumed::start(config)?;
    println!("listening on http://{}", server.addr());
    server.wait();
    Ok(())
}
