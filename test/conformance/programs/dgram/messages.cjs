// bind, send in its forms, message and rinfo, over IPv4 and IPv6.
const dgram = require("node:dgram");
const { once, port: named, track } = require("../../observe.cjs");

(async () => {
  for (const [type, host] of [
    ["udp4", "127.0.0.1"],
    ["udp6", "::1"],
  ]) {
    const log = track(type);
    const server = dgram.createSocket(type);
    server.on("listening", () => log("listening"));
    server.on("close", () => log("close"));
    log("bind returns itself", server.bind(0, host) === server);
    await once(server, "listening");
    const { address, family, port } = server.address();
    named(port, `${type} server`);
    log("address", address, family, port);
    const client = dgram.createSocket({ type });
    const receive = async (...args) => {
      const got = once(server, "message");
      client.send(...args);
      const [message, info] = await got;
      named(info.port, `${type} client`);
      log("message", message, info);
    };
    await receive("text", port, host);
    await receive(Buffer.from("buffer"), port, host, (error, bytes) => log("sent", error, bytes));
    await receive(Buffer.from("a slice of it"), 2, 5, port, host);
    await receive(["several ", Buffer.from("parts "), new Uint8Array([33])], port, host);
    await receive(new Uint8Array([65, 66]), port, host);
    await receive("", port, host);
    await receive(Buffer.alloc(9000, "z"), port, host);
    log("implicit bind", client.address().address, client.address().port);
    const answered = once(client, "message");
    server.send("answer", client.address().port, host);
    log("answer", (await answered)[0]);
    client.close(() => log("client closed"));
    await once(client, "close");
    server.close();
    await once(server, "close");
  }
})();
