// Uploads the files of a directory from a page in Chromium. Prints the milliseconds from the choice of the files until
// the page has an answer for the last one.
//
// usage: node upload.mjs URL DIR [SCRIPT..]
//
// Without scripts the page itself is measured. The scripts run in the page before: they add an input `#bench`, and set
// `globalThis.outcome` at the end.

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { withBrowser } from "./browser.mjs";

// The header of the page has the state of all files together. Without files it is hidden.
const PAGE_OUTCOME = "document.querySelector('#job:not([hidden])')?.dataset.state";

async function measure(browser, url, dir, scripts) {
  const files = readdirSync(dir).map((name) => join(dir, name));
  await browser.open(url);
  for (const script of scripts) await browser.evaluate(`${readFileSync(script, "utf8")}; 0`);
  const [input, outcome] = scripts.length > 0 ? ["#bench", "globalThis.outcome"] : ["#picker", PAGE_OUTCOME];
  const end = `${outcome} && ${outcome} !== 'sending'`;
  // The start of the page itself is over.
  await new Promise((resolve) => { setTimeout(resolve, 1000); });
  const began = performance.now();
  await browser.choose(input, files);
  await browser.until(end);
  const took = performance.now() - began;
  const found = await browser.evaluate(outcome);
  if (found !== "complete") throw Error(found);
  return took;
}

const [url, dir, ...scripts] = process.argv.slice(2);
await withBrowser((browser) => measure(browser, url, dir, scripts));
