/** The report as tables: for a terminal, or in Markdown. */
import Table from "cli-table3";
import type { GoalResult } from "./goals.ts";
import type { Report } from "./report.ts";
import type { Row } from "./rows.ts";
import type { Reference } from "./setups.ts";
import type { Ratio } from "./statistics.ts";
import { BASELINE, UNIX } from "./works.ts";

/** Others' share of the processors from which on the table says so. */
const NOTABLE_LOAD = 0.1;
const NOT_THERE = "-";

interface Cells {
  readonly head: readonly string[];
  /** Columns of words, which begin at the left. */
  readonly left: readonly number[];
  readonly rows: readonly (readonly string[])[];
}

type Draw = (cells: Cells) => string;

function drawBoxes({ head, left, rows }: Cells): string {
  const table = new Table({
    head: [...head],
    colAligns: head.map((_, column) => (left.includes(column) ? "left" : "right")),
    chars: { mid: "", "left-mid": "", "mid-mid": "", "right-mid": "" },
    style: { head: [], border: [], "padding-left": 0, "padding-right": 1 },
  });
  table.push(...rows.map((row) => [...row]));
  return table.toString();
}

function drawMarkdown({ head, left, rows }: Cells): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, column) => (left.includes(column) ? "---" : "---:"));
  return [line(head), line(rule), ...rows.map(line)].join("\n");
}

/** Three digits that count. */
function short(value: number | null | undefined): string {
  if (value === null || value === undefined) return NOT_THERE;
  if (value >= 100) return Math.round(value).toLocaleString("en");
  return value === 0 ? "0" : value.toPrecision(3);
}

/** "1.28 (1.19-1.37)"; without the interval when there are too few rounds for one. */
function ratioText(ratio: Ratio | undefined): string {
  if (ratio === undefined) return NOT_THERE;
  const { ratio: center, low, high } = ratio;
  const range = low === null || high === null ? "" : ` (${low.toFixed(2)}-${high.toFixed(2)})`;
  return `${center.toFixed(2)}${range}`;
}

function setupText({ mode, path, flooded }: Row, modes: number): string {
  const place = path === null ? mode : modes > 1 ? `${mode} ${path}` : path;
  return flooded ? `${place} + flood` : place;
}

/** Part of the bytes that went between two guests directly, not through the agent. */
function shortcutText({ shortcutBytes, relayBytes }: Row["counters"]): string {
  if (shortcutBytes === undefined || relayBytes === undefined) return NOT_THERE;
  const all = shortcutBytes + relayBytes;
  return all === 0 ? NOT_THERE : `${Math.round((100 * shortcutBytes) / all)} %`;
}

function rowCells(rows: readonly Row[]): Cells {
  const modes = new Set(rows.filter(({ path }) => path !== null).map(({ mode }) => mode)).size;
  // Only a flood has something to be held against itself.
  const floods = rows.some(({ flooded }) => flooded);
  const against: readonly [Reference, string][] = [
    [BASELINE, "x TCP"],
    [UNIX, "x Unix"],
    ...(floods ? [["alone", "x alone"] as [Reference, string]] : []),
  ];
  const names = against.map(([, name]) => name);
  return {
    head: [
      ...["work", "setup", "value", "unit", "p99 us"],
      ...names,
      ...["CPU us/op", "bells", "polls", "direct"],
    ],
    left: [0, 1, 3],
    rows: rows.map((row, index) => [
      rows[index - 1]?.work === row.work ? "" : row.work,
      setupText(row, modes),
      short(row.value),
      row.unit === "us" ? `us ${row.label}` : row.unit,
      short(row.p99),
      ...against.map(([reference]) =>
        ratioText(row.ratios.find(({ to, of }) => to === reference && of === "value")),
      ),
      short(row.cpu),
      short(row.counters.doorbellsSent),
      short(row.counters.polls),
      shortcutText(row.counters),
    ]),
  };
}

function verdictText({ verdict, measured, atLeast }: GoalResult): string {
  if (verdict !== "open") return verdict;
  return (measured ?? 0) >= atLeast ? "reached, not certain" : "missed, not certain";
}

function goalCells(goals: readonly GoalResult[]): Cells {
  return {
    head: ["path", "goal", "x better", "needed", ""],
    left: [0, 1, 4],
    rows: goals.map((goal) => [
      goal.path,
      goal.text,
      ratioText({ ratio: goal.measured ?? Number.NaN, low: goal.low, high: goal.high }),
      goal.atLeast.toFixed(2),
      verdictText(goal),
    ]),
  };
}

/** The goals of which there is something to say. */
function goalText(goals: readonly GoalResult[], draw: Draw): string[] {
  const measured = goals.filter(({ verdict }) => verdict !== "not measured");
  if (measured.length === 0) return [];
  const others = goals.length - measured.length;
  return [
    draw(goalCells(measured)),
    ...(others === 0 ? [] : [`${others} more goals are of works not measured here.`]),
    "The goal for RUBiS is measured by `npm run demo`.",
  ];
}

/** What the table is worth when the machine has other work. */
function remarkOf({ otherLoad, processors }: Report): string[] {
  if (otherLoad < NOTABLE_LOAD) return [];
  const share = `${Math.round(otherLoad * 100)} % of ${processors} processors`;
  return [`Other programs took ${share}: repeat it on an idle machine.`];
}

const LEGEND =
  "x: times better than native TCP, Unix sockets (95 % interval). op: one write, round trip,\n" +
  "connection or request; bells and polls: doorbells and turns of polling for each; direct: part\n" +
  "of the bytes that took the shortcut between guests.";

function textOf(report: Report, draw: Draw, gap: string): string {
  return [
    draw(rowCells(report.rows)),
    LEGEND,
    ...goalText(report.goals, draw),
    ...remarkOf(report),
  ].join(gap);
}

export function tableOf(report: Report): string {
  return textOf(report, drawBoxes, "\n");
}

/** The same, to be published: with the machine. */
export function markdownOf(report: Report): string {
  const { processor, processors, kernel, node } = report;
  const machine = `${processor}, ${processors} processors, Linux ${kernel}, Node ${node}`;
  return `${textOf(report, drawMarkdown, "\n\n")}\n\n${machine}.`;
}
