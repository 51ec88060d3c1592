/**
 * Loaded by `--import` into a process of which a CPU profile is wanted: Node 20 does not take
 * `--cpu-prof` in NODE_OPTIONS. Writes it to the file in BENCH_PROFILE when the process exits.
 */
import { writeFileSync } from "node:fs";
import { Session } from "node:inspector";

const INTERVAL_US = 500;

/** A process that replaces itself must not have a profiler: its SIGPROF would kill what follows. */
function replacesItself(): boolean {
  const [, program = "", command] = process.argv;
  return /\boutsock(\.js)?$/.test(program) && command === "run";
}

const file = process.env.BENCH_PROFILE;
if (file !== undefined && !replacesItself()) {
  const session = new Session();
  session.connect();
  session.post("Profiler.enable");
  session.post("Profiler.setSamplingInterval", { interval: INTERVAL_US });
  session.post("Profiler.start");
  process.on("exit", () => {
    // The answer comes before post() returns.
    session.post("Profiler.stop", (error, result) => {
      if (error === null) writeFileSync(file, JSON.stringify(result.profile));
    });
  });
}
