//! Our server with something set that the command has no flag for.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use resumed::Config;
use resumed::store::SyncMode;

/// `look_ms`: the longest that a slow body is left alone; 0: woken by every packet.
pub(super) fn serve(dir: PathBuf, listen: &str, look_ms: &str) -> io::Result<()> {
    let look = Duration::from_millis(look_ms.parse().map_err(io::Error::other)?);
    let config = Config::new(dir)
        .listen(format!("{listen}:0"))
        .allow_root(true)
        .sync(SyncMode::Fast)
        .coalesce_max(look);
    let server = resumed::start(config).map_err(io::Error::other)?;
    super::announce(server.addr().tcp().expect("it listens on a port"));
    server.wait();
    Ok(())
}
