import { planCoverage } from "./core/coverage.ts";
import { isSorry } from "./core/page.ts";
import { seededRandom } from "./core/random.ts";
import type { Catalogue } from "./core/requests.ts";
import { Session } from "./core/session.ts";
import { HOME, stateName } from "./core/states.ts";
import type { TransitionTable } from "./core/transitions.ts";
import type { Visit } from "./core/walk.ts";
import { HttpClient } from "./http-client.ts";

export interface ReplayOptions {
  readonly url: string;
  readonly table: TransitionTable;
  readonly catalogue: Catalogue;
  readonly seed: number;
  readonly signal?: AbortSignal;
}

/** One page as it was asked for and answered: comparable byte by byte between two modes. */
export interface Exchange {
  readonly state: string;
  /** Path and query. */
  readonly url: string;
  readonly status: number;
  readonly body: string;
}

/** One client, in order, without think time: the same seed asks the same pages of the same data. */
export async function* replay(
  options: ReplayOptions & { readonly interactions: number },
): AsyncGenerator<Exchange, void, undefined> {
  const random = seededRandom(options.seed);
  const http = new HttpClient(options.url);
  try {
    let session = new Session(options.table, options.catalogue, random);
    let visit = session.first();
    for (let done = 0; done < options.interactions; done += 1) {
      options.signal?.throwIfAborted();
      const exchange = await fetchPage(http, visit);
      yield exchange;
      const ok = exchange.status < 400;
      const next = session.next(ok ? { ok, body: exchange.body } : { ok });
      if (next === undefined) session = new Session(options.table, options.catalogue, random);
      visit = next ?? session.first();
    }
  } finally {
    await http.destroy();
  }
}

/** A planned walk whose page lacks the wanted link starts again, as often as this. */
const ATTEMPTS = 20;

/**
 * One client that visits every reachable state, following `planCoverage`. Throws when a state
 * can't be reached through the pages.
 */
export async function* replayCoverage(
  options: ReplayOptions,
): AsyncGenerator<Exchange, void, undefined> {
  const random = seededRandom(options.seed);
  const http = new HttpClient(options.url);
  try {
    for (const states of planCoverage(options.table).sessions) {
      let missing = "";
      for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
        options.signal?.throwIfAborted();
        const session = new Session(options.table, options.catalogue, random);
        const outcome = yield* followPlan(http, session, states);
        if (outcome === undefined) {
          missing = "";
          break;
        }
        missing = outcome;
      }
      if (missing !== "") throw new Error(`coverage: ${missing}`);
    }
  } finally {
    await http.destroy();
  }
}

/** Follows a plan from Home to its end; returns what stopped it, if anything did. */
async function* followPlan(
  http: HttpClient,
  session: Session,
  states: readonly number[],
): AsyncGenerator<Exchange, string | undefined, undefined> {
  let page = "";
  for (const [position, state] of states.entries()) {
    const visit = state === HOME ? session.first() : session.choose(state, page);
    if (visit === undefined) return `no way to ${stateName(state)} from the page before it`;
    const exchange = await fetchPage(http, visit);
    yield exchange;
    if (exchange.status >= 400) return `status ${exchange.status} for ${exchange.url}`;
    page = exchange.body;
    // The last page of a plan may well be one without a result.
    if (isSorry(page) && position < states.length - 1) return `"Sorry" for ${exchange.url}`;
  }
  return undefined;
}

async function fetchPage(http: HttpClient, visit: Visit): Promise<Exchange> {
  const answer = await http.get(visit.path);
  const state = stateName(visit.state);
  return { state, url: visit.path, status: answer.status, body: answer.body };
}
