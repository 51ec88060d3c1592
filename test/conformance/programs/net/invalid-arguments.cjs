// What the calls of net say of bad arguments.
const net = require("node:net");
const { attempt, track } = require("../../observe.cjs");

const log = track("all");
const quiet = (socket) => {
  socket.on("error", () => {});
  socket.destroy();
  return "accepted";
};
for (const args of [
  [],
  [{}],
  [-1],
  [65536],
  ["port"],
  [{ port: "x" }],
  [{ port: 80, host: 5 }],
  [{ port: 80, host: "127.0.0.1", localAddress: "nonsense" }],
  [{ port: 80, host: "127.0.0.1", localPort: "x" }],
  [{ port: 80, host: "127.0.0.1", family: 7 }],
  [{ port: 80, host: "127.0.0.1", autoSelectFamily: 1 }],
  [{ port: 80, host: "127.0.0.1", autoSelectFamilyAttemptTimeout: -1 }],
  [{ port: true }],
  [{ path: 7 }],
  [{ port: 80, host: "127.0.0.1", signal: 1 }],
]) {
  attempt(log, `connect(${JSON.stringify(args)})`, () => quiet(net.connect(...args)));
}
const socket = new net.Socket();
attempt(log, "write number", () => socket.write(5));
attempt(log, "write null", () => socket.write(null));
attempt(log, "write object", () => socket.write({}));
attempt(log, "write bad encoding", () => socket.write("x", "no-encoding"));
attempt(log, "setEncoding", () => socket.setEncoding("no-encoding"));
attempt(log, "setTimeout", () => socket.setTimeout("soon"));
attempt(log, "setTimeout", () => socket.setTimeout(-1));
attempt(log, "setTimeout callback", () => socket.setTimeout(1, "x"));
attempt(log, "objectMode", () => new net.Socket({ objectMode: true }));
attempt(log, "readableObjectMode", () => new net.Socket({ readableObjectMode: true }));
attempt(log, "fd", () => new net.Socket({ fd: -1 }));
attempt(log, "onread", () => quiet(net.connect({ port: 1, host: "127.0.0.1", onread: 5 })));
attempt(log, "isIP", () =>
  ["::1", "1.2.3.4", "1.2.3", "fe80::1%eth0", "", "::ffff:1.2.3.4"].map(net.isIP),
);
attempt(log, "isIPv4", () => [net.isIPv4("1.2.3.4"), net.isIPv4("::1")]);
attempt(log, "isIPv6", () => [net.isIPv6("1.2.3.4"), net.isIPv6("::1")]);
attempt(log, "setDefaultAutoSelectFamily", () => net.setDefaultAutoSelectFamily("x"));
attempt(log, "timeout", () => net.setDefaultAutoSelectFamilyAttemptTimeout(0));
socket.on("error", (error) => log("error event", error));
socket.on("close", (hadError) => log("close", hadError));
