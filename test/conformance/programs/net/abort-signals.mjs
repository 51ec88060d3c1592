// AbortSignal for connect (of streams) and for listen.
import net from "node:net";
import { attempt, listen, once, track, watchSocket } from "../../observe.cjs";

const server = net.createServer((socket) => socket.on("error", () => {}).resume());
const port = await listen(server, "port", "127.0.0.1");
{
  const log = track("1 connect");
  const control = new AbortController();
  const socket = watchSocket(log, net.connect({ port, host: "127.0.0.1", signal: control.signal }));
  await once(socket, "connect");
  control.abort();
  log("aborted", socket.destroyed);
  await once(socket, "close");
}
{
  const log = track("2 connect aborted before");
  const socket = new net.Socket({ signal: AbortSignal.abort() });
  watchSocket(log, socket);
  attempt(log, "connect", () => socket.connect(port, "127.0.0.1") === socket);
  await once(socket, "close");
}
{
  const log = track("3 listen");
  const control = new AbortController();
  const other = net.createServer();
  other.on("close", () => log("close"));
  other.on("error", (error) => log("error", error));
  other.listen({ port: 0, host: "127.0.0.1", signal: control.signal });
  await once(other, "listening");
  control.abort();
  await once(other, "close");
  log("listening", other.listening);
}
{
  const log = track("4 listen aborted before");
  const other = net.createServer();
  other.on("listening", () => log("listening"));
  other.on("close", () => log("close"));
  other.listen({ port: 0, host: "127.0.0.1", signal: AbortSignal.abort() });
  await once(other, "close");
  log("listening", other.listening);
}
{
  const log = track("5 Symbol.asyncDispose");
  const other = net.createServer();
  await listen(other, "other", "127.0.0.1");
  if (other[Symbol.asyncDispose]) await other[Symbol.asyncDispose]();
  else other.close();
  log("listening", other.listening);
}
server.close();
