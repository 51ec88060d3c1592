// stream.pipeline through sockets, with a transform between; a failing pipeline.
import net from "node:net";
import { PassThrough, pipeline as pipelineWithCallback, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import { collect, digest, fault, listen, once, pattern, track } from "../../observe.cjs";

const log = track("all");
const bytes = pattern(3_000_000);
const server = net.createServer({ allowHalfOpen: true }, (socket) => {
  pipelineWithCallback(socket, createGunzip(), new PassThrough(), createGzip(), socket, (error) =>
    track("server")("pipeline", fault(error)?.code),
  );
});
const port = await listen(server, "port", "127.0.0.1");

const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
const sink = createGunzip();
const got = collect(sink);
await Promise.all([
  pipeline(Readable.from([bytes.subarray(0, 1e6), bytes.subarray(1e6)]), createGzip(), socket, {
    end: true,
  }).catch((error) => log("sending", error.code)),
  pipeline(socket, sink).catch((error) => log("receiving", error.code)),
]);
log("round trip", digest(await got) === digest(bytes));

// A source that fails destroys the socket.
const failing = net.connect(port, "127.0.0.1");
failing.on("close", (hadError) => log("closed", hadError));
await pipeline(
  (async function* source() {
    yield "some";
    throw new Error("source failed");
  })(),
  failing,
).catch((error) => log("pipeline", error));
if (!failing.closed) await once(failing, "close");
server.close();
