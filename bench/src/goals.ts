/** What is promised of the works, and whether a run shows it. */
import type { Row } from "./rows.ts";
import type { Reference } from "./setups.ts";
import { BASELINE, type Path, UNIX } from "./works.ts";

interface Goal {
  readonly text: string;
  readonly work: string;
  readonly path: Path;
  readonly mode: "outsourced";
  readonly to: Reference;
  /** Of the row's value, or of its processor time; both are how many times better. */
  readonly of: "value" | "cpu";
  readonly atLeast: number;
}

function goal(
  text: string,
  work: string,
  path: Path,
  atLeast: number,
  to: Reference = BASELINE,
  of: Goal["of"] = "value",
): Goal {
  return { text, work, path, mode: "outsourced", to, of, atLeast };
}

/** Latency and processor time count inverted: a fifth of the time is 5 times better. */
const GOALS: readonly Goal[] = [
  goal("bulk up, 64 KiB writes: >= 4x TCP", "stream-up", "guest-guest", 4),
  goal("bulk up, 64 KiB writes: >= 1.5x Unix sockets", "stream-up", "guest-guest", 1.5, UNIX),
  goal("bulk down, 64 KiB writes: >= 4x TCP", "stream-down", "guest-guest", 4),
  goal("bulk down, 64 KiB writes: >= 1.5x Unix sockets", "stream-down", "guest-guest", 1.5, UNIX),
  goal("ping-pong 64 B, p50: <= 1/5 of TCP", "ping-pong", "guest-guest", 5),
  goal("HTTP 1 KiB, 32 connections: >= 1.4x TCP", "http-32", "guest-guest", 1.4),
  goal("HTTP 1 KiB, 32 connections: above Unix sockets", "http-32", "guest-guest", 1, UNIX),
  goal(
    "HTTP 1 KiB, 32 connections: <= 0.6x CPU a request",
    "http-32",
    "guest-guest",
    1 / 0.6,
    BASELINE,
    "cpu",
  ),
  goal("HTTP 1 KiB, 1 connection, p50: <= 1/4 of TCP", "http-1", "guest-guest", 4),
  goal("connect-request-close: >= 1x TCP", "connect", "guest-guest", 1),
  goal("connect-request-close: >= 0.7x TCP", "connect", "guest-outside", 0.7),
  goal("bulk up: >= 0.95x TCP", "stream-up", "guest-outside", 0.95),
  goal("bulk down: >= 0.95x TCP", "stream-down", "guest-outside", 0.95),
  goal("ping-pong 64 B, p50: >= 0.8x TCP", "ping-pong", "guest-outside", 0.8),
  goal("p99 beside another guest's flood: < 1.5x alone", "flood", "guest-guest", 1 / 1.5, "alone"),
];

/** "open": the 95 % interval has the goal within, or there is none. */
type Verdict = "reached" | "missed" | "open";

export interface GoalResult extends Goal {
  /** How many times better; null when it was not measured. */
  readonly measured: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly verdict: Verdict | "not measured";
}

function verdictOf(atLeast: number, low: number | null, high: number | null): Verdict {
  if (low === null || high === null) return "open";
  if (low >= atLeast) return "reached";
  return high < atLeast ? "missed" : "open";
}

/** Every goal, with what the rows say about it. */
export function judge(rows: readonly Row[]): GoalResult[] {
  return GOALS.map((one) => {
    const ratio = rows
      .find(
        ({ work, path, mode, flooded }) =>
          work === one.work &&
          path === one.path &&
          mode === one.mode &&
          flooded === (one.to === "alone"),
      )
      ?.ratios.find(({ to, of }) => to === one.to && of === one.of);
    if (ratio === undefined) {
      return { ...one, measured: null, low: null, high: null, verdict: "not measured" };
    }
    const { ratio: measured, low, high } = ratio;
    return { ...one, measured, low, high, verdict: verdictOf(one.atLeast, low, high) };
  });
}
