/** Ways to run the tiers, in the order in which tables and plots show them. */
export const MODES = ["native", "outsourced"] as const;
export type Mode = (typeof MODES)[number];

/** What every ratio is against: plain `node`, nothing of ours loaded. */
export const BASELINE: Mode = "native";

export function isMode(text: string): text is Mode {
  return (MODES as readonly string[]).includes(text);
}

/** One boot of the tiers in one mode, with its warm-up and its run. */
export interface Block {
  /** From 1. */
  readonly repeat: number;
  readonly mode: Mode;
}

/** Modes take turns, and every other repeat goes the other way round, so that drift cancels. */
export function schedule(modes: readonly Mode[], repeats: number): Block[] {
  return Array.from({ length: repeats }, (_, index) => {
    const order = index % 2 === 0 ? modes : modes.toReversed();
    return order.map((mode) => ({ repeat: index + 1, mode }));
  }).flat();
}
