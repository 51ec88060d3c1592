/**
 * An explicit-state model checker for two sides that share memory.
 *
 * It runs the real code: `Atomics` is replaced, so that every atomic operation and every copy of
 * ring bytes is one step, and explores every interleaving of the steps of the two sides. A side is
 * a loop of turns; within a turn it is a deterministic function of what its steps returned, so it
 * is resumed by running the turn again with the recorded results. A state is the memory, and for
 * each side where its turn began and what its steps returned since; each is visited once.
 *
 * A state in which a side waits for its doorbell, the doorbell has not rung, and the other side is
 * finished or waits too, is a lost wake-up. Sequential consistency is taken for granted: that is
 * what `Atomics` gives.
 */
import type { SharedMemory } from "@outsock/ring";

export interface World extends SharedMemory {
  readonly words: Int32Array<ArrayBuffer>;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** What a side knows between two turns, besides its objects: plain values. */
export type Local = Readonly<Record<string, number | string | readonly number[]>>;

export interface Side {
  /** Objects whose private numbers (indexes) belong to the state. */
  objects: readonly object[];
  start: Local;
  /** @returns what it knows after, or undefined when it is finished */
  turn: (local: Local) => Local | undefined;
}

export interface Model {
  world: World;
  sides: readonly [Side, Side];
  /** More states than this is an error of the test: the model is not finite enough. */
  limit?: number;
}

export interface Verdict {
  states: number;
  /** What went wrong, with the schedule that leads to it; undefined when nothing can. */
  violation: string | undefined;
}

type Logged = number | Uint8Array;

/** Where a turn began. */
interface Point {
  local: Local;
  numbers: readonly number[];
  log: Log;
}

/** What the steps of a turn returned so far; interned, so that a state's key is short. */
interface Log {
  id: number;
  values: readonly Logged[];
  next: Map<string, Log>;
}

interface Paused {
  point: Point;
  log: Log;
  done: boolean;
  /** Word that must be other than 0 before the next step can be done, -1 for none. */
  waitsFor: number;
}

interface State {
  memory: Int32Array<ArrayBuffer>;
  sides: readonly [Paused, Paused];
  schedule: { side: 0 | 1; before: State["schedule"] } | undefined;
}

interface Run {
  values: Logged[];
  at: number;
  live: boolean;
  waitsFor: number;
}

const SUSPENDED = Symbol("suspended");
const METHODS = ["load", "store", "or", "exchange", "add"] as const;

let run: Run | undefined;

function step<T extends Logged>(perform: () => T, waitsFor = -1): T {
  if (run === undefined) throw new Error("a step outside of the model checker");
  if (run.at < run.values.length) return run.values[run.at++] as T;
  if (!run.live) {
    run.waitsFor = waitsFor;
    throw SUSPENDED;
  }
  run.live = false;
  const value = perform();
  run.values.push(value);
  run.at++;
  return value;
}

/** Ring bytes of which each copy in or out is a step. */
class SteppedBytes extends Uint8Array<ArrayBuffer> {
  override set(source: ArrayLike<number>, at = 0): void {
    step(() => {
      super.set(source, at);
      return 0;
    });
  }

  override copyWithin(target: number, start: number, end?: number): this {
    step(() => {
      super.copyWithin(target, start, end);
      return 0;
    });
    return this;
  }

  override subarray(start?: number, end?: number): Uint8Array<ArrayBuffer> {
    return step(() => Uint8Array.prototype.slice.call(new Uint8Array(this.buffer), start, end));
  }
}

export function makeWorld(byteLength: number): World {
  const buffer = new ArrayBuffer(byteLength);
  return { words: new Int32Array(buffer), bytes: new SteppedBytes(buffer) };
}

/** Blocks until the doorbell in `word` has rung, and takes all its rings. */
export function waitForBell(world: World, word: number): void {
  step(() => {
    const rings = world.words[word]!;
    world.words[word] = 0;
    return rings;
  }, word);
}

export function explore(model: Model): Verdict {
  const target = Atomics as unknown as Record<string, (...args: number[]) => number>;
  const originals = METHODS.map((name) => [name, target[name]!] as const);
  for (const [name, original] of originals) {
    target[name] = (...args) => step(() => original.apply(Atomics, args));
  }
  try {
    return exploreAll(model);
  } finally {
    for (const [name, original] of originals) target[name] = original;
    run = undefined;
  }
}

function scheduleText(state: State, side: 0 | 1 | undefined): string {
  let text = side === undefined ? "" : "AB"[side]!;
  for (let at = state.schedule; at !== undefined; at = at.before) text = "AB"[at.side] + text;
  return text;
}

const DONE: Log = { id: -1, values: [], next: new Map() };

function exploreAll({ world, sides, limit = 2_000_000 }: Model): Verdict {
  let logs = 0;
  const newLog = (values: readonly Logged[]): Log => ({ id: logs++, values, next: new Map() });
  const fields = sides.map((side) =>
    side.objects.flatMap((object) =>
      Object.entries(object)
        .filter(([, value]) => typeof value === "number")
        .map(([name]) => ({ object: object as Record<string, number>, name })),
    ),
  );
  const points = [new Map<string, Point>(), new Map<string, Point>()] as const;
  const pointNow = (side: 0 | 1, local: Local): Point => {
    const numbers = fields[side]!.map(({ object, name }) => object[name]!);
    const key = JSON.stringify([local, numbers]);
    let point = points[side].get(key);
    if (point === undefined) {
      point = { local, numbers, log: newLog([]) };
      points[side].set(key, point);
    }
    return point;
  };

  /** Runs a side to its next step, doing one step of it when `live`. @throws what the side throws */
  const resume = (side: 0 | 1, point: Point, log: Log, live: boolean): Paused => {
    for (const [i, { object, name }] of fields[side]!.entries()) object[name] = point.numbers[i]!;
    run = { values: [...log.values], at: 0, live, waitsFor: -1 };
    let local: Local | undefined;
    try {
      local = sides[side].turn(point.local);
    } catch (error) {
      if (error !== SUSPENDED) throw error;
      let after = log;
      if (live) {
        const value = String(run.values.at(-1));
        after = log.next.get(value) ?? newLog(run.values);
        log.next.set(value, after);
      }
      return { point, log: after, done: false, waitsFor: run.waitsFor };
    }
    if (local === undefined) return { point, log: DONE, done: true, waitsFor: -1 };
    const next = pointNow(side, local);
    return resume(side, next, next.log, false);
  };

  const seen = new Set<string>();
  const stack: State[] = [];
  const visit = (state: State): void => {
    const [a, b] = state.sides;
    const key = `${a.log.id}:${b.log.id}:${String.fromCharCode(...new Uint16Array(state.memory.buffer))}`;
    if (seen.has(key)) return;
    seen.add(key);
    if (seen.size > limit) throw new Error(`more than ${limit} states`);
    stack.push(state);
  };

  const begin = (side: 0 | 1): Paused => {
    const point = pointNow(side, sides[side].start);
    return resume(side, point, point.log, false);
  };
  visit({
    memory: world.words.slice(),
    sides: [begin(0), begin(1)],
    schedule: undefined,
  });
  for (let state = stack.pop(); state !== undefined; state = stack.pop()) {
    let stuck = true;
    for (const side of [0, 1] as const) {
      const paused = state.sides[side];
      if (paused.done) continue;
      if (paused.waitsFor !== -1 && state.memory[paused.waitsFor] === 0) continue;
      stuck = false;
      world.words.set(state.memory);
      let after: Paused;
      try {
        after = resume(side, paused.point, paused.log, true);
      } catch (error) {
        const schedule = scheduleText(state, side);
        return { states: seen.size, violation: `${String(error)} after ${schedule}` };
      }
      visit({
        memory: world.words.slice(),
        sides: side === 0 ? [after, state.sides[1]] : [state.sides[0], after],
        schedule: { side, before: state.schedule },
      });
    }
    if (stuck && !(state.sides[0].done && state.sides[1].done)) {
      const schedule = scheduleText(state, undefined);
      return {
        states: seen.size,
        violation: `lost wake-up after ${schedule}, memory [${state.memory.join(" ")}]`,
      };
    }
  }
  return { states: seen.size, violation: undefined };
}
