// An async connection handler that rejects, with captureRejections.
import { EventEmitter } from "node:events";
import net from "node:net";
import { listen, once, track } from "../../observe.cjs";

EventEmitter.captureRejections = true;
const log = track("all");
const server = net.createServer(async (socket) => {
  socket.on("error", (error) => log("socket error", error));
  socket.on("close", (hadError) => log("socket close", hadError));
  await null;
  throw new Error("rejected");
});
server.on("error", (error) => log("server error", error));
const port = await listen(server, "port", "127.0.0.1");
server.on("error", (error) => log("server error", error));
const client = net.connect(port, "127.0.0.1");
client.on("error", (error) => track("client")("error", error.code));
client.resume();
await once(client, "close");
server.close();
