// A worker thread with a server, talked to by the main thread, and the other way round.
import net from "node:net";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { collect, listen, port as named, once, track } from "../../observe.cjs";

if (isMainThread) {
  const log = track("main");
  const server = net.createServer((socket) => socket.end("from the main thread"));
  const port = await listen(server, "main", "127.0.0.1");
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { port } });
  const [first] = await once(worker, "message");
  named(first.port, "worker");
  log("worker read", first.text);
  log("main read", (await collect(net.connect(first.port, "127.0.0.1"))).toString());
  worker.postMessage("end");
  log("worker exit", (await once(worker, "exit"))[0]);
  const gone = net.connect(first.port, "127.0.0.1");
  log("afterwards", (await once(gone, "error"))[0].code);
  server.close();
} else {
  const server = net.createServer((socket) => socket.end("from the worker"));
  const port = await listen(server, "worker", "127.0.0.1");
  const text = (await collect(net.connect(workerData.port, "127.0.0.1"))).toString();
  parentPort.postMessage({ port, text });
  parentPort.once("message", () => server.close(() => process.exit(4)));
}
