import { describe, expect, it } from "vitest";
import { seededRandom } from "../src/core/random.ts";
import { STATE_INDEX, STATES } from "../src/core/states.ts";
import { BACK_ROW, END_ROW, nextRow, type TransitionTable } from "../src/core/transitions.ts";
import { MAX_TRANSITIONS, Walk } from "../src/core/walk.ts";
import { loadTable, type Mix } from "../src/data.ts";

const { Home, Browse, BrowseCategories, SearchItemsInCategory, ViewItem, ViewUserInfo, Sell } =
  STATE_INDEX;

/** Lengths of sessions, and shares of states, over many walks without errors. */
function simulate(mix: Mix, sessions: number) {
  const table = loadTable(mix);
  const random = seededRandom(20021104);
  const visits = STATES.map(() => 0);
  const lengths: number[] = [];
  let capped = 0;
  for (let session = 0; session < sessions; session += 1) {
    const walk = new Walk(table);
    let length = 1;
    visits[Home] = (visits[Home] ?? 0) + 1;
    for (let step = walk.next(random()); step.kind !== "end"; step = walk.next(random())) {
      const visit = step.kind === "enter" ? { state: step.state, path: "" } : step.visit;
      walk.visited(visit);
      visits[visit.state] = (visits[visit.state] ?? 0) + 1;
      length += 1;
    }
    if (length === MAX_TRANSITIONS) capped += 1;
    lengths.push(length);
  }
  lengths.sort((a, b) => a - b);
  const all = lengths.reduce((sum, length) => sum + length, 0);
  const share = (states: readonly number[]): number =>
    states.reduce((sum, state) => sum + (visits[state] ?? 0), 0) / all;
  return {
    mean: all / sessions,
    median: lengths[sessions >> 1] ?? 0,
    capped: capped / sessions,
    writes: share(
      [...STATES.keys()].filter((state) => (STATES[state]?.access as string) === "write"),
    ),
    // The five pages that the published figures call static.
    static: share([0, 1, 3, 21, 25]),
  };
}

describe("the published rule", () => {
  it("bidding walk, 20,000 sessions: the published figures come out", () => {
    const figures = simulate("bidding", 20_000);
    expect(figures.mean).toBeGreaterThan(49.5);
    expect(figures.mean).toBeLessThan(52.5);
    expect(Math.abs(figures.median - 36)).toBeLessThanOrEqual(1);
    expect(figures.writes).toBeCloseTo(0.092, 2);
    expect(figures.static).toBeCloseTo(0.133, 1);
  });

  it("browsing walk, 3,000 sessions: long sessions, no writes", () => {
    const figures = simulate("browsing", 3_000);
    expect(figures.mean).toBeGreaterThan(430);
    expect(figures.mean).toBeLessThan(470);
    expect(figures.capped).toBeCloseTo(0.15, 1);
    expect(figures.writes).toBe(0);
    expect(figures.static).toBeCloseTo(0.013, 2);
  });

  it("takes the first row whose cumulative value exceeds the draw", () => {
    const table = loadTable("bidding");
    // Column Home: Register 0.07, Browse 0.7, Sell 0.05, AboutMe (auth form) 0.15.
    expect(nextRow(table, Home, 0)).toBe(STATE_INDEX.Register);
    expect(nextRow(table, Home, 0.0699)).toBe(STATE_INDEX.Register);
    expect(nextRow(table, Home, 0.07)).toBe(Browse);
    expect(nextRow(table, Home, 0.7699)).toBe(Browse);
    expect(nextRow(table, Home, 0.7701)).toBe(Sell);
    expect(nextRow(table, Home, 0.9)).toBe(STATE_INDEX["AboutMe (auth form)"]);
  });

  it("stays in the state when the draw exceeds the whole column", () => {
    expect(nextRow(loadTable("bidding"), Home, 0.98)).toBe(Home);
  });

  it("knows Back and End of Session by their rows", () => {
    const table = loadTable("bidding");
    const rows = new Set(
      Array.from({ length: 1000 }, (_, i) => nextRow(table, ViewItem, i / 1000)),
    );
    expect(rows.has(BACK_ROW)).toBe(true);
    const search = new Set(
      Array.from({ length: 1000 }, (_, i) => nextRow(table, SearchItemsInCategory, i / 1000)),
    );
    expect(search.has(END_ROW)).toBe(false);
    expect(nextRow(table, ViewUserInfo, 0.9999)).toBe(BACK_ROW);
  });
});

/** A table with the given transitions alone: [from, to, probability]. */
function table(...edges: (readonly [number, number, number])[]): TransitionTable {
  const probabilities = Array.from({ length: END_ROW + 1 }, () => STATES.map(() => 0));
  for (const [from, to, p] of edges) (probabilities[to] as number[])[from] = p;
  return { probabilities, waitMs: [] };
}

const step = (walk: Walk, u: number): string => {
  const next = walk.next(u);
  if (next.kind === "end") return "end";
  const visit = next.kind === "enter" ? { state: next.state, path: `/${next.state}` } : next.visit;
  walk.visited(visit);
  return `${next.kind} ${visit.path}`;
};

describe("the Back stack", () => {
  const chain = table(
    [Home, Browse, 1],
    [Browse, ViewItem, 1],
    [ViewItem, ViewUserInfo, 0.4],
    [ViewItem, BACK_ROW, 0.6],
    [ViewUserInfo, BACK_ROW, 0.9],
    [ViewUserInfo, BrowseCategories, 0],
  );

  it("entering a state with a Back probability pushes the state left", () => {
    const walk = new Walk(chain);
    step(walk, 0);
    expect(walk.history).toEqual([]);
    step(walk, 0);
    step(walk, 0);
    expect(walk.history.map(({ path }) => path)).toEqual([`/${Browse}`, `/${ViewItem}`]);
  });

  it("Back pops and fetches the same pages again", () => {
    const walk = new Walk(chain);
    step(walk, 0);
    step(walk, 0);
    step(walk, 0);
    expect(step(walk, 0.5)).toBe(`revisit /${ViewItem}`);
    expect(step(walk, 0.5)).toBe(`revisit /${Browse}`);
    expect(walk.history).toEqual([]);
  });

  it("entering a state without a Back probability clears the stack", () => {
    const walk = new Walk(
      table([Home, ViewItem, 1], [ViewItem, Browse, 0.5], [ViewItem, BACK_ROW, 0.4]),
    );
    step(walk, 0);
    expect(walk.history).toHaveLength(1);
    step(walk, 0.1);
    expect(walk.current.state).toBe(Browse);
    expect(walk.history).toEqual([]);
  });

  it("Back with an empty stack goes Home", () => {
    const walk = new Walk(chain);
    step(walk, 0);
    expect(walk.back()).toEqual({ kind: "enter", state: Home });
  });

  it("an error resets to Home and forgets the stack", () => {
    const walk = new Walk(chain);
    step(walk, 0);
    step(walk, 0);
    expect(walk.reset()).toEqual({ kind: "enter", state: Home });
    expect(walk.history).toEqual([]);
  });

  it("a session ends after 1,000 transitions", () => {
    const walk = new Walk(table([Home, Browse, 1], [Browse, Home, 1]));
    let transitions = 0;
    while (step(walk, 0) !== "end") transitions += 1;
    expect(transitions).toBe(999);
    expect(walk.transitions).toBe(1000);
  });
});
