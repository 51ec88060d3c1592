/** What is measured: works, paths and modes by name, and how a sample becomes a value. */
import type { Sample } from "./programs/control.ts";

export const PATHS = ["guest-outside", "guest-guest"] as const;
export type Path = (typeof PATHS)[number];

/** Two plain processes over the kernel's loopback, and over a Unix socket. */
export const BASELINE = "native";
export const UNIX = "native-unix";
/** `virtio` joins here. */
export const MODES = [BASELINE, UNIX, "outsourced"] as const;
export type Mode = (typeof MODES)[number];
/** Modes whose programs run in guests. */
export type GuestMode = Exclude<Mode, typeof BASELINE | typeof UNIX>;

export function isGuestMode(mode: Mode): mode is GuestMode {
  return mode !== BASELINE && mode !== UNIX;
}

interface Kind {
  readonly unit: "MB/s" | "us" | "ops/s";
  /** Which number the unit is of. */
  readonly label: "throughput" | "p50" | "p99";
  readonly value: (sample: Sample) => number;
  /** Better is less. */
  readonly inverted: boolean;
  /** What one operation is, of which processor time and doorbells are told. */
  readonly operation: "write" | "round trip" | "connection" | "request";
}

export interface Work extends Kind {
  readonly name: string;
  /** What both programs are told to do: its name, and its one number. */
  readonly program: readonly [name: string, parameter: number];
  /** Every setup is measured twice: alone, and beside a pair of guests that transfers in bulk. */
  readonly flooded?: true;
}

const FRAME = 64 * 1024;

function stream(name: string, direction: string, bytes: number): Work {
  return {
    name,
    program: [direction, bytes],
    unit: "MB/s",
    label: "throughput",
    value: ({ bytes: moved = 0, seconds }) => moved / seconds / 1e6,
    inverted: false,
    operation: "write",
  };
}

const RATE = {
  unit: "ops/s",
  label: "throughput",
  value: ({ operations, seconds }: Sample) => operations / seconds,
  inverted: false,
} as const;

const MEDIAN = {
  unit: "us",
  label: "p50",
  value: ({ p50 }: Sample) => p50 ?? Number.NaN,
  inverted: true,
} as const;

const TAIL = { ...MEDIAN, label: "p99", value: ({ p99 }: Sample) => p99 ?? Number.NaN } as const;

const PING_PONG = { program: ["ping-pong", 0], operation: "round trip" } as const;

function http(connections: number): Work {
  const kind = connections === 1 ? MEDIAN : RATE;
  const name = `http-${connections}`;
  return { name, program: ["http", connections], operation: "request", ...kind };
}

const UNITS = { "": 1, k: 1024, m: 1024 * 1024 } as const;

/** "64", "16k", "1m" in bytes; undefined when it is no such text or beyond what is sensible. */
export function parseSize(text: string): number | undefined {
  const [, digits, unit] = /^([1-9]\d{0,6})([km]?)$/i.exec(text.trim()) ?? [];
  if (digits === undefined) return undefined;
  const bytes = Number(digits) * UNITS[(unit ?? "").toLowerCase() as keyof typeof UNITS];
  return bytes <= 16 * UNITS.m ? bytes : undefined;
}

export function sizeName(bytes: number): string {
  if (bytes % UNITS.m === 0) return `${bytes / UNITS.m}m`;
  return bytes % UNITS.k === 0 ? `${bytes / UNITS.k}k` : String(bytes);
}

/** Connections that one client process holds; its descriptors have to do for them. */
export function parseConnections(text: string): number | undefined {
  const count = /^[1-9]\d{0,4}$/.test(text.trim()) ? Number(text) : 0;
  return count >= 1 && count <= 10_000 ? count : undefined;
}

/** The works of `--only` that stand for several, one for each size or number of connections. */
export interface Ladder {
  readonly sizes: readonly number[];
  readonly connections: readonly number[];
}

export const DEFAULT_LADDER: Ladder = {
  sizes: [64, UNITS.k, 16 * UNITS.k, 64 * UNITS.k, 256 * UNITS.k, UNITS.m],
  connections: [1, 32, 256, 1000],
};

type Family = (ladder: Ladder) => readonly Work[];

const messages = (bytes: number): Work => stream(`messages-${sizeName(bytes)}`, "stream-up", bytes);

/** In the order in which they are measured. */
const FAMILIES: Readonly<Record<string, Family>> = {
  "stream-up": () => [stream("stream-up", "stream-up", FRAME)],
  "stream-down": () => [stream("stream-down", "stream-down", FRAME)],
  messages: ({ sizes }) => sizes.map(messages),
  "ping-pong": () => [{ name: "ping-pong", ...PING_PONG, ...MEDIAN }],
  connect: () => [{ name: "connect", program: ["connect", 0], operation: "connection", ...RATE }],
  http: ({ connections }) => connections.map(http),
  flood: () => [{ name: "flood", ...PING_PONG, ...TAIL, flooded: true }],
};

export const WORK_NAMES: readonly string[] = [
  ...Object.keys(FAMILIES),
  "messages-SIZE",
  "http-CONNECTIONS",
];

/** Works by the name of one or of several; none when there is no such name. */
export function worksNamed(name: string, ladder: Ladder): readonly Work[] {
  const family = Object.hasOwn(FAMILIES, name) ? FAMILIES[name] : undefined;
  if (family !== undefined) return family(ladder);
  const [, kind, parameter = ""] = /^(messages|http)-(.+)$/.exec(name) ?? [];
  const size = kind === "messages" ? parseSize(parameter) : undefined;
  if (size !== undefined) return [messages(size)];
  const connections = kind === "http" ? parseConnections(parameter) : undefined;
  return connections === undefined ? [] : [http(connections)];
}

export function allWorks(ladder: Ladder): readonly Work[] {
  return Object.values(FAMILIES).flatMap((family) => family(ladder));
}
