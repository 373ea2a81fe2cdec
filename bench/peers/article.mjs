// A server for the article's client, as short as the article's own: each request is piped into its file.

import { createWriteStream } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";

const [dir] = process.argv.slice(2);
const received = new Map();

function status(request, response) {
  response.end(String(received.get(request.headers["x-file-id"]) ?? 0));
}

function upload(request, response) {
  const id = request.headers["x-file-id"];
  const start = Number(request.headers["x-start-byte"] ?? 0);
  if (start !== 0 && start !== received.get(id)) {
    response.writeHead(409).end(String(received.get(id) ?? 0));
    return;
  }
  received.set(id, start);
  const file = createWriteStream(join(dir, id), { flags: start === 0 ? "w" : "a" });
  request.on("data", (data) => received.set(id, received.get(id) + data.length));
  request.pipe(file);
  file.on("close", () => {
    const complete = received.get(id) === Number(request.headers["x-file-size"]);
    if (complete) received.delete(id);
    response.end(complete ? "Success" : "");
  });
  file.on("error", () => response.writeHead(500).end());
}

const server = createServer((request, response) => {
  (request.method === "POST" ? upload : status)(request, response);
});
server.requestTimeout = 0;
server.keepAliveTimeout = 300_000;
server.listen(0, "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
