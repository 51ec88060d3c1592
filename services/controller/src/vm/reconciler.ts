import { isDeepStrictEqual } from "node:util";
import type { Agents, GuestReport } from "../agents/guests.ts";
import type { Clock } from "../clock.ts";
import {
  APPLY_FORCED,
  ApiError,
  type ApiServer,
  isStatus,
  pathOf,
  RESOURCES,
} from "../kube/api.ts";
import type { EventRecorder } from "../kube/events.ts";
import { FINALIZER } from "../names.ts";
import { isGoing, usesDriver, wasMissed } from "../pods/facts.ts";
import type { Namespaces } from "../pods/namespaces.ts";
import type { Pod } from "../pods/types.ts";
import { type Action, noticesOf, plan } from "./plan.ts";
import { statusOf } from "./status.ts";
import type { VirtualMachine, VirtualMachineStatus, Workload } from "./types.ts";

interface ReconcilerOptions {
  api: ApiServer;
  clock: Clock;
  events: EventRecorder;
  agents: Agents;
  namespaces: Pick<Namespaces, "leftOut">;
  guestImage: string;
  vms: { get: (key: string) => VirtualMachine | undefined };
  deployments: { get: (key: string) => Workload | undefined };
  podsOf: (vm: VirtualMachine) => Pod[];
}

/** While guests run, their figures are looked at so often. */
const LOOK_MS = 10_000;
/** What the API server refused may be let through later: a quota, a namespace's rules. */
const REFUSED_MS = 60_000;
/** An apply that would change nothing is left out, but not for longer than this. */
const APPLY_AGAIN_MS = 10 * 60_000;

/** Brings one VirtualMachine to what it says. */
export class VirtualMachineReconciler {
  private readonly options: ReconcilerOptions;
  private readonly applied = new Map<string, { text: string; generation: number; at: number }>();

  constructor(options: ReconcilerOptions) {
    this.options = options;
  }

  /** The result says after how many milliseconds to look again, if nothing changes before. */
  async reconcile(key: string): Promise<number | undefined> {
    const { clock, vms, deployments, namespaces, podsOf, guestImage } = this.options;
    const vm = vms.get(key);
    if (!vm) {
      this.applied.delete(key);
      return undefined;
    }
    let deployment = deployments.get(key);
    const pods = podsOf(vm);
    let refused: string | undefined;
    for (const action of plan({ vm, deployment, pods }, guestImage)) {
      try {
        const result = await this.perform(key, vm, deployment, action);
        if (result) deployment = result;
      } catch (error) {
        // What the CRD lets through, a Deployment may not; nobody but the user can mend that.
        if (action.do !== "apply" || !isRefusal(error)) throw error;
        refused = error.message;
      }
      if (action.do === "remove-finalizer") return undefined;
    }
    const figures = await this.ask(pods);
    const leftOut = pods.some(wasMissed)
      ? await namespaces.leftOut(vm.metadata.namespace ?? "")
      : undefined;
    const now = clock.now();
    const status = statusOf({ vm, deployment, refused, pods, leftOut, ...figures, now });
    await this.write(vm, status);
    if (refused !== undefined) return REFUSED_MS;
    return pods.some(usesDriver) ? LOOK_MS : undefined;
  }

  private async perform(
    key: string,
    vm: VirtualMachine,
    deployment: Workload | undefined,
    action: Action,
  ): Promise<Workload | undefined> {
    const { api, clock, events } = this.options;
    const { name, namespace, uid, resourceVersion } = vm.metadata;
    const path = pathOf(RESOURCES.virtualMachines, namespace, name);
    const deploymentPath = pathOf(RESOURCES.deployments, namespace, name);
    switch (action.do) {
      case "add-finalizer":
        // With the uid, one that was deleted meanwhile is not made again.
        await api.patch(
          path,
          "apply",
          {
            apiVersion: RESOURCES.virtualMachines.apiVersion,
            kind: RESOURCES.virtualMachines.kind,
            metadata: { name, namespace, uid, finalizers: [FINALIZER] },
          },
          APPLY_FORCED,
        );
        return undefined;
      case "remove-finalizer":
        try {
          const finalizers = vm.metadata.finalizers?.filter((other) => other !== FINALIZER);
          await api.patch(path, "merge", { metadata: { resourceVersion, finalizers } });
        } catch (error) {
          if (!isStatus(error, 404)) throw error;
        }
        return undefined;
      case "delete-deployment":
        try {
          await api.delete(deploymentPath, {
            apiVersion: "v1",
            kind: "DeleteOptions",
            propagationPolicy: "Foreground",
            preconditions: { uid: action.uid },
          });
        } catch (error) {
          if (!isStatus(error, 404) && !isStatus(error, 409)) throw error;
        }
        return undefined;
      case "say":
        await events.say(vm, action.notice);
        return undefined;
      case "apply": {
        const text = JSON.stringify(action.deployment);
        const before = this.applied.get(key);
        if (
          deployment &&
          before?.text === text &&
          before.generation === deployment.metadata.generation &&
          clock.now() - before.at < APPLY_AGAIN_MS
        ) {
          return undefined;
        }
        const result = await api.patch<Workload>(
          deploymentPath,
          "apply",
          action.deployment,
          APPLY_FORCED,
        );
        const generation = result.metadata.generation ?? 0;
        this.applied.set(key, { text, generation, at: clock.now() });
        if (!deployment) {
          const note = `Made Deployment ${name}`;
          await events.say(vm, { type: "Normal", reason: "Applied", note });
        }
        return result;
      }
    }
  }

  private async ask(pods: Pod[]): Promise<{
    guests: Map<string, GuestReport[]>;
    silent: Map<string, string>;
  }> {
    const guests = new Map<string, GuestReport[]>();
    const silent = new Map<string, string>();
    const asked = pods.filter(
      (pod) => usesDriver(pod) && !isGoing(pod) && pod.status?.phase === "Running",
    );
    const nodes = new Set(asked.flatMap((pod) => pod.spec.nodeName ?? []));
    await Promise.all(
      [...nodes].map(async (node) => {
        try {
          for (const guest of await this.options.agents.guestsOn(node)) {
            const same = guests.get(guest.uid);
            if (same) same.push(guest);
            else guests.set(guest.uid, [guest]);
          }
        } catch (error) {
          const { message, cause } = error as Error;
          silent.set(node, cause instanceof Error ? `${message} (${cause.message})` : message);
        }
      }),
    );
    return { guests, silent };
  }

  private async write(vm: VirtualMachine, status: VirtualMachineStatus): Promise<void> {
    if (isDeepStrictEqual(vm.status, status)) return;
    const { api, events } = this.options;
    const { name, namespace, uid } = vm.metadata;
    try {
      await api.patch(
        pathOf(RESOURCES.virtualMachines, namespace, name, "status"),
        "apply",
        {
          apiVersion: RESOURCES.virtualMachines.apiVersion,
          kind: RESOURCES.virtualMachines.kind,
          metadata: { name, namespace, uid },
          status,
        },
        APPLY_FORCED,
      );
    } catch (error) {
      // Gone, or another of the same name by now: that one comes by itself.
      if (isStatus(error, 404) || isStatus(error, 409)) return;
      throw error;
    }
    for (const notice of noticesOf(vm.status, status)) await events.say(vm, notice);
  }
}

function isRefusal(error: unknown): error is ApiError {
  return error instanceof ApiError && [400, 403, 422].includes(error.status);
}
