// child_process.spawn and execFile of node: a client in a child of its own, a server in another.
const { spawn, execFile } = require("node:child_process");
const net = require("node:net");
const path = require("node:path");
const { collect, listen, once, port: named, track } = require("../../observe.cjs");

(async () => {
  const log = track("all");
  const server = net.createServer({ allowHalfOpen: true });
  const port = await listen(server, "port", "127.0.0.1");
  const done = new Promise((resolve) => {
    execFile(
      process.execPath,
      [path.join(__dirname, "_client.cjs"), String(port)],
      (error, stdout, stderr) => {
        log("client", error, stdout, stderr);
        resolve();
      },
    );
  });
  const [socket] = await once(server, "connection");
  socket.write("from the parent");
  log("heard", (await collect(socket)).toString());
  socket.end();
  await done;
  server.close();

  const code = `
    const server = require("node:net").createServer((socket) => {
      socket.end("from the child's server");
      server.close();
    });
    server.listen(0, "127.0.0.1", () => console.log(server.address().port));`;
  const child = spawn(process.execPath, ["-e", code], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const [line] = await once(child.stdout, "data");
  const childPort = named(Number(line.toString()), "child");
  log("server", (await collect(net.connect(childPort, "127.0.0.1"))).toString());
  log("exit", await exited);
})();
