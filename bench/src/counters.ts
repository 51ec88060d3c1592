/** What guests and agent count (doorbells, polls ...), as the agent's status tells it. */
import { createConnection } from "node:net";

/** Sums by name. None when nothing is counted. */
export type Counters = Readonly<Record<string, number>>;

/** As much of the agent's answer as is used; an agent that counts nothing leaves `counters` out. */
interface Status {
  readonly counters?: unknown;
  readonly guests?: readonly { readonly processes?: readonly { readonly counters?: unknown }[] }[];
}

const ANSWER_MS = 2_000;

/** Sums the counters of all guest processes and the agent's own, if it has any. */
export function sumOf({ counters, guests = [] }: Status): Counters {
  const all = [
    counters,
    ...guests.flatMap(({ processes = [] }) => processes.map((p) => p.counters)),
  ];
  const sum: Record<string, number> = {};
  for (const one of all) {
    if (typeof one !== "object" || one === null) continue;
    for (const [name, value] of Object.entries(one)) {
      if (typeof value === "number") sum[name] = (sum[name] ?? 0) + value;
    }
  }
  return sum;
}

export function difference(before: Counters, after: Counters): Counters {
  return Object.fromEntries(
    Object.entries(after).map(([name, value]) => [name, value - (before[name] ?? 0)]),
  );
}

/** Counters so far; none when the agent does not answer, for they are no reason to fail. */
export function readCounters(socketPath: string): Promise<Counters> {
  return new Promise((resolve) => {
    let text = "";
    const socket = createConnection(socketPath);
    socket.setEncoding("utf8");
    socket.setTimeout(ANSWER_MS, () => socket.destroy());
    socket.on("connect", () => socket.write('{"request":"status"}\n'));
    socket.on("data", (chunk: string) => {
      text += chunk;
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      try {
        resolve(sumOf(JSON.parse(text) as Status));
      } catch {
        resolve({});
      }
    });
  });
}
