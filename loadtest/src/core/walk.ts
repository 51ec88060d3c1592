import { HOME } from "./states.ts";
import { BACK_ROW, END_ROW, nextRow, probability, type TransitionTable } from "./transitions.ts";

/** A session ends at the latest after this many transitions. */
export const MAX_TRANSITIONS = 1000;

/** A page that was asked for. */
export interface Visit {
  readonly state: number;
  readonly path: string;
}

/** Where the walk goes: a new page of a state, a page seen before, or nowhere. */
export type Step =
  | { readonly kind: "enter"; readonly state: number }
  | { readonly kind: "revisit"; readonly visit: Visit }
  | { readonly kind: "end" };

/**
 * A session's walk over the states, with the stack behind the browser's Back button.
 *
 * The state being left is pushed when the state entered has a Back probability above 0; else the
 * stack is cleared. Staying in a state counts as entering it. Back pops, and the page is fetched
 * again at the same address.
 *
 * The caller reports every page that it asks for by `visited`, before the next step.
 */
export class Walk {
  readonly #table: TransitionTable;
  readonly #stack: Visit[] = [];
  #current: Visit = { state: HOME, path: "/" };
  #transitions = 0;

  constructor(table: TransitionTable) {
    this.#table = table;
  }

  get current(): Visit {
    return this.#current;
  }

  get transitions(): number {
    return this.#transitions;
  }

  /** What lies behind the Back button, oldest first. */
  get history(): readonly Visit[] {
    return this.#stack;
  }

  visited(visit: Visit): void {
    this.#current = visit;
  }

  /** The next step for a draw u in [0, 1). */
  next(u: number): Step {
    if (!this.#count()) return { kind: "end" };
    const row = nextRow(this.#table, this.#current.state, u);
    if (row === END_ROW) return { kind: "end" };
    return row === BACK_ROW ? this.#pop() : this.enter(row);
  }

  /** Goes to a state by choice instead of by chance. */
  enter(state: number): Step {
    if (probability(this.#table, BACK_ROW, state) > 0) this.#stack.push(this.#current);
    else this.#stack.length = 0;
    return { kind: "enter", state };
  }

  /** The page cannot be used ("Sorry", or it lacks the link that was wanted): Back. */
  back(): Step {
    return this.#count() ? this.#pop() : { kind: "end" };
  }

  /** A request failed: the client starts again at Home, in the same session. */
  reset(): Step {
    return this.#count() ? this.#home() : { kind: "end" };
  }

  #pop(): Step {
    const visit = this.#stack.pop();
    return visit === undefined ? this.#home() : { kind: "revisit", visit };
  }

  #home(): Step {
    this.#stack.length = 0;
    return { kind: "enter", state: HOME };
  }

  #count(): boolean {
    this.#transitions += 1;
    return this.#transitions < MAX_TRANSITIONS;
  }
}
