import Table from "cli-table3";
import { type MetricRow, measuredModes, metricRows } from "./metrics.ts";
import { BASELINE, type Mode } from "./modes.ts";
import type { RepeatResult } from "./run.ts";
import { MIN_PAIRS, type Ratio } from "./statistics.ts";

export const NOT_THERE = "-";

export function formatValue(value: number | undefined, decimals: number): string {
  return value === undefined ? NOT_THERE : value.toFixed(decimals);
}

/** "1.32 (1.25-1.40)"; without the interval when there are too few pairs for one. */
export function formatRatio(ratio: Ratio | undefined): string {
  if (ratio === undefined) return NOT_THERE;
  const { interval } = ratio;
  const range = interval ? ` (${interval.low.toFixed(2)}-${interval.high.toFixed(2)})` : "";
  return `${ratio.ratio.toFixed(2)}${range}`;
}

/** What the interval says about a ratio. */
export function verdict({ metric }: MetricRow, ratio: Ratio | undefined): string {
  if (ratio?.interval === undefined || metric.better === undefined) return "";
  const { low, high } = ratio.interval;
  if (low <= 1 && high >= 1) return "no difference shown";
  return low > 1 === (metric.better === "higher") ? "better" : "worse";
}

export function ratioTitle(mode: Mode): string {
  return `${mode} / ${BASELINE}`;
}

/** Why there is no interval, or none of the ratios; empty when there is nothing to say. */
export function ratioNote(results: readonly RepeatResult[]): string {
  const modes = measuredModes(results);
  if (!modes.includes(BASELINE) || modes.length < 2) {
    return `No ratios: they need ${BASELINE} and another mode.`;
  }
  const pairs = metricRows(results).flatMap(({ ratios }) => [...ratios.values()]);
  return pairs.some(({ interval }) => interval === undefined)
    ? `No interval where a mode has fewer than ${MIN_PAIRS} repeats beside ${BASELINE}'s.`
    : "";
}

/** The result for a terminal. */
export function resultTable(results: readonly RepeatResult[], colours: boolean): string {
  const modes = measuredModes(results);
  const others = modes.includes(BASELINE) ? modes.filter((mode) => mode !== BASELINE) : [];
  const table = new Table({
    head: [
      "median of the repeats",
      ...modes,
      ...others.flatMap((mode) => [`${ratioTitle(mode)} (95 % interval)`, ""]),
    ],
    colAligns: [
      "left",
      ...modes.map(() => "right" as const),
      ...others.flatMap(() => ["right" as const, "left" as const]),
    ],
    // No rules between the rows: the table fits a terminal of 24 lines.
    chars: { mid: "", "left-mid": "", "mid-mid": "", "right-mid": "" },
    style: colours ? { head: ["bold"], border: ["grey"] } : { head: [], border: [] },
  });
  for (const row of metricRows(results)) {
    const { label, unit, decimals } = row.metric;
    table.push([
      unit === "" ? label : `${label}, ${unit}`,
      ...modes.map((mode) => formatValue(row.modes.get(mode)?.median, decimals)),
      ...others.flatMap((mode) => {
        const ratio = row.ratios.get(mode);
        return [formatRatio(ratio), verdict(row, ratio)];
      }),
    ]);
  }
  return table.toString();
}
