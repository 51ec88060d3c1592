/** How guests come in on a listening socket: which guest a process is of, and its network. */
import type { AttachRequest, UntouchedRequest } from "@outsock/vrpc";
import type { Guest } from "./guest.ts";
import type { NetworkPlan } from "./network-plan.ts";

/** A process that may attach. */
export interface Entry {
  guest: Guest;
  plan: NetworkPlan;
  /** As the agent sees it. */
  pid: number;
  container: string | undefined;
}

export interface Door {
  /** Judges the process behind the connection `fd`. @throws Refused */
  enter(fd: number, request: AttachRequest): Entry;
  /** A process of the guest's machine says that it is no guest. @throws Refused */
  untouched(fd: number, request: UntouchedRequest): void;
}
