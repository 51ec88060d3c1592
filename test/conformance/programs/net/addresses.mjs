// What a server and both ends say of their addresses, for each way to listen and to connect.
import net from "node:net";
import { listen, once, track } from "../../observe.cjs";

const ends = (socket) => ({
  local: [socket.localAddress, socket.localFamily],
  remote: [socket.remoteAddress, socket.remoteFamily],
  address: { ...socket.address(), port: typeof socket.address().port },
});

const WHERE = [
  [undefined, ["127.0.0.1", "::1", "localhost"]],
  ["0.0.0.0", ["127.0.0.1", "localhost", "0.0.0.0"]],
  ["::", ["127.0.0.1", "::1", "::"]],
  ["127.0.0.1", ["127.0.0.1"]],
  ["127.0.0.2", ["127.0.0.2"]],
  ["::1", ["::1"]],
  ["localhost", ["localhost"]],
];
const log = track("all");
for (const [host, targets] of WHERE) {
  const server = net.createServer();
  const port = await listen(server, "port", ...(host === undefined ? [] : [host]));
  log("listen", host, server.address());
  for (const target of targets) {
    const accepted = once(server, "connection");
    const client = net.connect(port, target);
    await once(client, "connect");
    const [peer] = await accepted;
    log("connect", target, "client", ends(client));
    log("connect", target, "server", ends(peer));
    log("ports agree", client.localPort === peer.remotePort, client.remotePort === port);
    client.end();
    peer.end();
    client.resume();
    peer.resume();
    await Promise.all([once(client, "close"), once(peer, "close")]);
    log("after close", client.address(), client.localPort, client.remoteAddress);
  }
  server.close();
  await once(server, "close");
  log("closed", server.address(), server.listening);
}
