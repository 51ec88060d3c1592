// A socket that was never connected: write, end, read.
const net = require("node:net");
const { track, watchSocket } = require("../../observe.cjs");

const one = track("1 write");
const written = watchSocket(one, new net.Socket());
one(
  "returns",
  written.write("x", (error) => one("callback", error)),
);

const two = track("2 end");
const ended = watchSocket(two, new net.Socket());
two("returns itself", ended.end() === ended);

const three = track("3 destroy");
const destroyed = watchSocket(three, new net.Socket());
three("returns itself", destroyed.destroy(new Error("mine")) === destroyed);
three("again", destroyed.destroy(new Error("other")) === destroyed);
three(
  "write",
  destroyed.write("x", (error) => three("write callback", error)),
);

const four = track("4 calls");
const calls = new net.Socket();
four("setNoDelay", calls.setNoDelay() === calls, calls.setKeepAlive(true, 1000) === calls);
four("setTimeout", calls.setTimeout(0) === calls, calls.timeout);
four("address", calls.address(), calls.remoteAddress, calls.localAddress, calls.localPort);
four("counts", calls.bytesRead, calls.bytesWritten, calls.remotePort, calls.remoteFamily);
four("ref", calls.ref() === calls, calls.unref() === calls);
