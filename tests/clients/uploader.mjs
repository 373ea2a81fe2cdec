// node --test uploader.mjs: the options of resumed-uploader in Node, with the server at the address SERVER.
import assert from "node:assert/strict";
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import { test } from "node:test";
import { Problem, Uploader } from "resumed-uploader";

const server = process.env.SERVER;
const MIB = 1024 * 1024;

/** The requests with a body, and the highest number of them at one time. */
let bodies = [];
let most = 0;
let running = 0;
const realFetch = globalThis.fetch;
globalThis.fetch = async (url, request) => {
  if (!request.body) return realFetch(url, request);
  bodies.push({ length: request.body.size ?? request.body.length, headers: request.headers });
  most = Math.max(most, ++running);
  try {
    return await realFetch(url, request);
  } finally {
    running--;
  }
};

function blob(length) {
  return new Blob([Uint8Array.from({ length }, (_, at) => at / 7 % 251)]);
}

function upload(name, options) {
  return new Uploader({ file: blob(5), name, server, ...options });
}

function begin() {
  bodies = [];
  most = 0;
}

/** Returns the address of a port that nobody listens at. */
async function nobody() {
  const listener = createServer();
  await new Promise((resolve) => { listener.listen(0, "127.0.0.1", resolve); });
  const { port } = listener.address();
  await new Promise((resolve) => { listener.close(resolve); });
  return `http://127.0.0.1:${port}/`;
}

const never = () => new Promise(() => {});

test("a copy is another file, and is found again", async () => {
  const uploader = upload("a.txt");
  assert.equal(await uploader.upload(), true);
  assert.deepEqual([uploader.state, uploader.savedAs], ["complete", "a.txt"]);
  const { id } = uploader;
  assert.equal(await uploader.sendCopy(), true);
  assert.deepEqual([uploader.state, uploader.savedAs], ["complete", "a (1).txt"]);
  assert.notEqual(uploader.id, id);
  const again = upload("a.txt", { copy: uploader.copy });
  assert.equal(await again.upload(), true);
  assert.deepEqual([again.state, again.compared, again.savedAs], ["already", true, "a (1).txt"]);
});

test("a path leads to a folder", async () => {
  const uploader = upload("b.txt", { path: "제주/b c.txt" });
  await uploader.upload();
  assert.equal(uploader.savedAs, "제주/b c.txt");
});

test("headers may come later, and their error fails the upload", async () => {
  begin();
  await upload("headers.txt", { headers: async () => ({ "X-Token": "secret" }) }).upload();
  assert.equal(bodies[0].headers.get("X-Token"), "secret");
  const broken = upload("broken.txt", { headers: async () => { throw new RangeError("mine"); } });
  await assert.rejects(broken.upload(), RangeError);
  const stopped = upload("stopped.txt", { headers: never });
  const running = stopped.upload();
  stopped.stop();
  assert.equal(await running, false);
});

test("an error of a listener is reported and does not fail the upload", async (context) => {
  const reported = context.mock.method(console, "error", () => {});
  const onState = () => { throw new Error("state"); };
  const onProgress = async () => { throw new Error("progress"); };
  assert.equal(await upload("listener.txt", { onState, onProgress }).upload(), true);
  const messages = reported.mock.calls.map(({ arguments: [error] }) => error.message);
  assert.ok(messages.includes("state") && messages.includes("progress"), messages.join());
});

test("no body is longer than chunkBytes", async () => {
  begin();
  const file = blob(MIB);
  const uploader = upload("chunks.bin", { file, chunkBytes: MIB / 8 });
  await uploader.upload();
  const lengths = bodies.map(({ length }) => length);
  assert.ok(Math.max(...lengths) <= MIB / 8, lengths.join());
  assert.equal(lengths.reduce((sum, length) => sum + length), MIB);
});

test("without retry the first problem ends the upload, and a function decides", async () => {
  const gone = await nobody();
  const isGone = (error) => error instanceof Problem && error.kind === "gone" && error.passes;
  await assert.rejects(upload("gone.txt", { server: gone, retry: false }).upload(), isGone);
  const asked = [];
  const uploader = upload("gone.txt", {
    server: gone,
    retry: (problem, failures) => asked.push([problem.kind, failures]) < 3,
    onState: (state) => { if (state === "retrying") setImmediate(() => uploader.wake()); },
  });
  await assert.rejects(uploader.upload(), isGone);
  assert.deepEqual(asked, [["gone", 1], ["gone", 2], ["gone", 3]]);
});

test("a signal stops an upload, and another one continues it", async () => {
  const abort = new AbortController();
  const reason = new Error("enough");
  const options = { file: blob(MIB), chunkBytes: MIB / 8 };
  const onProgress = (held) => { if (held >= MIB / 2) abort.abort(reason); };
  const uploader = upload("signal.bin", { ...options, signal: abort.signal, onProgress });
  await assert.rejects(uploader.upload(), reason);
  assert.equal(uploader.state, "paused");
  await assert.rejects(uploader.upload(), reason);
  begin();
  assert.equal(await upload("signal.bin", options).upload(), true);
  const sent = bodies.reduce((sum, { length }) => sum + length, 0);
  assert.ok(sent <= MIB / 2, String(sent));
});

test("uploads to one server wait for each other, and not for another server", { timeout: 60_000 }, async () => {
  begin();
  const names = ["1", "2", "3", "4"];
  await Promise.all(names.map((name) => upload(`${name}.one`, { concurrency: 1 }).upload()));
  assert.equal(most, 1);
  const hanging = [...names, "5"].map((name) => upload(`${name}.hang`, { headers: never }));
  for (const uploader of hanging) uploader.upload();
  const sixth = upload("6.txt");
  const sent = sixth.upload();
  const elsewhere = upload("elsewhere.txt", { server: server.replace("127.0.0.1", "localhost") });
  assert.equal(await elsewhere.upload(), true);
  assert.equal(sixth.state, "waiting");
  for (const uploader of hanging) uploader.stop();
  assert.equal(await sent, true);
});

/** Runs `act(address)` with a server that takes no new partial upload. It takes a body only if `takesBodies`. */
async function withoutPlaces(takesBodies, act) {
  const requests = [];
  const listener = createHttpServer(async (request, response) => {
    let length = 0;
    for await (const part of request) length += part.length;
    requests.push(`${request.method} ${length}`);
    response.setHeader("Upload-Complete", "?0");
    if (request.method === "GET") return response.setHeader("Upload-Offset", "0").end("0");
    if (length > 0 && takesBodies) return response.end(`Success ${length}`);
    response.writeHead(507, { "X-Problem": "too-many-partials" }).end("2 partial uploads, the maximum\n");
  });
  await new Promise((resolve) => { listener.listen(0, "127.0.0.1", resolve); });
  try {
    await act(`http://127.0.0.1:${listener.address().port}/`, requests);
  } finally {
    listener.closeAllConnections();
    listener.close();
  }
}

test("a begun tiny file needs no place", { timeout: 30_000 }, async () => {
  await withoutPlaces(true, async (address, requests) => {
    const uploader = upload("begun.txt", { server: address });
    uploader.asksFirst = true;
    assert.equal(await uploader.upload(), true);
    assert.deepEqual(requests, ["GET 0", "POST 5"]);
  });
});

test("a refusal for want of a place is waited out", async () => {
  for (const length of [5, 100_000]) {
    await withoutPlaces(false, async (address, requests) => {
      const uploader = upload("refused.txt", { server: address, file: blob(length) });
      uploader.asksFirst = true;
      const running = uploader.upload();
      await new Promise((resolve) => { setTimeout(resolve, 500); });
      uploader.stop();
      assert.equal(await running, false);
      assert.ok(requests.length <= 4, requests.join());
    });
  }
});
