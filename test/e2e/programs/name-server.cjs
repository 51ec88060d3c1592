// A DNS server on UDP port 53 of every address: answers A questions for the names in the variable
// NAMES (JSON: name -> address), and NXDOMAIN for all others.
const dgram = require("node:dgram");
const packet = require("dns-packet");

const names = JSON.parse(process.env.NAMES);
const server = dgram.createSocket("udp4");
server.on("message", (data, from) => {
  const query = packet.decode(data);
  const [question] = query.questions;
  const address = names[question.name.toLowerCase()];
  const answers =
    address !== undefined && question.type === "A"
      ? [{ type: "A", name: question.name, ttl: 5, data: address }]
      : [];
  const flags = address === undefined ? 3 : 0;
  const reply = { type: "response", id: query.id, questions: query.questions, answers, flags };
  server.send(packet.encode(reply), from.port, from.address);
});
server.bind(53, () => console.log("ready"));
