// Pushed streams, trailers, respondWithFile, headers of information.
import http2 from "node:http2";
import { fileURLToPath } from "node:url";
import { collect, listen, once, track } from "../../observe.cjs";

const log = track("all");
const server = http2.createServer();
server.on("stream", (stream, headers) => {
  if (headers[":path"] === "/file") {
    stream.respondWithFile(fileURLToPath(import.meta.url), { "content-type": "text/plain" });
    return;
  }
  stream.additionalHeaders({ ":status": 103, link: "</x>" });
  stream.pushStream({ ":path": "/pushed" }, (error, pushed) => {
    log("push", error);
    pushed.respond({ ":status": 200 });
    pushed.end("pushed body");
    stream.respond({ ":status": 200 }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "x-sum": "1" }));
    stream.end("body");
  });
});
const port = await listen(server, "port", "127.0.0.1");
const client = http2.connect(`http://127.0.0.1:${port}`);
const pushed = new Promise((resolve) => {
  client.on("stream", async (stream, headers) =>
    resolve([headers[":path"], (await collect(stream)).toString()]),
  );
});
const stream = client.request({ ":path": "/" });
stream.on("headers", (headers) =>
  track("information")("headers", headers[":status"], headers.link),
);
stream.on("trailers", (trailers) => track("trailers")("trailers", { ...trailers }));
log("body", (await collect(stream)).toString());
log("pushed", await pushed);
const file = client.request({ ":path": "/file" });
const [headers] = await once(file, "response");
log("file", headers[":status"], (await collect(file)).toString().split("\n")[0]);
client.close();
server.close();
