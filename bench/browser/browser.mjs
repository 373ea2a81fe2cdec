// Drives Chromium for the measurements.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-pipe", "about:blank",
];
const LIMIT_MS = 900_000;

/** Chromium, over its debugging protocol. */
class Browser {
  #profile = mkdtempSync(join(tmpdir(), "bench-chromium-"));
  #process = spawn("chromium", [...FLAGS, `--user-data-dir=${this.#profile}`], {
    detached: true, stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
  });
  #waiting = new Map();
  #last = 0;
  #rest = "";

  constructor() {
    this.#process.stdio[4].setEncoding("utf8").on("data", (text) => {
      const messages = (this.#rest + text).split("\0");
      this.#rest = messages.pop();
      for (const { id, result, error } of messages.map(JSON.parse)) {
        const { resolve, reject } = this.#waiting.get(id) ?? {};
        if (error) reject?.(Error(error.message));
        else resolve?.(result);
      }
    });
  }

  call(method, params = {}) {
    const id = ++this.#last;
    this.#process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId: this.session })}\0`);
    return new Promise((resolve, reject) => { this.#waiting.set(id, { resolve, reject }); });
  }

  async open(url) {
    const { targetId } = await this.call("Target.createTarget", { url: "about:blank" });
    this.session = (await this.call("Target.attachToTarget", { targetId, flatten: true })).sessionId;
    await this.navigate(url);
  }

  async navigate(url) {
    const { errorText } = await this.call("Page.navigate", { url });
    if (errorText) throw Error(errorText);
    await this.until("document.readyState === 'complete'");
  }

  async evaluate(expression) {
    const params = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await this.call("Runtime.evaluate", params);
    if (exceptionDetails) throw Error(JSON.stringify(exceptionDetails));
    return result.value;
  }

  until(condition) {
    return this.evaluate(`new Promise((resolve) => {
      const look = () => { if (${condition}) resolve(); else setTimeout(look, 10); };
      look();
    })`);
  }

  async choose(selector, files) {
    const { result } = await this.call("Runtime.evaluate", { expression: `document.querySelector('${selector}')` });
    await this.call("DOM.setFileInputFiles", { objectId: result.objectId, files });
  }

  async end() {
    const ended = new Promise((resolve) => { this.#process.on("close", resolve); });
    process.kill(-this.#process.pid, "SIGKILL");
    await ended;
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 10 });
  }
}

/** Runs `measure` with a new browser, and prints its result. */
export async function withBrowser(measure) {
  const browser = new Browser();
  const limit = setTimeout(() => { console.error("no end in time"); process.exitCode = 1; browser.end(); }, LIMIT_MS);
  try {
    console.log(await measure(browser));
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
  } finally {
    clearTimeout(limit);
    await browser.end();
  }
}
