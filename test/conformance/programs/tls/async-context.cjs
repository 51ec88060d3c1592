// AsyncLocalStorage in the callbacks of TLS sockets of a client.
const { AsyncLocalStorage } = require("node:async_hooks");
const tls = require("node:tls");
const { listen, once, track } = require("../../observe.cjs");
const { serverOptions, trusting } = require("./_peers.cjs");

const storage = new AsyncLocalStorage();
const here = () => storage.getStore() ?? "none";
(async () => {
  const server = tls.createServer(serverOptions, (socket) =>
    socket.on("data", (data) => socket.end(data)),
  );
  const port = await listen(server, "port", "127.0.0.1");
  for (const name of ["a", "b"]) {
    const log = track(name);
    await storage.run(name, async () => {
      const socket = tls.connect(trusting(port));
      for (const event of ["secureConnect", "data", "end", "finish", "close"])
        socket.on(event, () => log(event, here()));
      socket.write("x", () => log("written", here()));
      await once(socket, "close");
      log("awaited", here());
    });
  }
  server.close();
})();
