//! The WebSocket to a browser: calls and their results, and the events between them.

use std::{
    cell::{Cell, RefCell},
    io::ErrorKind,
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::Value;
use tungstenite::{Message, WebSocket};

use super::{Driver, TIMEOUT};

/// The longest time to an answer. A page ends a wait earlier, and reports its text.
const ANSWER_MAX: Duration = Duration::from_secs(2 * TIMEOUT.as_secs());

pub(super) struct Wire {
    driver: &'static dyn Driver,
    socket: RefCell<WebSocket<TcpStream>>,
    last_id: Cell<u64>,
    dialogs: Cell<u32>,
    /// The errors of all pages with their tab, in order.
    complaints: RefCell<Vec<(String, String)>>,
}

impl Wire {
    pub(super) fn connect(driver: &'static dyn Driver, url: &str) -> Wire {
        let addr = url
            .strip_prefix("ws://")
            .and_then(|rest| rest.split('/').next());
        let stream = TcpStream::connect(addr.expect("an address")).expect("the browser listens");
        stream
            .set_read_timeout(Some(ANSWER_MAX))
            .expect("a read timeout");
        stream
            .set_write_timeout(Some(ANSWER_MAX))
            .expect("a write timeout");
        let (socket, _) = tungstenite::client(url, stream).expect("the browser speaks WebSocket");
        Wire {
            driver,
            socket: RefCell::new(socket),
            last_id: Cell::new(0),
            dialogs: Cell::new(0),
            complaints: RefCell::default(),
        }
    }

    /// Sends a request, which has a `method` and `params`, and returns its result.
    #[track_caller]
    pub(super) fn call(&self, request: Value) -> Value {
        let method = request["method"].to_string();
        let result = self.try_call(request);
        result.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    pub(super) fn try_call(&self, request: Value) -> Result<Value, String> {
        let method = request["method"].to_string();
        let id = self.send(request);
        let since = Instant::now();
        loop {
            // Events of other tabs may come all the time.
            if since.elapsed() >= ANSWER_MAX {
                return Err(format!("no answer to {method} within {ANSWER_MAX:?}"));
            }
            let mut message = self.receive()?;
            if message["id"] != id {
                continue;
            }
            return match message["error"].take() {
                Value::Null => Ok(message["result"].take()),
                error => Err(format!("{error} {}", message["message"])),
            };
        }
    }

    /// Returns the number of dialogs so far. Each was accepted.
    pub(super) fn dialogs(&self) -> u32 {
        self.dialogs.get()
    }

    /// Returns the errors of a tab.
    pub(super) fn complaints(&self, tab: &str) -> Vec<String> {
        let complaints = self.complaints.borrow();
        let of_tab = complaints.iter().filter(|(known, _)| known == tab);
        of_tab.map(|(_, complaint)| complaint.clone()).collect()
    }

    /// Sends a call, and returns its number.
    fn send(&self, mut request: Value) -> u64 {
        let id = self.last_id.get() + 1;
        self.last_id.set(id);
        request["id"] = id.into();
        let message = Message::text(request.to_string());
        self.socket
            .borrow_mut()
            .send(message)
            .expect("the browser listens");
        id
    }

    /// Returns the next message from the browser. Remembers a complaint, and accepts a dialog.
    fn receive(&self) -> Result<Value, String> {
        let message = loop {
            match self.socket.borrow_mut().read() {
                // As after a stop and a continuation, of the tests or of the machine.
                Err(tungstenite::Error::Io(error)) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("no message within {ANSWER_MAX:?}: {error}")),
                Ok(message) => break message,
            }
        };
        let text = message.into_text().expect("the browser speaks text");
        let message: Value = serde_json::from_str(&text).unwrap_or_default();
        if let Some(complaint) = self.driver.complaint(&message) {
            self.complaints.borrow_mut().push(complaint);
        }
        if let Some(request) = self.driver.acceptance(&message) {
            self.dialogs.set(self.dialogs.get() + 1);
            self.send(request);
        }
        Ok(message)
    }
}
