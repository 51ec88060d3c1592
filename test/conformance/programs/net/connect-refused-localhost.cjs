// The same through a name, with and without autoSelectFamily.
const net = require("node:net");
const { listen, once, track, watchSocket } = require("../../observe.cjs");

(async () => {
  const closed = net.createServer();
  const port = await listen(closed, "port", "127.0.0.1");
  closed.close();
  await once(closed, "close");
  const TWO = [
    { address: "127.0.0.1", family: 4 },
    { address: "::1", family: 6 },
  ];
  const both = (_host, options, callback) =>
    options.all ? callback(null, TWO) : callback(null, TWO[0].address, 4);
  for (const [name, options] of [
    ["1 localhost", { host: "localhost" }],
    ["2 family 4", { host: "localhost", family: 4 }],
    ["3 no auto", { host: "localhost", autoSelectFamily: false }],
    ["4 two addresses", { host: "two.example", lookup: both }],
    ["5 two, no auto", { host: "two.example", lookup: both, autoSelectFamily: false }],
  ]) {
    const log = track(name);
    const socket = watchSocket(log, net.connect({ port, ...options }), [
      "connectionAttempt",
      "connectionAttemptFailed",
      "connectionAttemptTimeout",
    ]);
    await once(socket, "close");
    log("attempted", socket.autoSelectFamilyAttemptedAddresses);
  }
  track("6 defaults")(
    "default",
    net.getDefaultAutoSelectFamily(),
    net.getDefaultAutoSelectFamilyAttemptTimeout() >= 250,
  );
})();
