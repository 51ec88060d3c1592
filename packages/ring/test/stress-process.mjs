// One process of the stress test: region and doorbell are descriptors that it inherited.
import { drainBytes, mapShared, sendByte, waitReadable } from "@outsock/hostsys";
import { sharedMemory } from "@outsock/ring";
import { runSide } from "./stress-side.mjs";

const { side, seed, writes, regionBytes, regionFd, bellFd } = JSON.parse(process.argv[2]);
const { buffer } = mapShared(regionFd, regionBytes);
let ended = false;
const bell = {
  ring: () => sendByte(bellFd),
  wait: (ms) => {
    if (ended) throw new Error("the peer is gone");
    if (!waitReadable(bellFd, ms)) return false;
    // A peer that is finished rings for the last time and exits: that is no loss.
    ended = drainBytes(bellFd) === -1;
    return true;
  },
};
try {
  const result = runSide({ memory: sharedMemory(buffer), side, seed, writes, bell });
  process.stdout.write(JSON.stringify(result));
} catch (error) {
  process.stderr.write(`${error.stack}\n`);
  process.exitCode = 1;
}
