import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { PhaseName } from "./core/think.ts";
import type { Mix } from "./data.ts";
import type { LoadProgress, LoadResult } from "./driver.ts";
import type { LoadSummary } from "./statistics.ts";

/** A load as plain data, for a driver in a process of its own. */
export interface LoadOrder {
  readonly url: string;
  readonly mix: Mix;
  readonly scale: number;
  readonly clients: number;
  readonly seed: number;
  readonly slowdown: number;
  readonly upSeconds: number;
  readonly runSeconds: number;
}

export type LoadReport =
  | { readonly kind: "phase"; readonly phase: PhaseName | "end" }
  | { readonly kind: "progress"; readonly progress: LoadProgress }
  | { readonly kind: "done"; readonly summary: LoadSummary; readonly aborted: boolean }
  | { readonly kind: "failed"; readonly message: string };

export interface LoadEvents {
  readonly onPhase?: (phase: PhaseName | "end") => void;
  readonly onProgress?: (progress: LoadProgress) => void;
}

/** The program to start, with an IPC channel, for `driveRemotely`. */
export const DRIVER_PROGRAM = fileURLToPath(new URL("./driver-process.js", import.meta.url));

/** Runs a load in a process that was started from DRIVER_PROGRAM. */
export function driveRemotely(
  driver: ChildProcess,
  order: LoadOrder,
  events: LoadEvents,
): Promise<LoadResult> {
  return new Promise((resolve, reject) => {
    driver.on("message", (report: LoadReport) => {
      if (report.kind === "phase") events.onPhase?.(report.phase);
      else if (report.kind === "progress") events.onProgress?.(report.progress);
      else if (report.kind === "done") resolve(report);
      else reject(new Error(`load generator: ${report.message}`));
    });
    driver.once("error", reject);
    driver.once("exit", (code, signal) =>
      reject(new Error(`the load generator ended early (${signal ?? `exit code ${code}`})`)),
    );
    driver.send(order);
  });
}
