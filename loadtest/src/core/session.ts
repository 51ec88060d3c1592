import { isSorry } from "./page.ts";
import { between, type Random } from "./random.ts";
import { type Catalogue, requestTarget } from "./requests.ts";
import { HOME } from "./states.ts";
import type { TransitionTable } from "./transitions.ts";
import { type Step, type Visit, Walk } from "./walk.ts";

/** The answer to a request; no body when the request failed (status 400 and up, or no answer). */
export type Answer = { readonly ok: true; readonly body: string } | { readonly ok: false };

/**
 * One session of one user, from Home to End of Session: says which page to ask for next, given the
 * answer to the last one. A "Sorry" page, and a page without the link that the walk wants, send
 * the client back; an error resets it to Home.
 */
export class Session {
  readonly #walk: Walk;
  readonly #random: Random;
  readonly #catalogue: Catalogue;
  readonly #user: number;

  constructor(table: TransitionTable, catalogue: Catalogue, random: Random) {
    this.#walk = new Walk(table);
    this.#random = random;
    this.#catalogue = catalogue;
    this.#user = between(random, 1, catalogue.users);
  }

  get transitions(): number {
    return this.#walk.transitions;
  }

  first(): Visit {
    return this.#walk.current;
  }

  /** The page to ask for next, or undefined when the session is over. */
  next(answer: Answer): Visit | undefined {
    if (!answer.ok) return this.#follow(this.#walk.reset(), "");
    const step = isSorry(answer.body) ? this.#walk.back() : this.#walk.next(this.#random());
    return this.#follow(step, answer.body);
  }

  /** Goes to a state by choice; undefined when the page doesn't lead there. */
  choose(state: number, page: string): Visit | undefined {
    const path = this.#target(state, page);
    if (path === undefined) return undefined;
    this.#walk.enter(state);
    return this.#visit({ state, path });
  }

  #follow(first: Step, page: string): Visit | undefined {
    let step = first;
    for (;;) {
      if (step.kind === "end") return undefined;
      if (step.kind === "revisit") return this.#visit(step.visit);
      const path = step.state === HOME ? "/" : this.#target(step.state, page);
      if (path !== undefined) return this.#visit({ state: step.state, path });
      step = this.#walk.back();
    }
  }

  #target(state: number, page: string): string | undefined {
    return requestTarget(state, {
      random: this.#random,
      catalogue: this.#catalogue,
      user: this.#user,
      page,
    });
  }

  #visit(visit: Visit): Visit {
    this.#walk.visited(visit);
    return visit;
  }
}
