/** What is measured: works, paths and modes by name, and how a sample becomes a value. */
import type { Sample } from "./programs/control.ts";

export const PATHS = ["guest-outside", "guest-guest"] as const;
export type Path = (typeof PATHS)[number];

export const BASELINE = "native";
/** `virtio` joins here. */
export const MODES = [BASELINE, "outsourced"] as const;
export type Mode = (typeof MODES)[number];

const MIB = 1024 * 1024;

interface Kind {
  readonly unit: "MB/s" | "us" | "ops/s";
  /** What CPU time is counted for. */
  readonly cpuPer: "operation" | "MiB";
  readonly value: (sample: Sample) => number;
  /** Units of `cpuPer` in the sample. */
  readonly count: (sample: Sample) => number;
  /** Better is less. */
  readonly inverted: boolean;
}

const STREAM: Kind = {
  unit: "MB/s",
  cpuPer: "MiB",
  value: ({ operations, seconds }) => operations / seconds / 1e6,
  count: ({ operations }) => operations / MIB,
  inverted: false,
};

const LATENCY: Kind = {
  unit: "us",
  cpuPer: "operation",
  value: ({ p50 }) => p50 ?? Number.NaN,
  count: ({ operations }) => operations,
  inverted: true,
};

const RATE: Kind = {
  unit: "ops/s",
  cpuPer: "operation",
  value: ({ operations, seconds }) => operations / seconds,
  count: ({ operations }) => operations,
  inverted: false,
};

export interface Work extends Kind {
  readonly name: string;
}

export const WORKS: readonly Work[] = [
  { name: "stream-up", ...STREAM },
  { name: "stream-down", ...STREAM },
  { name: "ping-pong", ...LATENCY },
  { name: "connect", ...RATE },
  { name: "http-1", ...LATENCY },
  { name: "http-32", ...RATE },
];
