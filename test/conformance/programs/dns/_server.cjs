// A name server of one's own on 127.0.0.1, over UDP and TCP, in the hands of dns-packet.
const dgram = require("node:dgram");
const net = require("node:net");
const packet = require("dns-packet");
const { once, port: named } = require("../../observe.cjs");

const ZONE = {
  "a.test A": [
    { data: "192.0.2.1", ttl: 60 },
    { data: "192.0.2.2", ttl: 61 },
  ],
  "a.test AAAA": [{ data: "2001:db8::1", ttl: 62 }],
  "mail.test MX": [
    { data: { preference: 10, exchange: "mx1.test" } },
    { data: { preference: 20, exchange: "mx2.test" } },
  ],
  "text.test TXT": [{ data: ["one", "two"] }, { data: ["v=spf1 -all"] }],
  "_svc._tcp.test SRV": [{ data: { priority: 1, weight: 2, port: 8080, target: "host.test" } }],
  "alias.test CNAME": [{ data: "a.test" }],
  "zone.test NS": [{ data: "ns1.test" }, { data: "ns2.test" }],
  "zone.test SOA": [
    {
      data: {
        mname: "ns1.test",
        rname: "admin.test",
        serial: 7,
        refresh: 1,
        retry: 2,
        expire: 3,
        minimum: 4,
      },
    },
  ],
  "1.2.0.192.in-addr.arpa PTR": [{ data: "a.test" }],
  "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR": [
    { data: "six.test" },
  ],
  "ptr.test PTR": [{ data: "p1.test" }, { data: "p2.test" }],
  "caa.test CAA": [{ data: { flags: 0, tag: "issue", value: "ca.test" } }],
  "naptr.test NAPTR": [
    {
      data: {
        order: 1,
        preference: 2,
        flags: "s",
        services: "SIP",
        regexp: "",
        replacement: "r.test",
      },
    },
  ],
  "big.test TXT": Array.from({ length: 60 }, (_, i) => ({ data: [`${i} `.padEnd(50, "x")] })),
};
const RCODES = {
  "servfail.test": 2,
  "refused.test": 5,
  "missing.test": 3,
  "notimp.test": 4,
  "formerr.test": 1,
};

/** Answers a query; undefined for the names that are never answered. */
function answer(query, overUdp) {
  const [{ name, type }] = query.questions;
  if (name === "silent.test") return undefined;
  const reply = {
    id: query.id,
    type: "response",
    flags: packet.RECURSION_DESIRED | packet.RECURSION_AVAILABLE,
    questions: query.questions,
    answers: [],
  };
  if (name in RCODES) {
    reply.flags |= RCODES[name];
    return packet.encode(reply);
  }
  let at = name;
  const alias = ZONE[`${name} CNAME`];
  if (alias !== undefined && type !== "CNAME") {
    reply.answers.push({ name, type: "CNAME", ttl: 50, data: alias[0].data });
    at = alias[0].data;
  }
  for (const record of ZONE[`${at} ${type}`] ?? [])
    reply.answers.push({ name: at, type, ttl: 300, ...record });
  const bytes = packet.encode(reply);
  if (!overUdp || bytes.length <= 512) return bytes;
  return packet.encode({ ...reply, answers: [], flags: reply.flags | packet.TRUNCATED_RESPONSE });
}

/** Starts the server; resolves to its address, what it was asked, and how to stop it. */
exports.start = async () => {
  const asked = [];
  const udp = dgram.createSocket("udp4");
  udp.on("message", (message, info) => {
    const query = packet.decode(message);
    asked.push(`udp ${query.questions[0].name} ${query.questions[0].type}`);
    const bytes = answer(query, true);
    if (bytes !== undefined) udp.send(bytes, info.port, info.address);
  });
  const tcp = net.createServer((socket) => {
    let seen = Buffer.alloc(0);
    socket.on("error", () => {});
    socket.on("data", (data) => {
      seen = Buffer.concat([seen, data]);
      while (seen.length >= 2 && seen.length >= 2 + seen.readUInt16BE()) {
        const query = packet.decode(seen.subarray(2, 2 + seen.readUInt16BE()));
        seen = seen.subarray(2 + seen.readUInt16BE());
        asked.push(`tcp ${query.questions[0].name} ${query.questions[0].type}`);
        const bytes = answer(query, false);
        const length = Buffer.alloc(2);
        length.writeUInt16BE(bytes.length);
        socket.write(Buffer.concat([length, bytes]));
      }
    });
  });
  // TCP picks the port: of the two it is the one whose ports others use.
  tcp.listen(0, "127.0.0.1");
  await once(tcp, "listening");
  const { port } = tcp.address();
  named(port, "dns");
  udp.bind(port, "127.0.0.1");
  await once(udp, "listening");
  return {
    address: `127.0.0.1:${port}`,
    asked,
    stop() {
      udp.close();
      tcp.close();
    },
  };
};
