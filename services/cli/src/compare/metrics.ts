import { CONSUMERS, type Consumer } from "./launcher.ts";
import { BASELINE, MODES, type Mode } from "./modes.ts";
import type { RepeatResult } from "./run.ts";
import { medianOf, pairedRatio, type Ratio } from "./statistics.ts";

/** One number of a repeat, and how to speak of it. */
export interface Metric {
  readonly key: string;
  readonly label: string;
  readonly unit: string;
  readonly decimals: number;
  /** Which direction is an improvement; none for numbers that aren't compared. */
  readonly better?: "higher" | "lower";
  readonly meaning: string;
  /** Undefined where the mode has no such number (no agent in native). */
  value(result: RepeatResult): number | undefined;
}

const perInteraction = (result: RepeatResult, ms: number | undefined): number | undefined =>
  ms === undefined || result.load.interactions === 0 ? undefined : ms / result.load.interactions;

function totalCpu(result: RepeatResult): number | undefined {
  const times = Object.values(result.cpuMs);
  return times.length === 0 ? undefined : times.reduce((sum, ms) => sum + ms, 0);
}

function consumerMetric(name: Consumer): Metric {
  return {
    key: `cpu-${name}`,
    label: name === "agent" ? "CPU agent" : `CPU ${name} tier`,
    unit: "ms/interaction",
    decimals: 3,
    better: "lower",
    meaning:
      name === "agent"
        ? "Processor time of the host agent, which owns the guests' sockets; native has none."
        : `Processor time of the ${name} tier's process, all its threads.`,
    value: (result) => perInteraction(result, result.cpuMs[name]),
  };
}

/** What is compared, in the order of the table. */
export const METRICS: readonly Metric[] = [
  {
    key: "throughput",
    label: "Throughput",
    unit: "interactions/s",
    decimals: 0,
    better: "higher",
    meaning: "Pages answered without error in the run, divided by its length.",
    value: ({ load }) => load.throughput,
  },
  ...([50, 95, 99] as const).map(
    (percent): Metric => ({
      key: `p${percent}`,
      label: `Latency p${percent}`,
      unit: "ms",
      decimals: 2,
      better: "lower",
      meaning: `${percent} % of the pages were complete within this time, seen from the client.`,
      value: ({ load }) => load.latency[`p${percent}Ms`],
    }),
  ),
  {
    key: "errors",
    label: "Errors",
    unit: "",
    decimals: 0,
    meaning: "Requests in the run without an answer or with a status of 400 or above.",
    value: ({ load }) => load.errors,
  },
  ...CONSUMERS.map(consumerMetric),
  {
    key: "cpu-total",
    label: "CPU in all",
    unit: "ms/interaction",
    decimals: 3,
    better: "lower",
    meaning: "The tiers and the agent together.",
    value: (result) => perInteraction(result, totalCpu(result)),
  },
  {
    key: "boot",
    label: "Boot",
    unit: "s",
    decimals: 2,
    better: "lower",
    meaning: "From the first process started to the first page answered by all three tiers.",
    value: ({ bootMs }) => bootMs / 1000,
  },
];

interface ModeValues {
  /** In the order of the repeats. */
  readonly values: readonly number[];
  readonly median: number | undefined;
}

export interface MetricRow {
  readonly metric: Metric;
  readonly modes: ReadonlyMap<Mode, ModeValues>;
  /** Mode against the baseline. */
  readonly ratios: ReadonlyMap<Mode, Ratio>;
}

/** Modes of which there is a result, in the order of MODES. */
export function measuredModes(results: readonly RepeatResult[]): Mode[] {
  return MODES.filter((mode) => results.some((result) => result.mode === mode));
}

export function metricRow(metric: Metric, results: readonly RepeatResult[]): MetricRow {
  const modes = new Map<Mode, ModeValues>();
  const ratios = new Map<Mode, Ratio>();
  for (const mode of measuredModes(results)) {
    const values = results
      .filter((result) => result.mode === mode)
      .map((result) => metric.value(result))
      .filter((value) => value !== undefined);
    modes.set(mode, { values, median: medianOf(values) });
    if (mode === BASELINE || metric.better === undefined) continue;
    const ratio = pairedRatio(pairs(metric, results, mode));
    if (ratio !== undefined) ratios.set(mode, ratio);
  }
  return { metric, modes, ratios };
}

export function metricRows(results: readonly RepeatResult[]): MetricRow[] {
  return METRICS.map((metric) => metricRow(metric, results)).filter((row) =>
    [...row.modes.values()].some(({ values }) => values.length > 0),
  );
}

/** Values of the baseline and of a mode in the repeats that have both. */
function pairs(
  metric: Metric,
  results: readonly RepeatResult[],
  mode: Mode,
): (readonly [number, number])[] {
  return results
    .filter((result) => result.mode === BASELINE)
    .flatMap((baseline) => {
      const other = results.find(
        (result) => result.mode === mode && result.repeat === baseline.repeat,
      );
      const pair = [metric.value(baseline), other && metric.value(other)] as const;
      return pair[0] === undefined || pair[1] === undefined ? [] : [[pair[0], pair[1]] as const];
    });
}

/**
 * Part of the machine's processor time that went neither to the tiers, the agent nor the load
 * generator: other programs, and the kernel where it charges nobody.
 */
export function othersShare(result: RepeatResult, cores: number): number | undefined {
  const { machineBusy, generatorCpuMs, load } = result;
  const ours = totalCpu(result);
  if (machineBusy === undefined || generatorCpuMs === undefined || ours === undefined) {
    return undefined;
  }
  const all = cores * load.seconds * 1000;
  return Math.max(0, machineBusy - (ours + generatorCpuMs) / all);
}

/** Above this share other programs move the numbers. */
const DISTURBED = 0.1;

/** A sentence for the reader when other programs kept the machine busy; else none. */
export function disturbance(results: readonly RepeatResult[], cores: number): string[] {
  const shares = results
    .map((result) => othersShare(result, cores))
    .filter((share) => share !== undefined);
  const most = Math.max(0, ...shares);
  if (most < DISTURBED) return [];
  return [
    `Other programs used up to ${(most * 100).toFixed(0)} % of this machine during the repeats: the numbers are disturbed.`,
  ];
}
