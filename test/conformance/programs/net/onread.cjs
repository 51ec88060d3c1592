// The onread option: bytes land in one's own buffer, returning false pauses.
const net = require("node:net");
const { digest, listen, once, pattern, track } = require("../../observe.cjs");

(async () => {
  const log = track("all");
  const bytes = pattern(500_000);
  const server = net.createServer((socket) => socket.end(bytes));
  const port = await listen(server, "port", "127.0.0.1");

  const buffer = Buffer.alloc(4096);
  const parts = [];
  let sameBuffer = true;
  let inBounds = true;
  const socket = net.connect({
    port,
    host: "127.0.0.1",
    onread: {
      buffer,
      callback(length, given) {
        sameBuffer &&= given === buffer;
        inBounds &&= length > 0 && length <= 4096 && this === socket;
        parts.push(Buffer.from(given.subarray(0, length)));
        return true;
      },
    },
  });
  socket.on("data", () => log("never data"));
  await once(socket, "close");
  log(
    "buffer",
    sameBuffer,
    inBounds,
    digest(Buffer.concat(parts)) === digest(bytes),
    socket.bytesRead,
  );

  let asked = 0;
  let total = 0;
  let paused = 0;
  const second = net.connect({
    port,
    host: "127.0.0.1",
    onread: {
      buffer: () => {
        asked++;
        return Buffer.alloc(10_000);
      },
      callback(length) {
        total += length;
        if (total > 100_000 && paused === 0) {
          paused++;
          const before = total;
          setTimeout(() => {
            log("nothing while paused", total === before);
            second.resume();
          }, 30);
          return false;
        }
        return true;
      },
    },
  });
  await once(second, "close");
  log("function", asked > 1, total, paused);
  server.close();
})();
