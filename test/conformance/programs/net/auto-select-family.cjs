// One of two addresses answers: the socket falls over to it.
const net = require("node:net");
const { listen, once, track, watchSocket } = require("../../observe.cjs");

const lookup = (list) => (_host, options, callback) =>
  options.all ? callback(null, list) : callback(null, list[0].address, list[0].family);
(async () => {
  const server = net.createServer((socket) => socket.end("hi"));
  const port = await listen(server, "port", "127.0.0.1");
  const six = { address: "::1", family: 6 };
  const four = { address: "127.0.0.1", family: 4 };
  for (const [name, list] of [
    ["1 six first", [six, four]],
    ["2 four first", [four, six]],
    ["3 other four", [{ address: "127.0.0.3", family: 4 }, six, four]],
  ]) {
    const log = track(name);
    const socket = watchSocket(
      log,
      net.connect({ port, host: "many.example", lookup: lookup(list), autoSelectFamily: true }),
      ["data", "connectionAttempt", "connectionAttemptFailed"],
    );
    await once(socket, "close");
    log("attempted", socket.autoSelectFamilyAttemptedAddresses);
  }
  server.close();
})();
