import type { LoadProgress } from "@outsock/loadtest";
import { MultiBar, Presets, type SingleBar } from "cli-progress";
import type { Block } from "./modes.ts";
import type { RepeatResult } from "./run.ts";

/** Tells the user what is going on. */
export interface Progress {
  block(block: Block, index: number, total: number): void;
  load(state: LoadProgress): void;
  blockDone(result: RepeatResult, index: number, total: number): void;
  close(): void;
}

const PHASES = { up: "warm-up", run: "run", down: "down-ramp" } as const;

function resultLine(result: RepeatResult, total: number, index: number): string {
  const { load } = result;
  return [
    `[${String(index + 1).padStart(String(total).length)}/${total}]`,
    result.mode.padEnd(10),
    `repeat ${result.repeat}:`,
    `${load.throughput.toFixed(0)} interactions/s,`,
    `p50 ${load.latency.p50Ms.toFixed(1)} ms, p99 ${load.latency.p99Ms.toFixed(1)} ms,`,
    `${load.errors} errors, boot ${(result.bootMs / 1000).toFixed(1)} s`,
  ].join(" ");
}

/** One line per event, for logs. */
export class LineProgress implements Progress {
  readonly #write: (line: string) => void;
  #name = "";
  #shownPhase = "";
  #shownAt = 0;

  constructor(write: (line: string) => void) {
    this.#write = write;
  }

  block(block: Block, index: number, total: number): void {
    this.#name = `[${index + 1}/${total}] ${block.mode} repeat ${block.repeat}`;
    this.#shownPhase = "";
    this.#write(`${this.#name}: booting db, app, web`);
  }

  load(state: LoadProgress): void {
    const changed = state.phase !== this.#shownPhase;
    if (!changed && state.elapsedSeconds - this.#shownAt < 5) return;
    this.#shownPhase = state.phase;
    this.#shownAt = state.elapsedSeconds;
    this.#write(
      `${this.#name}: ${PHASES[state.phase]}, ${state.clients} clients, ` +
        `${state.rate.toFixed(0)} interactions/s, ${state.errors} errors`,
    );
  }

  blockDone(result: RepeatResult, index: number, total: number): void {
    this.#write(resultLine(result, total, index));
  }

  close(): void {}
}

/** Steps of the bar for one block. */
const STEPS = 1000;
/** Part of a block's bar that booting takes. */
const BOOT_PART = 0.1;

/** A bar over the whole comparison, with the phase and the live throughput beside it. */
class BarProgress implements Progress {
  readonly #bars: MultiBar;
  #bar: SingleBar | undefined;
  #index = 0;

  constructor(stream: NodeJS.WritableStream) {
    this.#bars = new MultiBar(
      {
        stream,
        format: "{bar} {percentage} % | {step} | {detail}",
        hideCursor: true,
        clearOnComplete: true,
        barsize: 20,
        // The comparison handles Ctrl-C itself; the bar would put its own exit in the way.
        gracefulExit: false,
        linewrap: false,
        autopadding: true,
      },
      Presets.shades_classic,
    );
  }

  block(block: Block, index: number, total: number): void {
    this.#index = index;
    const step = `${block.mode}, repeat ${block.repeat}`;
    this.#bar ??= this.#bars.create(total * STEPS, 0, { step, detail: "" });
    this.#bar.update(index * STEPS, { step, detail: "booting db, app, web" });
    this.#bars.update();
  }

  load(state: LoadProgress): void {
    const part = BOOT_PART + (1 - BOOT_PART) * (state.elapsedSeconds / state.totalSeconds);
    this.#bar?.update(Math.round((this.#index + Math.min(1, part)) * STEPS), {
      detail:
        `${PHASES[state.phase]}, ${state.clients} clients, ` +
        `${state.rate.toFixed(0)} interactions/s${state.errors > 0 ? `, ${state.errors} errors` : ""}`,
    });
  }

  blockDone(result: RepeatResult, index: number, total: number): void {
    this.#bars.log(`${resultLine(result, total, index)}\n`);
    this.#bar?.update((index + 1) * STEPS, { detail: "stopping" });
    this.#bars.update();
  }

  close(): void {
    this.#bars.stop();
  }
}

export function progressFor(stream: NodeJS.WriteStream): Progress {
  return stream.isTTY
    ? new BarProgress(stream)
    : new LineProgress((line) => void stream.write(`${line}\n`));
}
