import { STATES } from "./states.ts";

/** Rows of a table after those of the 27 states. */
export const BACK_ROW = STATES.length;
export const END_ROW = STATES.length + 1;

/** A published transition table. */
export interface TransitionTable {
  /** probabilities[to][from]; `to` may also be BACK_ROW or END_ROW. */
  readonly probabilities: readonly (readonly number[])[];
  /** The last column: waiting time in ms on entering a state (kept as data; see think.ts). */
  readonly waitMs: readonly number[];
}

/** The published tables spell one state wrong. */
const SPELLING: Readonly<Record<string, string>> = { StoreBuyBow: "StoreBuyNow" };
const spelt = (name: string): string => SPELLING[name] ?? name;

/** Reads a table from the cells of its CSV file; throws when it isn't one. */
export function transitionTable(rows: readonly (readonly string[])[]): TransitionTable {
  const names = STATES.map((state) => state.name as string);
  const header = rows[0]?.slice(1, -1).map(spelt) ?? [];
  if (header.join() !== names.join()) throw new Error("transition table: unexpected columns");
  const expected = [...names, "Back probability", "End of Session"];
  const body = rows.slice(1);
  if (body.map((row) => spelt(row[0] ?? "")).join() !== expected.join()) {
    throw new Error("transition table: unexpected rows");
  }
  const cells = body.map((row) => row.slice(1).map(Number));
  for (const row of cells) {
    if (row.length !== names.length + 1 || row.some((cell) => !(cell >= 0))) {
      throw new Error("transition table: a cell is missing or not a number");
    }
  }
  return {
    probabilities: cells.map((row) => row.slice(0, -1)),
    waitMs: cells.map((row) => row.at(-1) ?? 0),
  };
}

/** Probability cell; 0 outside the table. */
export function probability(table: TransitionTable, to: number, from: number): number {
  return table.probabilities[to]?.[from] ?? 0;
}

/**
 * The published rule, literally: walk the rows in file order and take the first whose cumulative
 * value exceeds u; stay if none does. Columns do not sum to 1, and normalising them would make
 * another workload (12 requests a session instead of about 50).
 */
export function nextRow(table: TransitionTable, from: number, u: number): number {
  let cumulative = 0;
  for (let row = 0; row <= END_ROW; row += 1) {
    cumulative += probability(table, row, from);
    if (u < cumulative) return row;
  }
  return from;
}
