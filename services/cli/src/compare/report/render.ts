import { Eta } from "eta";
import {
  disturbance,
  METRICS,
  type MetricRow,
  measuredModes,
  metricRows,
  othersShare,
} from "../metrics.ts";
import { BASELINE, type Mode } from "../modes.ts";
import { commandLine, type Database } from "../options.ts";
import type { Comparison } from "../results.ts";
import type { RepeatResult } from "../run.ts";
import { MIN_PAIRS, type Ratio } from "../statistics.ts";
import { formatValue, NOT_THERE, ratioNote, ratioTitle, verdict } from "../table.ts";
import { interactionRows } from "./interactions.ts";
import { MODE_COLOURS, plots } from "./plots.ts";
import { drawSvg } from "./svg.ts";
import { TEMPLATE } from "./template.ts";

const percent = (part: number | undefined): string =>
  part === undefined ? NOT_THERE : `${(part * 100).toFixed(part < 0.0995 ? 1 : 0)} %`;

const intervalText = ({ interval }: Ratio): string =>
  interval === undefined ? "none" : `${interval.low.toFixed(2)} to ${interval.high.toFixed(2)}`;

const VERDICT_CLASS: Readonly<Record<string, string>> = { better: "better", worse: "worse" };

/** Modes that are held against the baseline, if that was measured. */
function otherModes(results: readonly RepeatResult[]): Mode[] {
  const modes = measuredModes(results);
  return modes.includes(BASELINE) ? modes.filter((mode) => mode !== BASELINE) : [];
}

function tableRow(row: MetricRow, modes: readonly Mode[], others: readonly Mode[]) {
  const { label, unit, decimals } = row.metric;
  return {
    label,
    unit,
    values: modes.map((mode) => formatValue(row.modes.get(mode)?.median, decimals)),
    ratios: others.map((mode) => {
      const ratio = row.ratios.get(mode);
      const said = verdict(row, ratio);
      return {
        ratio: ratio === undefined ? NOT_THERE : ratio.ratio.toFixed(2),
        interval: ratio === undefined ? NOT_THERE : intervalText(ratio),
        verdict: said,
        className: VERDICT_CLASS[said] ?? "same",
      };
    }),
  };
}

/** The figures that a reader looks for first. */
function cards(rows: readonly MetricRow[], others: readonly Mode[]) {
  return others.flatMap((mode) =>
    ["throughput", "p50", "p99", "cpu-total"].flatMap((key) => {
      const row = rows.find(({ metric }) => metric.key === key);
      const ratio = row?.ratios.get(mode);
      if (row === undefined || ratio === undefined) return [];
      return [
        {
          title: `${row.metric.label}, ${ratioTitle(mode)}`,
          value: `${ratio.ratio.toFixed(2)} ×`,
          detail:
            ratio.interval === undefined
              ? "no interval: too few repeats"
              : `95 % interval ${intervalText(ratio)}`,
        },
      ];
    }),
  );
}

function interactionTable(results: readonly RepeatResult[]) {
  const modes = measuredModes(results);
  const others = otherModes(results);
  return interactionRows(results).map((row) => {
    const baseline = row.modes.get(BASELINE)?.p50Ms ?? 0;
    return {
      state: row.state,
      cells: [
        percent(row.share),
        ...modes.flatMap((mode) => {
          const cell = row.modes.get(mode);
          if (cell === undefined) return Array.from({ length: 5 }, () => NOT_THERE);
          const times = [cell.p50Ms, cell.p95Ms, cell.p99Ms].map((ms) => ms.toFixed(2));
          return [String(cell.count), String(cell.errors), ...times];
        }),
        ...others.map((mode) => {
          const other = row.modes.get(mode)?.p50Ms ?? 0;
          return baseline > 0 && other > 0 ? (other / baseline).toFixed(2) : NOT_THERE;
        }),
      ],
    };
  });
}

function repeatRow(result: RepeatResult, cores: number): string[] {
  const { load, generatorCpuMs } = result;
  const { p50Ms, p95Ms, p99Ms } = load.latency;
  return [
    `${result.startedAt.slice(11, 19)} UTC`,
    result.mode,
    String(result.repeat),
    load.throughput.toFixed(0),
    ...[p50Ms, p95Ms, p99Ms].map((ms) => ms.toFixed(2)),
    String(load.errors),
    String(load.sorry),
    (result.bootMs / 1000).toFixed(2),
    percent(result.machineBusy),
    percent(othersShare(result, cores)),
    generatorCpuMs === undefined || load.interactions === 0
      ? NOT_THERE
      : (generatorCpuMs / load.interactions).toFixed(3),
  ];
}

function facts({ machine, options, startedAt }: Comparison): [string, string][] {
  return [
    ["Machine", `${machine.cpu}, ${machine.cores} processors, ${machine.memoryGiB} GiB`],
    ["System", machine.kernel],
    ["Node.js", machine.node],
    ["Outsock", machine.outsock],
    ["Started", startedAt],
    [
      "Load",
      `${options.mix} mix, ${options.clients} clients, ` +
        (options.think === 0
          ? "no think time (closed loop: it finds the most that the system does)"
          : `think time 7 s × ${options.think}`),
    ],
    ["Database", DATABASE_MEANINGS[options.database]],
    ["Data", `RUBiS at scale ${options.scale} (${options.scale * 1000} items for sale)`],
    [
      "Repeats",
      `${options.repeats} of each mode, ${options.seconds} s each after ${options.warmUpSeconds} s of warm-up`,
    ],
    ["Seed", `${options.seed}, the same for every repeat and mode`],
  ];
}

const DATABASE_MEANINGS: Readonly<Record<Database, string>> = {
  standard:
    "standard: prepared statements. What the database and the pages cost is the same in every mode and hides part of what the network costs; --database light shows more of it",
  light:
    "light: prepared statements over few rows, and results of up to a second ago given again, so that little but the network is left (--database light)",
};

const NOTES = [
  "The tiers are the same files in every mode. native is plain node with none of Outsock loaded; in outsourced mode each tier is a guest of one host agent, and the load generator reaches the web tier through that agent.",
  "Modes took turns (A B, B A, A B, ...), so that slow drift of the machine falls on both. Every repeat boots all tiers anew on a fresh copy of the data, warms up, then runs; everything of a mode is stopped before the next one boots.",
  "The load generator runs on the same machine and shares its processors with the tiers. What it uses is in the table of repeats; it isn't part of the processor time of the tiers. A system that is cheaper for the tiers leaves more of the machine to the generator, too.",
  "At saturation latency is mostly waiting in queues: by Little's law it is the number of clients divided by throughput. For latency under light load give --clients 1, or a think time.",
  "Processor time comes from /proc/<pid>/task/*/schedstat and covers the run alone. Work that the kernel does in interrupts is charged to whom it interrupts.",
  "Small ratios on a small or shared machine can be noise: believe an interval, not a ratio alone, and expect other numbers on another machine.",
];

const RATIO_MEANING = `A ratio is the geometric mean, over the repeats, of the mode's value divided by ${BASELINE}'s value in the same repeat. Its interval is Student's t on the logarithms of those ratios; below ${MIN_PAIRS} repeats there is none. With few repeats the interval is wide by nature (with 3, t is 4.3; with 6, 2.6). "no difference shown" means that the interval includes 1.`;

/** The whole report as one HTML page that needs nothing else. */
export async function renderReport(comparison: Comparison): Promise<string> {
  const { results, options, machine } = comparison;
  const modes = measuredModes(results);
  const others = otherModes(results);
  const rows = metricRows(results);
  const drawn = [];
  for (const { title, caption, spec } of plots(results)) {
    drawn.push({ title, caption, svg: await drawSvg(spec) });
  }
  const errors = results.reduce((sum, { load }) => sum + load.errors, 0);
  const warnings = [
    ...(comparison.incomplete === undefined ? [] : [comparison.incomplete]),
    ...(errors > 0
      ? [
          `${errors} requests failed; the first: ${results.find(({ load }) => load.errors > 0)?.load.errorSamples[0] ?? "unknown"}.`,
        ]
      : []),
    ...disturbance(results, machine.cores),
    ...(options.quick
      ? ["A quick run: short warm-up and short repeats. For numbers to rely on leave out --quick."]
      : []),
  ];
  return new Eta().renderString(TEMPLATE, {
    title: `RUBiS${options.database === "light" ? " with a light database" : ""}, ${modes.join(" and ")}`,
    subtitle: `${comparison.startedAt.slice(0, 10)} · ${machine.cpu}, ${machine.cores} processors · Node.js ${machine.node} · ${options.clients} clients, ${options.mix} mix`,
    warnings,
    cards: cards(rows, others),
    modes: modes.map((name) => ({ name, colour: MODE_COLOURS[name] })),
    ratioTitles: others.map(ratioTitle),
    rows: rows.map((row) => tableRow(row, modes, others)),
    ratioNote: ratioNote(results),
    plots: drawn,
    interactions: interactionTable(results),
    repeats: results.map((result) => repeatRow(result, machine.cores)),
    facts: facts(comparison),
    command: commandLine(options),
    notes: NOTES,
    meanings: [
      ...METRICS.map(({ label, meaning }) => [label, meaning]),
      ["Ratio", RATIO_MEANING],
      [
        '"Sorry"',
        "Pages on which the application declines (sold out, no such result): an answer, not an error.",
      ],
    ],
  });
}
