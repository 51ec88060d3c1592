/** The report for a terminal. */
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

function plainTable(head: readonly string[], left: readonly number[]) {
  return new Table({
    head: [...head],
    colAligns: head.map((_, column) => (left.includes(column) ? "left" : "right")),
    // Rules only between works.
    chars: { mid: "", "left-mid": "", "mid-mid": "", "right-mid": "" },
    style: { head: [], border: [], "padding-left": 0, "padding-right": 1 },
  });
}

function setupText({ mode, path, flooded }: Row): string {
  const place = path === null ? mode : path;
  return flooded ? `${place} + flood` : place;
}

function rowTable(rows: readonly Row[], modes: number): string {
  // Only a flood has something to be held against itself.
  const floods = rows.some(({ flooded }) => flooded);
  const ratios = ["x TCP", "x Unix", ...(floods ? ["x alone"] : [])];
  const table = plainTable(
    ["work", "setup", "value", "unit", "p99 us", ...ratios, "CPU us/op", "bells", "polls"],
    [0, 1, 3],
  );
  for (const [index, row] of rows.entries()) {
    const against = (to: Reference) =>
      row.ratios.find((ratio) => ratio.to === to && ratio.of === "value");
    const { doorbellsSent, polls } = row.counters;
    table.push([
      rows[index - 1]?.work === row.work ? "" : row.work,
      modes > 1 && row.path !== null ? `${row.mode} ${setupText(row)}` : setupText(row),
      short(row.value),
      row.unit === "us" ? `us ${row.label}` : row.unit,
      short(row.p99),
      ratioText(against(BASELINE)),
      ratioText(against(UNIX)),
      ...(floods ? [ratioText(against("alone"))] : []),
      short(row.cpu),
      short(doorbellsSent),
      short(polls),
    ]);
  }
  return table.toString();
}

/** The goals of which there is something to say. */
function goalTable(goals: readonly GoalResult[]): string {
  const measured = goals.filter(({ verdict }) => verdict !== "not measured");
  if (measured.length === 0) return "";
  const table = plainTable(["path", "goal", "x better", "needed", ""], [0, 1, 4]);
  for (const goal of measured) {
    table.push([
      goal.path,
      goal.text,
      ratioText({ ratio: goal.measured ?? Number.NaN, low: goal.low, high: goal.high }),
      goal.atLeast.toFixed(2),
      verdictText(goal),
    ]);
  }
  const others = goals.length - measured.length;
  const rest = others === 0 ? "" : `\n${others} more goals are of works not measured here.`;
  return `\n${table.toString()}${rest}\nThe goal for RUBiS is measured by \`npm run demo\`.`;
}

function verdictText({ verdict, measured, atLeast }: GoalResult): string {
  if (verdict !== "open") return verdict;
  return (measured ?? 0) >= atLeast ? "reached, not certain" : "missed, not certain";
}

/** What the table is worth when the machine has other work. */
function remarkOf({ otherLoad, processors }: Report): string {
  if (otherLoad < NOTABLE_LOAD) return "";
  const share = `${Math.round(otherLoad * 100)} % of ${processors} processors`;
  return `\nOther programs took ${share}: repeat it on an idle machine.`;
}

export function tableOf(report: Report): string {
  const { rows, goals } = report;
  const modes = new Set(rows.filter(({ path }) => path !== null).map(({ mode }) => mode)).size;
  return [
    rowTable(rows, modes),
    "\nx: times better than native TCP, Unix sockets (95 % interval). op: one write, round trip,",
    "\nconnection or request; bells and polls: doorbells and turns of polling for each.",
    goalTable(goals),
    remarkOf(report),
  ].join("");
}
