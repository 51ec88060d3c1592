/** A setup is a server and a client in one mode on one path, alone or beside a bulk transfer. */
import { BASELINE, isGuestMode, type Mode, type Path, UNIX, type Work } from "./works.ts";

/** A native setup is one for both paths. */
export interface Setup {
  readonly mode: Mode;
  readonly path: Path | undefined;
  /** Another pair of the same kind transfers in bulk meanwhile. */
  readonly flooded?: true;
}

/** Setups that share their processes have the same. */
export function pairName({ mode, path }: Setup): string {
  return path === undefined ? mode : `${mode} ${path}`;
}

export function setupName(setup: Setup): string {
  return setup.flooded ? `${pairName(setup)} flooded` : pairName(setup);
}

/** `modes` and `paths` as the user chose them; the baseline is always there. */
export function setupsOf(work: Work, modes: readonly Mode[], paths: readonly Path[]): Setup[] {
  const guests = modes.filter(isGuestMode).flatMap((mode) => paths.map((path) => ({ mode, path })));
  // Only guests of one host could use a Unix socket instead.
  const comparable = guests.length === 0 || paths.includes("guest-guest");
  const natives: Mode[] = modes.includes(UNIX) && comparable ? [BASELINE, UNIX] : [BASELINE];
  const setups: Setup[] = [...natives.map((mode) => ({ mode, path: undefined })), ...guests];
  return work.flooded
    ? setups.flatMap((setup) => [setup, { ...setup, flooded: true as const }])
    : setups;
}

/** What a setup can be held against. */
export const REFERENCES = [BASELINE, UNIX, "alone"] as const;
export type Reference = (typeof REFERENCES)[number];

/** The setup that a reference means for another setup, if it is measured. */
export function referenceOf(
  setup: Setup,
  reference: Reference,
  setups: readonly Setup[],
): Setup | undefined {
  if (reference === "alone") {
    if (!setup.flooded) return undefined;
    return setups.find((other) => !other.flooded && pairName(other) === pairName(setup));
  }
  if (setup.mode === reference || setup.mode === BASELINE) return undefined;
  if (reference === UNIX && setup.path === "guest-outside") return undefined;
  return setups.find(({ mode, flooded }) => mode === reference && flooded === setup.flooded);
}
