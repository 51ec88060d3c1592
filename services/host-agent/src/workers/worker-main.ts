/** Entry of a worker thread: an event loop of its own with sessions of its own. */
import {
  type MessagePort,
  parentPort,
  receiveMessageOnPort,
  workerData,
} from "node:worker_threads";
import type { Endpoint } from "@outsock/vrpc";
import { guestsByName } from "../guest-names.ts";
import type { FromWorker, NameMessage, ToWorker } from "./messages.ts";
import { SharedCounts } from "./shared-counts.ts";
import { WorkerSide } from "./worker-side.ts";

export interface WorkerData {
  worker: number;
  counts: SharedArrayBuffer;
  names: MessagePort;
}

const { worker, counts, names } = workerData as WorkerData;
const port = parentPort!;
const known = new Map<string, Endpoint>();

/** What was said of names before now is known now: a guest that another one knows of is there. */
function resolve(name: string): Endpoint[] {
  for (;;) {
    const received = receiveMessageOnPort(names) as { message: NameMessage } | undefined;
    if (received === undefined) break;
    const { name: guest, endpoint } = received.message;
    if (endpoint === undefined) known.delete(guest);
    else known.set(guest, endpoint);
  }
  return guestsByName(name, (guest) => known.get(guest));
}

const tell = (message: FromWorker): void => port.postMessage(message);
const side = new WorkerSide({ worker, counts: new SharedCounts(counts), tell, resolve });

process.on("uncaughtException", (error) => {
  tell({ say: "broken", reason: error?.stack ?? String(error) });
  side.abandon();
  process.exit(1);
});

port.on("message", (message: ToWorker) => {
  side.hear(message);
  if (message.say === "stop") process.exit(0);
});
tell({ say: "ready" });
