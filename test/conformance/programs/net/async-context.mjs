// AsyncLocalStorage in the callbacks of sockets and servers.
import { AsyncLocalStorage } from "node:async_hooks";
import net from "node:net";
import { listen, once, track } from "../../observe.cjs";

const storage = new AsyncLocalStorage();
const here = () => storage.getStore() ?? "none";
const server = await storage.run("creator of server", async () => {
  const log = track("server");
  const made = net.createServer((socket) => {
    log("connection", here());
    socket.on("data", (data) => {
      log("data", here());
      socket.write(data, () => log("written", here()));
    });
    socket.on("end", () => log("end", here()));
    socket.on("close", () => log("close", here()));
    setImmediate(() => log("immediate", here()));
  });
  made.on("close", () => log("server close", here()));
  return made;
});
const port = await storage.run("listener", () => listen(server, "port", "127.0.0.1"));
const one = async (name) => {
  const log = track(name);
  await storage.run(name, async () => {
    const socket = net.connect(port, "127.0.0.1", () => log("connect callback", here()));
    for (const event of ["lookup", "connect", "ready", "data", "end", "finish", "close"]) {
      socket.on(event, () => log(event, here()));
    }
    socket.write("x", () => log("written", here()));
    await once(socket, "data");
    log("after await", here());
    storage.run("inner", () => socket.write("y", () => log("written inside", here())));
    await once(socket, "data");
    storage.run("ender", () => socket.end(() => log("ended", here())));
    await once(socket, "close");
    log("at the end", here());
  });
};
await one("client 1");
await one("client 2");
const refused = track("refused");
storage.run("refused", () => {
  const socket = net.connect(port, "127.0.0.9");
  socket.on("error", () => refused("error", here()));
  socket.on("close", () => refused("close", here()));
});
storage.run("closer", () => server.close(() => track("server")("close callback", here())));
