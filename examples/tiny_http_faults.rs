//! Three faults of `tiny_http` 0.12, shown beside the default front: reasons of decision record 0001.
//!
//! `cargo run --release --example tiny_http_faults --features tiny_http` (Linux, half a minute)
//!
//! Each attack gets a server process of its own, so that a crash ends nothing else.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use resumed::{Config, Options, Uploads};
use tempfile::TempDir;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;
type Attack = fn(&mut ServerProcess) -> Outcome<String>;

/// The servers under attack: a plain handler, and the two fronts of this library.
const FRONTS: [&str; 3] = ["plain tiny_http", "resumed::tiny_http", "resumed::start"];

const SILENT_CLIENTS: usize = 200;
const HEAD_LINE_BYTES: usize = 128 << 20;
const SENT_BODY_BYTES: usize = 1 << 20;
/// Longer than a server needs for any of the attacks.
const PATIENCE: Duration = Duration::from_secs(20);

fn main() -> Outcome<()> {
    let mut arguments = env::args().skip(1);
    if let (Some(front), Some(dir)) = (arguments.next(), arguments.next()) {
        return serve(&front, &dir);
    }
    let attacks: [(&str, Attack); 3] = [
        (
            "an upload larger than the memory, cut after 1 MiB",
            cut_upload,
        ),
        ("a request line of 128 MiB without an end", endless_line),
        ("200 connections that send nothing at first", silent_clients),
    ];
    for (title, attack) in attacks {
        println!("{title}");
        for front in FRONTS {
            let mut server = ServerProcess::start(front)?;
            println!("  {front:<20}{}", attack(&mut server)?);
        }
    }
    Ok(())
}

/// Declares twice the memory and swap of this machine, sends a part, and closes the connection.
fn cut_upload(server: &mut ServerProcess) -> Outcome<String> {
    let length = 2 * 1024 * (meminfo_kib("MemTotal:")? + meminfo_kib("SwapTotal:")?);
    let mut client = server.connect()?;
    write!(
        client,
        "POST /upload HTTP/1.1\r\nHost: localhost\r\nX-File-Id: cut\r\nContent-Length: {length}\r\n\r\n"
    )?;
    // A server may refuse and close before it has read the body.
    let _ = client.write_all(&vec![b'x'; SENT_BODY_BYTES]);
    let _ = client.shutdown(Shutdown::Write);
    let _ = client.read_to_end(&mut Vec::new());
    match server.exit_within(Duration::from_secs(1))? {
        Some(status) => Ok(format!("the process ended: {status}")),
        None => server.resources(),
    }
}

/// Sends a request line until the server closes the connection.
fn endless_line(server: &mut ServerProcess) -> Outcome<String> {
    let mut client = server.connect()?;
    let piece = vec![b'x'; 64 << 10];
    let mut sent_bytes = 0;
    client.write_all(b"GET /")?;
    while sent_bytes < HEAD_LINE_BYTES && client.write_all(&piece).is_ok() {
        sent_bytes += piece.len();
    }
    server.settle()?;
    let answer = answer_status(&client).unwrap_or_else(|| "no answer".into());
    Ok(format!("{answer}; {}", server.resources()?))
}

/// Opens connections that send nothing at first, and a request when the server has settled.
fn silent_clients(server: &mut ServerProcess) -> Outcome<String> {
    let clients = (0..SILENT_CLIENTS).map(|_| server.connect());
    let clients = clients.collect::<io::Result<Vec<_>>>()?;
    server.settle()?;
    let resources = server.resources()?;
    for mut client in &clients {
        client.write_all(b"GET /status HTTP/1.1\r\nHost: localhost\r\nX-File-Id: a\r\n\r\n")?;
    }
    server.settle()?;
    let answered = clients.iter().filter_map(answer_status).count();
    Ok(format!("{resources}; {answered} answered when they ask"))
}

/// Returns the status of an answer that is there.
fn answer_status(mut client: &TcpStream) -> Option<String> {
    client.set_nonblocking(true).ok()?;
    let mut head = [0; 12];
    client.read_exact(&mut head).ok()?;
    Some(String::from_utf8_lossy(&head[9..]).into_owned())
}

/// A server in a child process.
struct ServerProcess {
    child: Child,
    addr: String,
    /// Removed after the process has ended.
    _dir: TempDir,
}

impl ServerProcess {
    fn start(front: &str) -> Outcome<ServerProcess> {
        let dir = tempfile::tempdir()?;
        let mut command = Command::new(env::current_exe()?);
        command.arg(front).arg(dir.path());
        // The exit status says the same as the message of a failed allocation.
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().ok_or("no standard output")?;
        let mut addr = String::new();
        BufReader::new(stdout).read_line(&mut addr)?;
        let addr = addr.trim().to_owned();
        Ok(ServerProcess {
            child,
            addr,
            _dir: dir,
        })
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(&self.addr)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    fn exit_within(&mut self, limit: Duration) -> io::Result<Option<ExitStatus>> {
        let started = Instant::now();
        loop {
            let status = self.child.try_wait()?;
            if status.is_some() || started.elapsed() > limit {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until neither memory nor the number of threads changes for half a second.
    fn settle(&self) -> Outcome<()> {
        let started = Instant::now();
        let mut before = self.resources()?;
        loop {
            thread::sleep(Duration::from_millis(500));
            let now = self.resources()?;
            if now == before || started.elapsed() > PATIENCE {
                return Ok(());
            }
            before = now;
        }
    }

    fn resources(&self) -> Outcome<String> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let resident_mib = number_after(&status, "VmRSS:")? / 1024;
        let threads = number_after(&status, "Threads:")?;
        Ok(format!("{threads} threads, {resident_mib} MiB resident"))
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn meminfo_kib(name: &str) -> Outcome<u64> {
    number_after(&fs::read_to_string("/proc/meminfo")?, name)
}

fn number_after(text: &str, name: &str) -> Outcome<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    Ok(number
        .ok_or_else(|| format!("{name} is missing"))?
        .parse()?)
}

/// Serves until the process is killed.
fn serve(front: &str, dir: &str) -> Outcome<()> {
    match front {
        "resumed::start" => {
            let server = resumed::start(Config::new(dir).listen("127.0.0.1:0"))?;
            println!("{}", server.addr());
            server.wait();
        }
        "resumed::tiny_http" => {
            let uploads = Arc::new(Uploads::open(dir, Options::default())?);
            let server = tiny_http::Server::http("127.0.0.1:0")?;
            println!("{}", server.server_addr());
            resumed::tiny_http::serve(&uploads, &server, 4);
        }
        _ => serve_plainly()?,
    }
    Ok(())
}

/// A handler as the documentation of `tiny_http` suggests it.
fn serve_plainly() -> Outcome<()> {
    let server = tiny_http::Server::http("127.0.0.1:0")?;
    println!("{}", server.server_addr());
    for mut request in server.incoming_requests() {
        let received = io::copy(request.as_reader(), &mut io::sink())?;
        request.respond(tiny_http::Response::from_string(received.to_string()))?;
    }
    Ok(())
}
