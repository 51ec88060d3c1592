// node breaking-agent.mjs SOCKET: an agent of two workers; each line of standard input names one
// that breaks.
import { createInterface } from "node:readline";
import { BroadcastChannel } from "node:worker_threads";
import { Agent } from "@outsock/host-agent";

const say = (fields, msg) => console.log(JSON.stringify({ ...fields, msg }));
const workerEntry = new URL("./breaking-worker.mjs", import.meta.url);
const agent = new Agent({
  log: { info: say, warn: say },
  version: "test",
  workers: 2,
  workerEntry,
});
await agent.listen(process.argv[2]);
const channel = new BroadcastChannel("break");
createInterface({ input: process.stdin }).on("line", (line) => channel.postMessage(Number(line)));
say({}, "listening on it");
