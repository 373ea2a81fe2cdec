//! Firefox, over WebDriver BiDi.

use std::{fmt::Write as _, fs, path::Path, process::Command};

use serde_json::{Map, Value, json};

use super::{Driver, Page, Wire};

pub(super) struct Firefox;

pub(super) const COMMAND: &str = "firefox-esr";

/// The preferences besides those that Firefox sets itself when it is driven.
const PREFERENCES: [(&str, &str); 3] = [
    // A page that is left may ask. A script of a test is no interaction.
    ("dom.disable_beforeunload", "false"),
    ("dom.require_user_interaction_for_beforeunload", "false"),
    // One process for pages is enough, and starts sooner than eight.
    ("dom.ipc.processCount", "1"),
];

impl Driver for Firefox {
    fn command(&self, profile: &Path) -> Command {
        let mut preferences = String::new();
        for (name, value) in PREFERENCES {
            let _ = writeln!(preferences, "user_pref({name:?}, {value});");
        }
        fs::write(profile.join("user.js"), preferences).expect("written");
        let mut command = Command::new(COMMAND);
        command
            .args(["-headless", "-no-remote", "-remote-debugging-port=0"])
            .arg("-profile")
            .arg(profile)
            .arg("about:blank");
        command
    }

    fn url(&self, printed: &str) -> Option<String> {
        let url = printed.strip_prefix("WebDriver BiDi listening on ")?;
        Some(format!("{url}/session"))
    }

    fn begin(&self, wire: &Wire) {
        let prompts = json!({ "default": "ignore", "beforeUnload": "ignore" });
        // Servers of the tests make their certificates themselves.
        let all = json!({ "unhandledPromptBehavior": prompts, "acceptInsecureCerts": true });
        let capabilities = json!({ "capabilities": { "alwaysMatch": all } });
        call(wire, "session.new", capabilities);
        let events = ["log.entryAdded", "browsingContext.userPromptOpened"];
        call(wire, "session.subscribe", json!({ "events": events }));
    }

    fn open(&self, wire: &Wire) -> String {
        let tab = call(wire, "browsingContext.create", json!({ "type": "tab" }));
        tab["context"].as_str().expect("a context").to_owned()
    }

    fn go(&self, page: &Page, url: &str) {
        let params = json!({ "url": url, "wait": "complete" });
        call_of(page, "browsingContext.navigate", params);
    }

    fn evaluate(&self, page: &Page, expression: &str) -> Result<Value, String> {
        let params = json!({
            "expression": expression, "target": { "context": page.tab },
            "awaitPromise": true, "userActivation": true,
        });
        let request = json!({ "method": "script.evaluate", "params": params });
        let answer = page.browser.wire.try_call(request)?;
        match answer["exceptionDetails"]["text"].as_str() {
            None => Ok(plain(&answer["result"])),
            Some(text) => Err(text.to_owned()),
        }
    }

    fn set_files(&self, page: &Page, selector: &str, files: &[&Path]) {
        let locator = json!({ "type": "css", "value": selector });
        let locate = json!({ "locator": locator, "maxNodeCount": 1 });
        let found = call_of(page, "browsingContext.locateNodes", locate);
        let input = &found["nodes"][0]["sharedId"];
        assert!(input.is_string(), "no {selector}");
        let params = json!({ "element": { "sharedId": input }, "files": files });
        call_of(page, "input.setFiles", params);
    }

    fn drop_files(&self, _: &Page, _: &str, _: &[&Path]) {
        unimplemented!("WebDriver BiDi cannot drop files");
    }

    fn set_language(&self, page: &Page, language: &str) {
        let params = json!({ "locale": language, "contexts": [page.tab] });
        call(&page.browser.wire, "emulation.setLocaleOverride", params);
    }

    fn set_offline(&self, page: &Page, offline: bool) {
        let conditions = if offline {
            json!({ "type": "offline" })
        } else {
            Value::Null
        };
        let params = json!({ "networkConditions": conditions, "contexts": [page.tab] });
        call(&page.browser.wire, "emulation.setNetworkConditions", params);
    }

    fn set_size(&self, page: &Page, width: u32, height: u32) {
        let viewport = json!({ "width": width, "height": height });
        let params = json!({ "viewport": viewport, "devicePixelRatio": 1 });
        call_of(page, "browsingContext.setViewport", params);
    }

    fn bring_to_front(&self, page: &Page) {
        call_of(page, "browsingContext.activate", json!({}));
    }

    fn screenshot(&self, page: &Page) -> String {
        let shot = call_of(page, "browsingContext.captureScreenshot", json!({}));
        shot["data"].as_str().expect("a picture").to_owned()
    }

    fn complaint(&self, message: &Value) -> Option<(String, String)> {
        let params = &message["params"];
        if message["method"] != "log.entryAdded" || params["level"] != "error" {
            return None;
        }
        let tab = params["source"]["context"].as_str()?;
        Some((tab.to_owned(), params["text"].as_str()?.to_owned()))
    }

    fn acceptance(&self, message: &Value) -> Option<Value> {
        if message["method"] != "browsingContext.userPromptOpened" {
            return None;
        }
        let params = json!({ "context": message["params"]["context"], "accept": true });
        Some(json!({ "method": "browsingContext.handleUserPrompt", "params": params }))
    }
}

#[track_caller]
fn call(wire: &Wire, method: &str, params: Value) -> Value {
    wire.call(json!({ "method": method, "params": params }))
}

#[track_caller]
fn call_of(page: &Page, method: &str, mut params: Value) -> Value {
    params["context"] = page.tab.clone().into();
    call(&page.browser.wire, method, params)
}

/// Returns the JSON of a value, which the protocol describes with its type.
fn plain(described: &Value) -> Value {
    let value = &described["value"];
    let entries = || value.as_array().into_iter().flatten();
    match described["type"].as_str() {
        Some("array") => entries().map(plain).collect(),
        Some("object") => {
            let named = entries().map(|entry| {
                let name = entry[0].as_str().expect("a name");
                (name.to_owned(), plain(&entry[1]))
            });
            Value::Object(named.collect::<Map<_, _>>())
        }
        _ => value.clone(),
    }
}
