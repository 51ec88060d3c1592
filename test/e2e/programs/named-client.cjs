// node named-client.cjs PORT CONNECTIONS AT_ONCE NAME...: connects to all of them, in turn, says
// something that no other connection says, and counts which answer came from whom.
const net = require("node:net");
const [port, connections, atOnce, ...names] = process.argv.slice(2);
const result = { right: 0, crossed: 0, failed: [] };
let next = 0;
let open = 0;

function one() {
  if (next === Number(connections)) {
    if (open === 0) console.log(JSON.stringify(result));
    return;
  }
  const name = names[next % names.length];
  const expected = `${name}\nconnection ${next++}`;
  open++;
  let text = "";
  const socket = net.connect({ host: name, port: Number(port) });
  socket.on("connect", () => socket.end(expected.split("\n")[1]));
  socket.on("data", (data) => {
    text += data;
  });
  socket.on("error", (error) => result.failed.push(error.code));
  socket.on("close", () => {
    open--;
    if (text === expected) result.right++;
    else result.crossed++;
    one();
  });
}

for (let n = 0; n < Number(atOnce); n++) one();
