import { DRIVER_PROGRAM, driveRemotely } from "@outsock/loadtest";
import type { CompareOptions } from "./options.ts";
import type { ProcessSet } from "./processes.ts";
import type { Generator } from "./run.ts";

/**
 * The load generator in a process of its own: its processor time can be told apart, and this
 * process stays free to answer Ctrl-C.
 */
export function startGenerator(processes: ProcessSet, options: CompareOptions): Generator {
  const path = process.env.PATH;
  const started = processes.start("load generator", [DRIVER_PROGRAM], {
    env: path === undefined ? {} : { PATH: path },
    ipc: true,
  });
  return {
    pid: started.pid,
    drive: (url, events) =>
      driveRemotely(
        started.child,
        {
          url,
          mix: options.mix,
          scale: options.scale,
          clients: options.clients,
          seed: options.seed,
          slowdown: options.think,
          upSeconds: options.warmUpSeconds,
          runSeconds: options.seconds,
        },
        events,
      ),
    // It has nothing to put in order: no need to wait.
    stop: () => processes.stop([started], 0),
  };
}
