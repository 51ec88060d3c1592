import { HOME, STATE_INDEX, STATES } from "./states.ts";
import { probability, type TransitionTable } from "./transitions.ts";

/** A step that no published table takes, though the pages offer it. */
export interface Edge {
  readonly from: number;
  readonly to: number;
}

/** Nothing leads to PutCommentAuth in either table: its whole row is 0. The item's page does. */
export const LINKS_OUTSIDE_THE_TABLES: readonly Edge[] = [
  { from: STATE_INDEX.ViewItem, to: STATE_INDEX.PutCommentAuth },
];

/**
 * Pages that often have no items at a small scale (1,000 items over 62 regions x 20 categories;
 * most users neither bid nor sell), so that a plan doesn't go on from them.
 */
export const OFTEN_EMPTY: readonly number[] = [
  STATE_INDEX.SearchItemsInRegion,
  STATE_INDEX.AboutMe,
];

export interface CoveragePlan {
  /** Each a walk of states that starts at Home. */
  readonly sessions: readonly (readonly number[])[];
  /** States that no walk reaches. */
  readonly unreachable: readonly number[];
}

/**
 * Plans walks that visit every state that the table (and `extra`) can reach: from where the walk
 * is, on to the nearest state not yet seen; from Home again when there is none.
 */
export function planCoverage(
  table: TransitionTable,
  extra: readonly Edge[] = LINKS_OUTSIDE_THE_TABLES,
): CoveragePlan {
  const leads = (from: number, to: number): boolean =>
    !OFTEN_EMPTY.includes(from) &&
    (probability(table, to, from) > 0 ||
      extra.some((edge) => edge.from === from && edge.to === to));
  const unseen = new Set(STATES.keys());
  unseen.delete(HOME);

  const nearest = (start: number): number[] | undefined => {
    const paths: number[][] = [[start]];
    const reached = new Set([start]);
    for (const path of paths) {
      const from = path.at(-1) ?? start;
      if (unseen.has(from)) return path.slice(1);
      for (const to of STATES.keys()) {
        if (reached.has(to) || to === HOME || !leads(from, to)) continue;
        reached.add(to);
        paths.push([...path, to]);
      }
    }
    return undefined;
  };

  const sessions: number[][] = [];
  let session = [HOME];
  while (unseen.size > 0) {
    const path = nearest(session.at(-1) ?? HOME);
    if (path === undefined) {
      if (session.length === 1) break;
      sessions.push(session);
      session = [HOME];
      continue;
    }
    for (const state of path) unseen.delete(state);
    session.push(...path);
  }
  if (session.length > 1) sessions.push(session);
  return { sessions, unreachable: [...unseen] };
}
