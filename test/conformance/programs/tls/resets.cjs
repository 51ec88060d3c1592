// Half-close, reset and destroy under TLS.
const tls = require("node:tls");
const { listen, once, track, watchSocket } = require("../../observe.cjs");
const { serverOptions, trusting } = require("./_peers.cjs");

(async () => {
  const server = tls.createServer({ ...serverOptions, allowHalfOpen: true });
  const port = await listen(server, "port", "127.0.0.1");
  const meet = async (name, more) => {
    const accepted = once(server, "secureConnection");
    const client = tls.connect(trusting(port, more));
    watchSocket(track(`${name}: client`), client);
    const [[peer]] = await Promise.all([accepted, once(client, "secureConnect")]);
    watchSocket(track(`${name}: server`), peer);
    return [client, peer];
  };
  {
    const [client, peer] = await meet("1 half-close");
    client.end("question");
    let text = "";
    peer.on("data", (data) => {
      text += data;
    });
    await once(peer, "end");
    track("1 half-close: server")("got", text);
    peer.end("answer");
    track("1 half-close: client")("got", (await once(client, "data"))[0]);
    if (!client.closed) await once(client, "close");
  }
  {
    const [client, peer] = await meet("2 reset");
    peer.resume();
    const closed = once(peer, "close");
    client.resetAndDestroy();
    await closed;
  }
  {
    const [client, peer] = await meet("3 destroyed");
    const closed = once(client, "close");
    client.resume();
    peer.destroy();
    await closed;
  }
  {
    const [client, peer] = await meet("4 destroyed with an error");
    const closed = once(client, "close");
    client.resume();
    peer.destroy(new Error("mine"));
    await closed;
  }
  server.close();
})();
