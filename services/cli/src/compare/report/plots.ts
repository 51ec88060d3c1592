import { mergedHistogram } from "@outsock/loadtest";
import type { TopLevelSpec } from "vega-lite";
import { CONSUMERS } from "../launcher.ts";
import { METRICS, measuredModes, metricRow } from "../metrics.ts";
import { MODES, type Mode } from "../modes.ts";
import type { RepeatResult } from "../run.ts";
import { interactionRows } from "./interactions.ts";

/** One colour a mode, everywhere; told apart by colour-blind readers too (Okabe-Ito). */
export const MODE_COLOURS: Readonly<Record<Mode, string>> = {
  native: "#0072b2",
  outsourced: "#e07b00",
};

export interface Plot {
  readonly title: string;
  readonly caption: string;
  readonly spec: TopLevelSpec;
}

const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";
const WIDTH = 440;

const CONFIG = {
  font: FONT,
  background: "transparent",
  axis: {
    labelFontSize: 12,
    titleFontSize: 12,
    titleFontWeight: "normal",
    gridColor: "#e6e6e6",
    domainColor: "#888",
    tickColor: "#888",
    labelColor: "#333",
    titleColor: "#333",
  },
  legend: { labelFontSize: 12, title: null, orient: "top", symbolSize: 90 },
  view: { stroke: null },
} as const;

const frame = {
  $schema: "https://vega.github.io/schema/vega-lite/v6.json",
  config: CONFIG,
  autosize: { type: "pad", contains: "padding" },
} as const;

function colour(modes: readonly Mode[]) {
  return {
    field: "mode",
    type: "nominal",
    scale: { domain: [...modes], range: modes.map((mode) => MODE_COLOURS[mode]) },
    sort: [...MODES],
  } as const;
}

/** Rows of {what, mode, value, repeat} of some metrics. */
function points(keys: readonly string[], results: readonly RepeatResult[]) {
  return METRICS.filter((metric) => keys.includes(metric.key)).flatMap((metric) =>
    results.flatMap((result) => {
      const value = metric.value(result);
      const { mode, repeat } = result;
      return value === undefined ? [] : [{ what: metric.label, mode, repeat, value }];
    }),
  );
}

/** The median of each metric in each mode. */
function medians(keys: readonly string[], results: readonly RepeatResult[]) {
  return METRICS.filter((metric) => keys.includes(metric.key)).flatMap((metric) =>
    [...metricRow(metric, results).modes].flatMap(([mode, { median }]) =>
      median === undefined ? [] : [{ what: metric.label, mode, value: median }],
    ),
  );
}

const PLAIN_LABELS = { labelAngle: 0, title: null } as const;

/** Bars of the medians, a dot for each repeat. */
function barsWithRepeats(
  keys: readonly string[],
  results: readonly RepeatResult[],
  yTitle: string,
): TopLevelSpec {
  const modes = measuredModes(results);
  const labels = METRICS.filter((metric) => keys.includes(metric.key)).map(({ label }) => label);
  const x =
    keys.length === 1
      ? ({ field: "mode", type: "nominal", sort: [...MODES], axis: PLAIN_LABELS } as const)
      : ({ field: "what", type: "nominal", sort: labels, axis: PLAIN_LABELS } as const);
  const offset =
    keys.length === 1 ? {} : ({ xOffset: { field: "mode", sort: [...MODES] } } as const);
  const y = {
    field: "value",
    type: "quantitative",
    title: yTitle,
    axis: { tickCount: 6 },
  } as const;
  const legend = keys.length === 1 ? { legend: null } : {};
  return {
    ...frame,
    width: WIDTH,
    height: 260,
    layer: [
      {
        data: { values: medians(keys, results) },
        mark: { type: "bar", width: { band: keys.length === 1 ? 0.45 : 0.85 }, opacity: 0.85 },
        encoding: { x, ...offset, y, color: { ...colour(modes), ...legend } },
      },
      {
        data: { values: points(keys, results) },
        mark: { type: "point", filled: true, color: "#222", size: 28, opacity: 0.75 },
        encoding: { x, ...offset, y },
      },
    ],
  } as TopLevelSpec;
}

/** Steps towards 99.9 %, evenly spread over the axis: each step leaves less of the tail. */
const PERCENTILES = Array.from({ length: 121 }, (_, step) => 100 * (1 - 10 ** (-step / 40)));

const LATENCY_TICKS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000];

function latencyCurve(results: readonly RepeatResult[]): TopLevelSpec {
  const modes = measuredModes(results);
  const values = modes.flatMap((mode) => {
    const histogram = mergedHistogram(
      results.filter((result) => result.mode === mode).map(({ load }) => load.histogram),
    );
    return PERCENTILES.map((percent) => ({
      mode,
      rest: 100 / (100 - percent),
      value: histogram.getValueAtPercentile(percent) / 1000,
    }));
  });
  const ticks = [1, 2, 4, 10, 20, 100, 1000];
  const names = "{'1':'0','2':'50','4':'75','10':'90','20':'95','100':'99','1000':'99.9'}";
  return {
    ...frame,
    width: WIDTH,
    height: 260,
    data: { values },
    mark: { type: "line", strokeWidth: 2.5 },
    encoding: {
      x: {
        field: "rest",
        type: "quantitative",
        scale: { type: "log", domain: [1, 1000], nice: false },
        axis: {
          values: ticks,
          labelOverlap: false,
          labelExpr: `${names}[toString(datum.value)] + ' %'`,
          title: "part of the pages complete within that time",
        },
      },
      y: {
        field: "value",
        type: "quantitative",
        scale: { type: "log", nice: false },
        axis: { title: "latency, ms (logarithmic)", values: LATENCY_TICKS, format: "~g" },
      },
      color: colour(modes),
    },
  } as TopLevelSpec;
}

/** Throughput of the blocks in the order in which they were measured: shows drift. */
function overTime(results: readonly RepeatResult[]): TopLevelSpec {
  const modes = measuredModes(results);
  const values = results.map((result, index) => ({
    order: index + 1,
    mode: result.mode,
    value: result.load.throughput,
  }));
  return {
    ...frame,
    width: WIDTH,
    height: 260,
    data: { values },
    mark: { type: "line", point: { size: 70, filled: true }, strokeDash: [3, 3], strokeWidth: 1.5 },
    encoding: {
      x: {
        field: "order",
        type: "quantitative",
        scale: { domain: [0.5, results.length + 0.5], nice: false },
        axis: {
          values: values.map(({ order }) => order),
          format: "d",
          grid: false,
          title: "order of measurement",
        },
      },
      y: { field: "value", type: "quantitative", title: "interactions/s", scale: { zero: true } },
      color: colour(modes),
    },
  } as TopLevelSpec;
}

/** The median of each interaction, in every mode. */
function perInteraction(results: readonly RepeatResult[]): TopLevelSpec {
  const modes = measuredModes(results);
  const values = interactionRows(results).flatMap((row) =>
    modes.flatMap((mode) => {
      const cell = row.modes.get(mode);
      return cell === undefined ? [] : [{ state: row.state, mode, value: cell.p50Ms }];
    }),
  );
  return {
    ...frame,
    width: 760,
    height: { step: 19 },
    data: { values },
    encoding: {
      y: {
        field: "state",
        type: "nominal",
        sort: interactionRows(results).map(({ state }) => state),
        axis: { title: null, grid: true, labelLimit: 300 },
      },
    },
    layer: [
      {
        mark: { type: "rule", color: "#bbb", strokeWidth: 2 },
        encoding: {
          x: { aggregate: "min", field: "value", type: "quantitative" },
          x2: { aggregate: "max", field: "value" },
        },
      },
      {
        mark: { type: "point", filled: true, size: 80, opacity: 1 },
        encoding: {
          x: {
            field: "value",
            type: "quantitative",
            title: "median latency, ms",
            scale: { zero: true },
          },
          color: colour(modes),
        },
      },
    ],
  } as TopLevelSpec;
}

export function plots(results: readonly RepeatResult[]): Plot[] {
  const cpu = [...CONSUMERS.map((name) => `cpu-${name}`), "cpu-total"];
  return [
    {
      title: "Throughput",
      caption: "Bar: median of the repeats. Dots: each repeat. More is better.",
      spec: barsWithRepeats(["throughput"], results, "interactions/s"),
    },
    {
      title: "Latency",
      caption: "Bar: median of the repeats. Dots: each repeat. Less is better.",
      spec: barsWithRepeats(["p50", "p95", "p99"], results, "ms"),
    },
    {
      title: "Latency distribution",
      caption: "All repeats of a mode together. The axis stretches the slowest pages.",
      spec: latencyCurve(results),
    },
    {
      title: "Processor time by tier",
      caption: "For one interaction. Bar: median. Dots: each repeat. Less is better.",
      spec: barsWithRepeats(cpu, results, "CPU ms / interaction"),
    },
    {
      title: "Throughput in the order of measurement",
      caption: "A slope that both modes share is drift of the machine.",
      spec: overTime(results),
    },
    {
      title: "Boot",
      caption: "From the first process started to the first page answered. Less is better.",
      spec: barsWithRepeats(["boot"], results, "s"),
    },
    {
      title: "Latency by interaction",
      caption: "Median of each interaction, the most frequent first.",
      spec: perInteraction(results),
    },
  ];
}
