//! A program with an embedded server. It prints complete uploads.
//!
//! `cargo run --example embedded -- DIR`

use std::error::Error;

use resumed::Config;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args_os()
        .nth(1)
        .unwrap_or_else(|| "uploads".into());
    let config = Config::new(dir)
        .listen("127.0.0.1:8080")
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
