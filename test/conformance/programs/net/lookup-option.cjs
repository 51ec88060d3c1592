// The lookup option and the lookup event; what lookup is given; its errors.
const net = require("node:net");
const { listen, once, track, watchSocket } = require("../../observe.cjs");

(async () => {
  const server = net.createServer((socket) => socket.end());
  const port = await listen(server, "port", "127.0.0.1");
  const run = async (name, options) => {
    const log = track(name);
    const wrapped = options.lookup;
    if (wrapped !== undefined) {
      options.lookup = (host, given, callback) => {
        log("asked", host, given);
        wrapped(host, given, callback);
      };
    }
    try {
      const socket = watchSocket(log, net.connect({ port, ...options }));
      socket.resume();
      log("connecting", socket.connecting);
      await once(socket, "close");
    } catch (error) {
      log("throws", error);
    }
  };
  const one = (_host, _options, callback) => callback(null, "127.0.0.1", 4);
  const plain = { autoSelectFamily: false };
  await run("1 one", { host: "some.example", lookup: one, ...plain });
  await run("2 later", {
    host: "some.example",
    lookup: (...all) => setImmediate(one, ...all),
    ...plain,
  });
  await run("3 fails", {
    host: "some.example",
    lookup: (_host, _options, callback) =>
      callback(Object.assign(new Error("no such name"), { code: "ENOTFOUND" })),
    ...plain,
  });
  await run("4 no address", {
    host: "some.example",
    lookup: (_host, _options, callback) => callback(null, "nonsense", 4),
    ...plain,
  });
  await run("5 family 9", {
    host: "some.example",
    lookup: (_host, _options, callback) => callback(null, "127.0.0.1", 9),
    ...plain,
  });
  await run("6 literal", { host: "127.0.0.1", lookup: one });
  await run("7 all", {
    host: "some.example",
    lookup: (_host, _options, callback) => callback(null, [{ address: "127.0.0.1", family: 4 }]),
    autoSelectFamily: true,
  });
  await run("8 hints", { host: "some.example", lookup: one, family: 4, hints: 0, ...plain });
  await run("9 not a function", { host: "some.example", lookup: "x" });
  await run("a localhost", { host: "localhost", family: 4 });
  server.close();
})();
