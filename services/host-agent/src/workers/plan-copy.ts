/** The plan of a guest in the thread of its worker. */
import { AddressPlan } from "../address-plan.ts";
import type { NetworkPlan, PlanDescription } from "../network-plan.ts";
import { PodPlan } from "../pod-plan.ts";

export function planOf(description: PlanDescription): NetworkPlan {
  return description.kind === "local"
    ? new AddressPlan(description.address, description.nameserver)
    : new PodPlan(description);
}
