// usage: node tus.mjs NODE_MODULES DIR
// @tus/server as its README shows it. The modules lie elsewhere: they are installed, not part of the bench.

import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, dir] = process.argv.slice(2);
const find = createRequire(join(modules, "anywhere.js")).resolve;
const load = (name) => import(pathToFileURL(find(name)));

const { Server } = await load("@tus/server");
const { FileStore } = await load("@tus/file-store");

const tus = new Server({ path: "/files", datastore: new FileStore({ directory: dir }) });
const server = createServer((request, response) => tus.handle(request, response));
server.requestTimeout = 0;
server.keepAliveTimeout = 300_000;
server.listen(0, "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
