import { isMix, MIXES, type Mix } from "@outsock/loadtest";
import { isMode, MODES, type Mode } from "./modes.ts";

export interface CompareOptions {
  readonly quick: boolean;
  readonly modes: readonly Mode[];
  readonly repeats: number;
  readonly clients: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly mix: Mix;
  readonly scale: number;
  readonly seed: number;
  /** Factor on think time. */
  readonly think: number;
  /** Leaves out the last repeats rather than take longer; absent when the user set the length. */
  readonly budgetSeconds?: number;
  /** Directory under which the results are written. */
  readonly out: string;
}

/** An option that cannot be used; the message is one sentence for the user. */
export class OptionError extends Error {
  override readonly name = "OptionError";
}

/** Options as commander gives them: text, or absent. */
export interface CompareArguments {
  readonly quick?: boolean;
  readonly modes?: string;
  readonly repeats?: string;
  readonly clients?: string;
  readonly seconds?: string;
  readonly mix?: string;
  readonly scale?: string;
  readonly seed?: string;
  readonly think?: string;
  readonly out?: string;
}

interface Bounds {
  readonly low: number;
  readonly high: number;
  readonly whole?: boolean;
}

function numeric(name: string, text: string | undefined, fallback: number, bounds: Bounds): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  const { low, high, whole = false } = bounds;
  const usable = text.trim() !== "" && value >= low && value <= high;
  if (!usable || (whole && !Number.isInteger(value))) {
    const kind = whole ? "a whole number" : "a number";
    throw new OptionError(`--${name} must be ${kind} from ${low} to ${high}, not "${text}".`);
  }
  return value;
}

function modesOf(text: string | undefined): readonly Mode[] {
  if (text === undefined) return MODES;
  const names = text.split(",").map((name) => name.trim());
  const given = names.map((name) => {
    if (!isMode(name)) {
      throw new OptionError(`--modes knows ${MODES.join(" and ")}, not "${name}".`);
    }
    return name;
  });
  if (new Set(given).size < given.length) {
    throw new OptionError(`--modes names a mode twice: "${text}".`);
  }
  return MODES.filter((mode) => given.includes(mode));
}

function mixOf(text: string | undefined): Mix {
  const mix = text ?? "bidding";
  if (!isMix(mix)) throw new OptionError(`--mix must be ${MIXES.join(" or ")}, not "${mix}".`);
  return mix;
}

/** Checks the options and fills in what was not given. */
export function compareOptions(given: CompareArguments): CompareOptions {
  const quick = given.quick ?? false;
  const seconds = numeric("seconds", given.seconds, quick ? 2.5 : 15, { low: 0.5, high: 3600 });
  const ownLength = given.repeats !== undefined || given.seconds !== undefined;
  if (given.out?.trim() === "") throw new OptionError("--out must name a directory.");
  return {
    quick,
    modes: modesOf(given.modes),
    repeats: numeric("repeats", given.repeats, quick ? 4 : 6, { low: 1, high: 100, whole: true }),
    clients: numeric("clients", given.clients, 32, { low: 1, high: 10_000, whole: true }),
    seconds,
    // The first seconds run unoptimised code in every process; they are not measured.
    warmUpSeconds: quick ? 2 : Math.min(5, Math.max(2, seconds / 2)),
    mix: mixOf(given.mix),
    scale: numeric("scale", given.scale, 1, { low: 0.01, high: 1000 }),
    seed: numeric("seed", given.seed, 1, { low: 0, high: 4_294_967_295, whole: true }),
    think: numeric("think", given.think, 0, { low: 0, high: 100 }),
    ...(ownLength ? {} : { budgetSeconds: quick ? 60 : 300 }),
    out: given.out ?? "results",
  };
}

/** The same options as a command line: what makes the same numbers again. */
export function commandLine(options: CompareOptions): string {
  return [
    "outsock compare",
    ...(options.quick ? ["--quick"] : []),
    `--modes ${options.modes.join(",")}`,
    `--repeats ${options.repeats}`,
    `--clients ${options.clients}`,
    `--seconds ${options.seconds}`,
    `--mix ${options.mix}`,
    `--scale ${options.scale}`,
    `--seed ${options.seed}`,
    `--think ${options.think}`,
  ].join(" ");
}
