import type { LoadEvents, LoadResult, LoadSummary } from "@outsock/loadtest";
import { type MachineTime, machineTime, processCpuMs } from "./cpu.ts";
import type { Consumer, Deployment, Launcher } from "./launcher.ts";
import { type Block, type Mode, schedule } from "./modes.ts";
import type { CompareOptions } from "./options.ts";
import type { Progress } from "./progress.ts";
import { MIN_PAIRS } from "./statistics.ts";

/** Processor time in ms of each process over the run. */
type CpuTimes = Readonly<Partial<Record<Consumer, number>>>;

/** What one boot, warm-up and run gave. */
export interface RepeatResult {
  readonly mode: Mode;
  readonly repeat: number;
  readonly startedAt: string;
  readonly bootMs: number;
  readonly load: LoadSummary;
  readonly cpuMs: CpuTimes;
  readonly generatorCpuMs?: number;
  /** Part of the machine's processor time that anything used during the run. */
  readonly machineBusy?: number;
}

/** A load generator that is started, and then told what to do. */
export interface Generator {
  readonly pid: number;
  drive(url: string, events: LoadEvents): Promise<LoadResult>;
  stop(): Promise<void>;
}

/** What a comparison needs of the world. */
export interface Laboratory {
  readonly launcher: Launcher;
  startGenerator(): Generator;
  /** Processor time of a process so far; undefined when it cannot be known. */
  readonly cpuMs?: (pid: number) => number | undefined;
  readonly machineTime?: () => MachineTime | undefined;
  /** Milliseconds of a monotonic clock. */
  readonly now?: () => number;
}

/** What is kept of the time for the end: the plots and the report. */
const CLOSING_SECONDS = 3;

interface Clocks {
  readonly consumers: ReadonlyMap<Consumer, number | undefined>;
  readonly generator: number | undefined;
  readonly machine: MachineTime | undefined;
}

/**
 * Another repeat as long as the longest so far would break the budget. Never true before there
 * are enough repeats for an interval.
 */
function outOfTime(
  budgetSeconds: number | undefined,
  startedMs: number,
  nowMs: number,
  done: number,
  longestMs: number,
): boolean {
  if (budgetSeconds === undefined || done < MIN_PAIRS) return false;
  return nowMs + longestMs > startedMs + (budgetSeconds - CLOSING_SECONDS) * 1000;
}

/**
 * Measures every block of the schedule, one after the other. Nothing of a mode runs while another
 * is measured: an idle guest may poll. `onResult` gets each result as it is there, so that an
 * interruption loses only the block under way. Gives the number of repeats measured, which is
 * smaller than asked for when the time was up.
 */
export async function runComparison(
  options: CompareOptions,
  laboratory: Laboratory,
  progress: Progress,
  signal: AbortSignal,
  onResult: (result: RepeatResult) => void,
): Promise<number> {
  const blocks = schedule(options.modes, options.repeats);
  const now = laboratory.now ?? (() => performance.now());
  const started = now();
  let repeatStarted = started;
  let longest = 0;
  for (const [index, block] of blocks.entries()) {
    signal.throwIfAborted();
    if (index > 0 && block.repeat !== blocks[index - 1]?.repeat) {
      longest = Math.max(longest, now() - repeatStarted);
      repeatStarted = now();
      const done = block.repeat - 1;
      if (outOfTime(options.budgetSeconds, started, repeatStarted, done, longest)) return done;
    }
    progress.block(block, index, blocks.length);
    const result = await runBlock(block, laboratory, progress, signal);
    progress.blockDone(result, index, blocks.length);
    onResult(result);
  }
  return options.repeats;
}

async function runBlock(
  block: Block,
  laboratory: Laboratory,
  progress: Progress,
  signal: AbortSignal,
): Promise<RepeatResult> {
  const startedAt = new Date().toISOString();
  const deployment = await laboratory.launcher.boot(block.mode, signal);
  try {
    return {
      ...block,
      startedAt,
      bootMs: deployment.bootMs,
      ...(await measure(deployment, laboratory, progress, signal)),
    };
  } finally {
    await deployment.stop();
  }
}

async function measure(
  deployment: Deployment,
  laboratory: Laboratory,
  progress: Progress,
  signal: AbortSignal,
): Promise<Pick<RepeatResult, "load" | "cpuMs" | "generatorCpuMs" | "machineBusy">> {
  const generator = laboratory.startGenerator();
  const read = (): Clocks => readClocks(deployment, generator.pid, laboratory);
  let before: Clocks | undefined;
  let after: Clocks | undefined;
  try {
    const { summary } = await Promise.race([
      generator.drive(deployment.url, {
        onPhase: (phase) => {
          if (phase === "run") before = read();
          if (phase === "end") after = read();
        },
        onProgress: (state) => progress.load(state),
      }),
      deployment.died,
      rejectOnAbort(signal),
    ]);
    if (summary.interactions === 0) {
      throw new Error(`no page was answered (${summary.errorSamples[0] ?? "no error either"})`);
    }
    return { load: summary, ...difference(before, after ?? read()) };
  } finally {
    await generator.stop();
  }
}

function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fail = (): void => reject(signal.reason);
    if (signal.aborted) fail();
    signal.addEventListener("abort", fail, { once: true });
  });
}

function readClocks(deployment: Deployment, generator: number, laboratory: Laboratory): Clocks {
  const cpuMs = laboratory.cpuMs ?? processCpuMs;
  return {
    consumers: new Map([...deployment.pids].map(([name, pid]) => [name, cpuMs(pid)])),
    generator: cpuMs(generator),
    machine: (laboratory.machineTime ?? machineTime)(),
  };
}

function difference(
  before: Clocks | undefined,
  after: Clocks,
): Pick<RepeatResult, "cpuMs" | "generatorCpuMs" | "machineBusy"> {
  const cpuMs: Partial<Record<Consumer, number>> = {};
  for (const [name, end] of after.consumers) {
    const start = before?.consumers.get(name);
    if (start !== undefined && end !== undefined) cpuMs[name] = end - start;
  }
  const generatorCpuMs =
    before?.generator === undefined || after.generator === undefined
      ? undefined
      : after.generator - before.generator;
  const total = (after.machine?.totalMs ?? 0) - (before?.machine?.totalMs ?? 0);
  const busy = (after.machine?.busyMs ?? 0) - (before?.machine?.busyMs ?? 0);
  return {
    cpuMs,
    ...(generatorCpuMs === undefined ? {} : { generatorCpuMs }),
    ...(before?.machine === undefined || total <= 0 ? {} : { machineBusy: busy / total }),
  };
}
