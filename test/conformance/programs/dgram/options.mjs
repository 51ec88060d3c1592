// createSocket options: callback, reuseAddr, ipv6Only, lookup, signal, buffer sizes; bind forms.
import dgram from "node:dgram";
import { attempt, port as named, once, track } from "../../observe.cjs";

const log = track("all");
const bound = async (socket, ...args) => {
  socket.bind(...args);
  await once(socket, "listening");
  return named(socket.address().port, "port");
};
for (const args of [
  [],
  [0],
  [{ port: 0 }],
  [0, "127.0.0.1"],
  [{ port: 0, address: "localhost", exclusive: true }],
  [() => log("callback")],
  [0, () => log("callback")],
]) {
  const socket = dgram.createSocket("udp4");
  await bound(socket, ...args);
  log("bind", args, socket.address().address);
  socket.close();
}
const reused = [
  dgram.createSocket({ type: "udp4", reuseAddr: true }),
  dgram.createSocket({ type: "udp4", reuseAddr: true }),
];
const shared = await bound(reused[0], 0, "127.0.0.1");
await bound(reused[1], shared, "127.0.0.1");
log("reuseAddr", reused[0].address().port === reused[1].address().port);
for (const socket of reused) socket.close();

const six = dgram.createSocket({ type: "udp6", ipv6Only: true });
const port = await bound(six, 0);
const four = dgram.createSocket("udp4");
await bound(four, port);
log("ipv6Only", four.address().address, six.address().address);
six.close();
four.close();

const dual = dgram.createSocket("udp6", (message, info) =>
  log("dual", message, info.address, info.family),
);
const dualPort = await bound(dual, 0);
const sender = dgram.createSocket({
  type: "udp4",
  lookup: (host, options, callback) => {
    log("lookup", host, options);
    callback(null, "127.0.0.1", 4);
  },
});
const got = once(dual, "message");
sender.send("from four", dualPort, "named.example");
await got;
sender.close();
dual.close();

const control = new AbortController();
const aborted = dgram.createSocket({ type: "udp4", signal: control.signal });
await bound(aborted, 0);
control.abort();
await once(aborted, "close");
log("aborted");
attempt(log, "bad signal", () => dgram.createSocket({ type: "udp4", signal: 5 }));
const sized = dgram.createSocket({ type: "udp4", recvBufferSize: 50_000, sendBufferSize: 50_000 });
await bound(sized, 0);
log("sizes", sized.getRecvBufferSize() >= 50_000, sized.getSendBufferSize() >= 50_000);
sized.close();
