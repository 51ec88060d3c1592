/** How a measured program is told what to do: JSON lines on standard input and output. */
import { createInterface } from "node:readline";

/** What one sample measured. */
export interface Sample {
  /** Operations done; of a stream, the writes. */
  readonly operations: number;
  readonly seconds: number;
  /** Of a stream. */
  readonly bytes?: number;
  /** Of one operation, microseconds; absent for streams. */
  readonly p50?: number;
  readonly p99?: number;
}

/** Where the server listens: a port of an address, or a Unix socket. */
export type Place = { readonly host: string; readonly port: number } | { readonly path: string };

export function say(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/** Does what each line asks, one after the other. The end of the input ends the program. */
export function obey(action: (request: { readonly seconds: number }) => Promise<Sample>): void {
  let last: Promise<unknown> = Promise.resolve();
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => {
    last = last.then(async () => say(await action(JSON.parse(line))));
  });
  lines.on("close", () => process.exit(0));
}
