// A worker of the agent that breaks when it is told to.
import { BroadcastChannel, workerData } from "node:worker_threads";
import "../../../services/host-agent/dist/workers/worker-main.js";

new BroadcastChannel("break").onmessage = ({ data }) => {
  if (data !== workerData.worker) return;
  setImmediate(() => {
    throw new Error("broken by the test");
  });
};
