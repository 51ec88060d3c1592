// A name that nobody has: .invalid (RFC 6761, 6.4), in lookup, net and fetch.
import dns from "node:dns";
import net from "node:net";
import { fault, once, track, watchSocket } from "../../observe.cjs";

const log = track("all");
const NAME = "no-such-name.invalid";
// A machine without a name server says EAI_AGAIN.
const softened = (error) => {
  const seen = JSON.stringify(fault(error));
  return JSON.parse(seen.replaceAll("EAI_AGAIN", "ENOTFOUND").replaceAll("-3001", "-3008"));
};
log("lookup", softened(await dns.promises.lookup(NAME).catch((error) => error)));
log(
  "lookup all",
  softened(await dns.promises.lookup(NAME, { all: true, family: 4 }).catch((error) => error)),
);
const socket = net.connect(80, NAME);
watchSocket(track("socket"), socket).removeAllListeners("lookup");
socket.removeAllListeners("error");
socket.on("error", (error) => log("socket", softened(error)));
await once(socket, "close");
await fetch(`http://${NAME}/`).catch((error) => log("fetch", softened(error)));
