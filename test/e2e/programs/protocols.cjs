// TCP, TLS, UDP and DNS, each with a server of its own; prints what came back, as one JSON.
const dgram = require("node:dgram");
const dns = require("node:dns");
const https = require("node:https");
const net = require("node:net");
const { once } = require("node:events");

const { key, cert } = JSON.parse(process.env.CERTIFICATE);

async function tcp() {
  const server = net.createServer((socket) => socket.end("over TCP")).listen(0, "127.0.0.1");
  await once(server, "listening");
  const socket = net.connect(server.address().port, "127.0.0.1");
  const [data] = await once(socket, "data");
  server.close();
  return data.toString();
}

async function tls() {
  const server = https.createServer({ key, cert }, (_request, response) =>
    response.end("over TLS"),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const options = { port: server.address().port, host: "127.0.0.1", ca: cert, agent: false };
  const [response] = await once(https.get({ ...options, servername: "localhost" }), "response");
  const [data] = await once(response, "data");
  const { socket } = response;
  const { authorized } = socket;
  if (!socket.destroyed) await once(socket, "close");
  server.close();
  return `${data} ${authorized}`;
}

async function udp() {
  const server = dgram.createSocket("udp4");
  server.on("message", (data, from) => server.send(`${data} back`, from.port, from.address));
  server.bind(0, "127.0.0.1");
  await once(server, "listening");
  const client = dgram.createSocket("udp4");
  client.send("over UDP", server.address().port, "127.0.0.1");
  const [data] = await once(client, "message");
  client.close();
  server.close();
  return data.toString();
}

/** A name server that knows one address for every name. */
async function resolve() {
  const server = dgram.createSocket("udp4");
  server.on("message", (query, from) => {
    const end = query.indexOf(0, 12) + 5;
    const head = Buffer.from(query.subarray(0, 12));
    head.writeUInt16BE(0x8180, 2);
    head.writeUInt16BE(1, 6);
    head.writeUInt16BE(0, 8);
    head.writeUInt16BE(0, 10);
    const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7]);
    const reply = Buffer.concat([head, query.subarray(12, end), answer]);
    server.send(reply, from.port, from.address);
  });
  server.bind(0, "127.0.0.1");
  await once(server, "listening");
  const resolver = new dns.promises.Resolver();
  resolver.setServers([`127.0.0.1:${server.address().port}`]);
  const addresses = await resolver.resolve4("somewhere.test");
  server.close();
  return addresses;
}

async function main() {
  const { address } = await dns.promises.lookup("localhost", { family: 4 });
  const found = { tcp: await tcp(), tls: await tls(), udp: await udp(), dns: await resolve() };
  console.log(JSON.stringify({ ...found, lookup: address }));
}

main();
