import { readFileSync } from "node:fs";
import { parse } from "csv-parse/sync";
import type { Catalogue } from "./core/requests.ts";
import { type TransitionTable, transitionTable } from "./core/transitions.ts";

/** The published mixes. */
export const MIXES = ["bidding", "browsing"] as const;
export type Mix = (typeof MIXES)[number];

export function isMix(text: string): text is Mix {
  return (MIXES as readonly string[]).includes(text);
}

function readCsv(name: string): string[][] {
  return parse(readFileSync(new URL(`../data/${name}.csv`, import.meta.url)));
}

export function loadTable(mix: Mix): TransitionTable {
  return transitionTable(readCsv(mix));
}

/** Users of a data set: the published million for 33,000 items, for each 1,000 items of the scale. */
export function usersAtScale(scale: number): number {
  return Math.round((scale * 1_000_000) / 33);
}

function named(name: string): { id: number; name: string }[] {
  return readCsv(name)
    .slice(1)
    .map((row) => ({ id: Number(row[0]), name: row[1] ?? "" }));
}

export function loadCatalogue(scale: number): Catalogue {
  return {
    categories: named("categories"),
    regions: named("regions"),
    users: usersAtScale(scale),
  };
}
