//! A real browser, driven over its debugging protocol: Debian's Chromium, without a window and with an empty profile.
//!
//! ```text
//! let browser = Browser::launch();
//! let page = browser.open(&format!("http://{}/", site.addr()));
//! page.set_files("input[type=file]", &[path]);
//! page.wait_for("document.body.innerText.includes('Success')");
//! assert_eq!(page.errors(), [""; 0]);
//! ```
//!
//! Waiting happens in the page, at each frame that it draws. A wait of more than [`TIMEOUT`] is a failure.

mod page;
mod tests;

use std::{
    cell::{Cell, RefCell},
    fmt::Write as _,
    io::{BufRead, BufReader, ErrorKind},
    net::TcpStream,
    os::unix::process::CommandExt,
    process::{Child, ChildStderr, Command, Stdio},
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;
use tungstenite::{Message, WebSocket};

pub(crate) use page::Page;

const TIMEOUT: Duration = Duration::from_secs(30);

/// The flags that stop windows, questions, updates and background requests.
const FLAGS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
    "about:blank",
];

/// A running browser. Dropped, it is killed and leaves nothing behind.
pub(crate) struct Browser {
    socket: RefCell<WebSocket<TcpStream>>,
    last_id: Cell<u64>,
    dialogs: Cell<u32>,
    /// The errors of all pages with their session, in order.
    complaints: RefCell<Vec<(String, String)>>,
    process: Child,
    /// Reads what the browser prints, up to the moment at which its last process has ended.
    printed: Option<JoinHandle<()>>,
    _profile: TempDir,
}

impl Browser {
    pub(crate) fn launch() -> Browser {
        let profile = tempfile::tempdir().expect("a temporary directory");
        let mut process = Command::new("chromium")
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            // No settings of the user, and no files outside the profile.
            .env("HOME", profile.path())
            .env("TMPDIR", profile.path())
            // Without a locale Chromium opens no file whose name is not ASCII.
            .env("LC_ALL", "C.UTF-8")
            // One group for all of its processes, so that all can be ended together.
            .process_group(0)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("chromium is installed: `make tools` does it");
        let mut stderr = BufReader::new(process.stderr.take().expect("it is piped"));
        let url = debugging_url(&mut stderr);
        let printed = thread::spawn(move || stderr.lines().for_each(drop));
        Browser {
            socket: RefCell::new(connect(&url)),
            last_id: Cell::new(0),
            dialogs: Cell::new(0),
            complaints: RefCell::default(),
            process,
            printed: Some(printed),
            _profile: profile,
        }
    }

    /// Opens a page in a tab of its own and waits until it is loaded.
    pub(crate) fn open(&self, url: &str) -> Page<'_> {
        let target = self.call("", "Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = self.call("", "Target.attachToTarget", attach);
        let session = attached["sessionId"]
            .as_str()
            .expect("a session")
            .to_owned();
        let page = Page {
            browser: self,
            session,
        };
        for domain in ["Page", "Runtime", "Log"] {
            page.call(&format!("{domain}.enable"), json!({}));
        }
        // Without this limit each event contains the request body, and is longer than a message may be.
        page.call("Network.enable", json!({ "maxPostDataSize": 1 }));
        page.go(url);
        page
    }

    /// Calls a method of the debugging protocol and returns what it returns.
    fn call(&self, session: &str, method: &str, params: Value) -> Value {
        let answer = self.try_call(session, method, params);
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    fn try_call(&self, session: &str, method: &str, params: Value) -> Result<Value, String> {
        let id = self.send(session, method, params);
        loop {
            let mut message = self.receive();
            if message["id"] != id {
                continue;
            }
            return match message["error"].take() {
                Value::Null => Ok(message["result"].take()),
                error => Err(error["message"].to_string()),
            };
        }
    }

    /// Sends a call, and returns its number.
    fn send(&self, session: &str, method: &str, params: Value) -> u64 {
        let id = self.last_id.get() + 1;
        self.last_id.set(id);
        let mut request = json!({ "id": id, "method": method, "params": params });
        if !session.is_empty() {
            request["sessionId"] = session.into();
        }
        let message = Message::text(request.to_string());
        self.socket
            .borrow_mut()
            .send(message)
            .expect("the browser listens");
        id
    }

    /// Returns the number of dialogs so far. Each was accepted.
    pub(crate) fn dialogs(&self) -> u32 {
        self.dialogs.get()
    }

    /// The next message from the browser. A complaint is remembered, and a dialog accepted.
    fn receive(&self) -> Value {
        let message = loop {
            match self.socket.borrow_mut().read() {
                // As after a stop and a continuation, of the tests or of the machine.
                Err(tungstenite::Error::Io(error)) if error.kind() == ErrorKind::Interrupted => {}
                read => break read.expect("the browser answers in time"),
            }
        };
        let text = message.into_text().expect("the browser speaks text");
        let message: Value = serde_json::from_str(&text).unwrap_or_default();
        if let Some(complaint) = complaint(&message) {
            let session = message["sessionId"].as_str().unwrap_or_default().to_owned();
            self.complaints.borrow_mut().push((session, complaint));
        }
        if message["method"] == "Page.javascriptDialogOpening" {
            self.dialogs.set(self.dialogs.get() + 1);
            let session = message["sessionId"].as_str().unwrap_or_default();
            self.send(
                session,
                "Page.handleJavaScriptDialog",
                json!({ "accept": true }),
            );
        }
        message
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A browser that is gone already cannot be killed, which is as well.
        let _ = kill_process_group(Pid::from_child(&self.process), Signal::KILL);
        let _ = self.process.wait();
        // The profile is removed when no process is left that could write to it.
        if let Some(printed) = self.printed.take() {
            let _ = printed.join();
        }
    }
}

/// Reads what the browser prints until it says where it can be reached.
fn debugging_url(stderr: &mut BufReader<ChildStderr>) -> String {
    let mut printed = String::new();
    for line in stderr.lines() {
        let line = line.expect("the browser prints text");
        if let Some(url) = line.strip_prefix("DevTools listening on ") {
            return url.to_owned();
        }
        let _ = writeln!(printed, "{line}");
    }
    panic!("chromium ended:\n{printed}");
}

fn connect(url: &str) -> WebSocket<TcpStream> {
    let addr = url
        .strip_prefix("ws://")
        .and_then(|rest| rest.split('/').next());
    let stream = TcpStream::connect(addr.expect("an address")).expect("the browser listens");
    stream
        // The page ends a wait earlier, and reports its text.
        .set_read_timeout(Some(TIMEOUT * 2))
        .expect("a read timeout");
    tungstenite::client(url, stream)
        .expect("the browser speaks WebSocket")
        .0
}

/// Returns the error in a message, if there is one.
fn complaint(message: &Value) -> Option<String> {
    let params = &message["params"];
    match message["method"].as_str()? {
        "Runtime.exceptionThrown" => Some(described(&params["exceptionDetails"])),
        "Runtime.consoleAPICalled" if params["type"] == "error" => Some(params["args"].to_string()),
        "Log.entryAdded" if params["entry"]["level"] == "error" => {
            let entry = &params["entry"];
            Some(format!(
                "{} {}",
                entry["text"].as_str()?,
                entry["url"].as_str().unwrap_or_default()
            ))
        }
        _ => None,
    }
}

fn described(exception: &Value) -> String {
    let thrown = &exception["exception"];
    let text = thrown["description"]
        .as_str()
        .or_else(|| exception["text"].as_str());
    text.map_or_else(|| exception.to_string(), str::to_owned)
}
