//! nginx, taking uploads by PUT (its dav module), with what helps it and no access log: once with the buffer that it
//! has if nobody says otherwise, and once with one as large as ours.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::running::free_port;
use super::{Launch, NGINX, Peer, Upload, first_line, put};
use crate::secure;
use crate::wire::Answer;

pub(super) struct Nginx {
    name: &'static str,
    /// The directive that sets the buffer.
    buffer: &'static str,
    is_secure: bool,
}

pub(super) const AS_IT_COMES: Nginx = Nginx {
    name: NGINX,
    buffer: "",
    is_secure: false,
};

pub(super) const WITH_OUR_BUFFER: Nginx = Nginx {
    name: "nginx 256k",
    buffer: "client_body_buffer_size 256k;",
    is_secure: false,
};

impl Peer for Nginx {
    fn name(&self) -> &'static str {
        self.name
    }

    fn version(&self) -> Result<String, String> {
        first_line(command().arg("-v"))
            .ok_or_else(|| "not installed: apt-get install nginx".to_owned())
    }

    fn launch(&self, dir: &Path) -> io::Result<Launch> {
        let port = free_port()?;
        let place = dir.parent().expect("its files lie in its place");
        let file = place.join("nginx.conf");
        if self.is_secure {
            secure::write_identity(place)?;
        }
        fs::write(&file, self.configuration(place, dir, port))?;
        let mut command = command();
        command
            .args(["-e", "stderr", "-c"])
            .arg(file)
            .arg("-p")
            .arg(place);
        Ok(Launch::Port(command, port))
    }

    fn head(&self, upload: Upload) -> String {
        put(upload)
    }

    fn is_secure(&self) -> bool {
        self.is_secure
    }

    fn lands(&self, dir: &Path, upload: Upload, _: &Answer) -> PathBuf {
        dir.join(upload.name())
    }
}

/// nginx lives where only root looks for commands.
fn command() -> Command {
    let known = [
        "/usr/sbin/nginx",
        "/usr/local/sbin/nginx",
        "/opt/homebrew/bin/nginx",
    ];
    let found = known.into_iter().find(|path| Path::new(path).exists());
    Command::new(found.unwrap_or("nginx"))
}

impl Nginx {
    /// The same with TLS.
    pub(super) fn secure(self) -> Nginx {
        Nginx {
            is_secure: true,
            ..self
        }
    }

    /// Its temporary files are in the same file system, so that a finished one is renamed and not copied.
    fn configuration(&self, place: &Path, dir: &Path, port: u16) -> String {
        let user = if rustix::process::geteuid().is_root() {
            "user root;"
        } else {
            ""
        };
        let (place, dir, buffer) = (place.display(), dir.display(), self.buffer);
        let (ssl, certificate) = match self.is_secure {
            true => (
                " ssl",
                format!(
                    "ssl_certificate {place}/certificate.pem; ssl_certificate_key {place}/key.pem; \
                     ssl_protocols TLSv1.3;"
                ),
            ),
            false => ("", String::new()),
        };
        format!(
            "{user}
daemon off;
worker_processes auto;
worker_rlimit_nofile 20000;
pid {place}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 10000; }}
http {{
    access_log off;
    client_body_temp_path {place}/body;
    proxy_temp_path {place}/proxy;
    fastcgi_temp_path {place}/fastcgi;
    scgi_temp_path {place}/scgi;
    uwsgi_temp_path {place}/uwsgi;
    client_max_body_size 0;
    {buffer}
    client_body_timeout 300s;
    keepalive_timeout 300s;
    keepalive_requests 1000000000;
    server {{
        listen 127.0.0.1:{port}{ssl};
        {certificate}
        location / {{ root {dir}; dav_methods PUT; }}
    }}
}}
"
        )
    }
}
