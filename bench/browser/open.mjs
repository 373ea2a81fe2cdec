// Opens a page in Chromium twice. Prints the milliseconds from the start of each navigation until the scripts of the page
// have run: `FIRST AGAIN`. The first time the browser has nothing of the server.
//
// usage: node open.mjs URL

import { withBrowser } from "./browser.mjs";

const USABLE = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd";

const [url] = process.argv.slice(2);
await withBrowser(async (browser) => {
  await browser.open("about:blank");
  await browser.navigate(url);
  const first = await browser.evaluate(USABLE);
  await browser.navigate("about:blank");
  await browser.navigate(url);
  return `${first} ${await browser.evaluate(USABLE)}`;
});
