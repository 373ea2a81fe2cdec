//! Chromium, over the Chrome DevTools Protocol.

use std::{path::Path, process::Command};

use serde_json::{Value, json};

use super::{Driver, Page, Wire};

pub(super) struct Chromium;

/// The flags that stop windows, questions, updates and background requests.
const FLAGS: [&str; 12] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    // Servers of the tests make their certificates themselves.
    "--ignore-certificate-errors",
    "--remote-debugging-port=0",
    "about:blank",
];

impl Driver for Chromium {
    fn command(&self, profile: &Path) -> Command {
        let mut command = Command::new("chromium");
        command
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.display()));
        command
    }

    fn url(&self, printed: &str) -> Option<String> {
        let url = printed.strip_prefix("DevTools listening on ")?;
        Some(url.to_owned())
    }

    fn begin(&self, _: &Wire) {}

    fn open(&self, wire: &Wire) -> String {
        let blank = json!({ "url": "about:blank" });
        let target = wire.call(json!({ "method": "Target.createTarget", "params": blank }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = wire.call(json!({ "method": "Target.attachToTarget", "params": attach }));
        let session = attached["sessionId"].as_str().expect("a session");
        for domain in ["Page", "Runtime", "Log"] {
            wire.call(request(session, &format!("{domain}.enable"), json!({})));
        }
        // Without this limit each event contains the request body, and is longer than a message may be.
        let limit = json!({ "maxPostDataSize": 1 });
        wire.call(request(session, "Network.enable", limit));
        session.to_owned()
    }

    fn go(&self, page: &Page, url: &str) {
        let answer = call(page, "Page.navigate", json!({ "url": url }));
        assert_eq!(answer["errorText"], Value::Null, "{url}");
        page.wait_for("document.readyState === 'complete'");
    }

    fn evaluate(&self, page: &Page, expression: &str) -> Result<Value, String> {
        let params = json!({
            "expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true,
        });
        let request = request(&page.tab, "Runtime.evaluate", params);
        let mut answer = page.browser.wire.try_call(request)?;
        match &answer["exceptionDetails"] {
            Value::Null => Ok(answer["result"]["value"].take()),
            details => Err(described(details)),
        }
    }

    #[track_caller]
    fn set_files(&self, page: &Page, selector: &str, files: &[&Path]) {
        let expression = format!("document.querySelector({})", json!(selector));
        let found = call(
            page,
            "Runtime.evaluate",
            json!({ "expression": expression }),
        );
        let input = &found["result"]["objectId"];
        assert!(input.is_string(), "no {selector}");
        let params = json!({ "objectId": input, "files": files });
        call(page, "DOM.setFileInputFiles", params);
    }

    fn drop_files(&self, page: &Page, selector: &str, paths: &[&Path]) {
        let place = format!(
            "document.querySelector({}).getBoundingClientRect()",
            json!(selector)
        );
        let [x, y] = ["x", "y"].map(|axis| page.evaluate(&format!("{place}.{axis} + 20")));
        let data = json!({ "items": [], "files": paths, "dragOperationsMask": 1 });
        for kind in ["dragEnter", "dragOver", "drop"] {
            let params = json!({ "type": kind, "x": x, "y": y, "data": data });
            call(page, "Input.dispatchDragEvent", params);
        }
    }

    fn set_language(&self, page: &Page, language: &str) {
        let wire = &page.browser.wire;
        let version = wire.call(json!({ "method": "Browser.getVersion" }));
        let user_agent = &version["userAgent"];
        let params = json!({ "userAgent": user_agent, "acceptLanguage": language });
        call(page, "Emulation.setUserAgentOverride", params);
        let locale = json!({ "locale": language });
        call(page, "Emulation.setLocaleOverride", locale);
    }

    fn set_offline(&self, page: &Page, offline: bool) {
        let params = json!({
            "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1,
        });
        call(page, "Network.emulateNetworkConditions", params);
    }

    fn set_size(&self, page: &Page, width: u32, height: u32) {
        let params =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        call(page, "Emulation.setDeviceMetricsOverride", params);
    }

    fn bring_to_front(&self, page: &Page) {
        call(page, "Page.bringToFront", json!({}));
    }

    fn screenshot(&self, page: &Page) -> String {
        let shot = call(page, "Page.captureScreenshot", json!({ "format": "png" }));
        shot["data"].as_str().expect("a picture").to_owned()
    }

    fn complaint(&self, message: &Value) -> Option<(String, String)> {
        let params = &message["params"];
        let entry = &params["entry"];
        let text = match message["method"].as_str()? {
            "Runtime.exceptionThrown" => described(&params["exceptionDetails"]),
            "Runtime.consoleAPICalled" if params["type"] == "error" => params["args"].to_string(),
            "Log.entryAdded" if entry["level"] == "error" => {
                let url = entry["url"].as_str().unwrap_or_default();
                format!("{} {url}", entry["text"].as_str()?)
            }
            _ => return None,
        };
        Some((message["sessionId"].as_str()?.to_owned(), text))
    }

    fn acceptance(&self, message: &Value) -> Option<Value> {
        if message["method"] != "Page.javascriptDialogOpening" {
            return None;
        }
        let session = message["sessionId"].as_str()?;
        let accept = json!({ "accept": true });
        Some(request(session, "Page.handleJavaScriptDialog", accept))
    }
}

pub(super) fn become_phone(page: &Page) {
    let size = json!({ "width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": true });
    call(page, "Emulation.setDeviceMetricsOverride", size);
    let touch = json!({ "enabled": true });
    call(page, "Emulation.setTouchEmulationEnabled", touch);
}

pub(super) fn set_color_scheme(page: &Page, scheme: &str) {
    let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
    let media = json!({ "features": features });
    call(page, "Emulation.setEmulatedMedia", media);
}

fn request(session: &str, method: &str, params: Value) -> Value {
    json!({ "sessionId": session, "method": method, "params": params })
}

#[track_caller]
fn call(page: &Page, method: &str, params: Value) -> Value {
    page.browser.wire.call(request(&page.tab, method, params))
}

fn described(exception: &Value) -> String {
    let thrown = &exception["exception"];
    let text = thrown["description"]
        .as_str()
        .or_else(|| exception["text"].as_str());
    text.map_or_else(|| exception.to_string(), str::to_owned)
}
