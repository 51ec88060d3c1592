// fetch: streamed bodies both ways, large ones, readers that stop early, parallel requests.
import http from "node:http";
import { digest, listen, pattern, track } from "../../observe.cjs";

const log = track("all");
let left;
const leaving = new Promise((resolve) => {
  left = resolve;
});
const server = http.createServer(async (request, response) => {
  if (request.url === "/endless") {
    response.on("close", () => left(response.writableEnded));
    const write = () => {
      while (!response.destroyed && response.write("x".repeat(10_000))) {}
    };
    response.on("drain", write);
    write();
  } else if (request.url === "/parts") {
    for (const part of ["one ", "two ", "three"]) {
      response.write(part);
      await new Promise(setImmediate);
    }
    response.end();
  } else {
    request.pipe(response);
  }
});
const port = await listen(server, "port", "127.0.0.1");
const base = `http://127.0.0.1:${port}`;
const bytes = pattern(5_000_000);
const echoed = await fetch(base, { method: "POST", body: bytes });
log("large", digest(Buffer.from(await echoed.arrayBuffer())) === digest(bytes));

const stream = new ReadableStream({
  start(controller) {
    for (const part of ["a", "b", "c"]) controller.enqueue(new TextEncoder().encode(part));
    controller.close();
  },
});
const streamed = await fetch(base, { method: "POST", body: stream, duplex: "half" });
log("streamed", await streamed.text());

const parts = await fetch(`${base}/parts`);
let text = "";
for await (const part of parts.body) text += Buffer.from(part);
log("parts", text, parts.bodyUsed);

const endless = await fetch(`${base}/endless`);
const reader = endless.body.getReader();
log("first", (await reader.read()).value.length > 0);
await reader.cancel();
log("server saw it", await leaving);

const many = await Promise.all(
  Array.from({ length: 50 }, async (_, i) =>
    (await fetch(base, { method: "POST", body: `body ${i}` })).text(),
  ),
);
log(
  "many",
  many.every((answer, i) => answer === `body ${i}`),
);
server.close();
server.closeAllConnections();
