// fetch: what is thrown, and its cause, for refused connections, names, hang-ups, aborts.
import http from "node:http";
import net from "node:net";
import { fault, listen, once, track } from "../../observe.cjs";

const log = track("all");
const show = async (name, ...args) => {
  try {
    const response = await fetch(...args);
    log(name, response.status, await response.text());
  } catch (error) {
    const { cause, ...rest } = fault(error);
    log(name, rest, cause && { ...cause, socket: undefined, cause: undefined });
  }
};
const free = net.createServer();
const gone = await listen(free, "free", "127.0.0.1");
free.close();
await once(free, "close");
await show("refused", `http://127.0.0.1:${gone}/`);
await show("refused 6", `http://[::1]:${gone}/`);
await show("refused localhost", `http://localhost:${gone}/`);

const rude = net.createServer((socket) => {
  socket.on("error", () => {});
  socket.once("data", (data) => {
    const path = data.toString().split(" ")[1];
    if (path === "/closed") socket.destroy();
    else if (path === "/reset") socket.resetAndDestroy();
    else if (path === "/half") socket.end("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    else if (path === "/nonsense") socket.end("nonsense\r\n\r\n");
  });
});
const port = await listen(rude, "rude", "127.0.0.1");
for (const path of ["/closed", "/reset", "/half", "/nonsense"])
  await show(path, `http://127.0.0.1:${port}${path}`);
rude.close();

const silent = http.createServer(() => {});
const silentPort = await listen(silent, "silent", "127.0.0.1");
const url = `http://127.0.0.1:${silentPort}/`;
await show("aborted before", url, { signal: AbortSignal.abort() });
await show("aborted with a reason", url, { signal: AbortSignal.abort(new Error("mine")) });
await show("timeout", url, { signal: AbortSignal.timeout(30) });
const control = new AbortController();
silent.once("request", () => control.abort());
await show("aborted in flight", url, { signal: control.signal });
await show("bad method", url, { method: "G T" });
await show("bad header", url, { headers: { "a b": "1" } });
await show("body with GET", url, { body: "x" });
silent.close();
silent.closeAllConnections();
