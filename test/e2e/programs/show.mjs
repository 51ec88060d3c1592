// Prints what it was started with; an ES module with a top-level await of the network.
import { once } from "node:events";
import { createServer } from "node:net";

const server = createServer().listen(0);
await once(server, "listening");
server.close();
console.log(
  JSON.stringify({
    kind: typeof require === "undefined" ? "module" : "commonjs",
    args: process.argv.slice(2),
    url: import.meta.url,
  }),
);
