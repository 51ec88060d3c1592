/**
 * What may stand in `--mode`, in the annotation `outsock.dev/mode` and in a VirtualMachine's
 * `spec.mode`. The one place: whoever needs the set asks here, and the CRD's enum is held against
 * it by a test.
 */
export const MODES = ["native", "outsourced"] as const;

export type Mode = (typeof MODES)[number];

/** The mode in which nothing of ours is loaded. */
export const NATIVE: Mode = "native";

export function isMode(text: string): text is Mode {
  return (MODES as readonly string[]).includes(text);
}
