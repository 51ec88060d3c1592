/** The way of a connection as the guest is told: the last words of CONNECT and ACCEPTED. */
import { PATH, PROTOCOL_SHORTCUT } from "@outsock/abi";
import type { PayloadWriter } from "@outsock/vrpc";
import type { Assignment, Matchmaker } from "./broker.ts";

export type Way = Assignment | { why: number };

/** The PATH of a way. */
export function pathOf(way: Way): number {
  return "shortcut" in way ? PATH.SHORTCUT : way.why;
}

/** Path, pair, side and slot; nothing in a version that has no shortcuts. */
export function writePath(writer: PayloadWriter, version: number, way: Way): void {
  if (version < PROTOCOL_SHORTCUT) return;
  writer.u32(pathOf(way));
  if ("shortcut" in way) {
    const { shortcut, side } = way;
    writer.u32(shortcut.pair.id).u32(side).u32(shortcut.slot.number);
  } else {
    writer.u32(0).u32(0).u32(0);
  }
}

/**
 * Why a socket's connections get no shortcut (PATH); undefined when they may.
 * @param shortcuts where its guest's ends are offered, or why they are not
 * @param wanted SO_OUTSOCK_SHORTCUT of the socket
 */
export function refusal(shortcuts: Matchmaker | number, wanted: boolean): number | undefined {
  if (typeof shortcuts === "number") return shortcuts;
  return wanted ? undefined : PATH.DISABLED;
}
