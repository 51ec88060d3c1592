/**
 * Entry of the process that runs a load for another process: takes one `LoadOrder` over IPC, sends
 * `LoadReport`s, ends with its parent.
 */
import { phases } from "./core/think.ts";
import { loadCatalogue, loadTable } from "./data.ts";
import { runLoad } from "./driver.ts";
import type { LoadOrder, LoadReport } from "./remote-driver.ts";

const stop = new AbortController();
const send = (report: LoadReport): void => void process.send?.(report);

process.on("disconnect", () => process.exit(0));
// A Ctrl-C of the terminal is the parent's to handle.
process.on("SIGINT", () => {});
process.on("message", (message: LoadOrder | "stop") => {
  if (message === "stop") stop.abort();
  else void obey(message);
});

async function obey(order: LoadOrder): Promise<void> {
  try {
    const { summary, aborted } = await runLoad({
      url: order.url,
      table: loadTable(order.mix),
      catalogue: loadCatalogue(order.scale),
      clients: order.clients,
      seed: order.seed,
      slowdown: order.slowdown,
      phases: phases(order.upSeconds, order.runSeconds, 0),
      progressEveryMs: 500,
      signal: stop.signal,
      onPhase: (phase) => send({ kind: "phase", phase }),
      onProgress: (progress) => send({ kind: "progress", progress }),
    });
    send({ kind: "done", summary, aborted });
  } catch (error) {
    send({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
  }
}
