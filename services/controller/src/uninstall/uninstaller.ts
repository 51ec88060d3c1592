import { type Clock, pause } from "../clock.ts";
import type { UninstallConfig } from "../config.ts";
import {
  APPLY_FORCED,
  type ApiServer,
  isStatus,
  type KubeObject,
  keyOf,
  listAll,
  pathOf,
  RESOURCES,
} from "../kube/api.ts";
import { ANNOTATIONS, FINALIZER } from "../names.ts";
import { trimPod, usesDriver } from "../pods/facts.ts";
import type { Pod } from "../pods/types.ts";
import type { VirtualMachine, Workload } from "../vm/types.ts";
import { WORKLOADS } from "../workload/reconciler.ts";
import { planRelease, type Rollable, workloadId } from "./plan.ts";

interface UninstallerOptions {
  api: ApiServer;
  clock: Clock;
  config: UninstallConfig;
  say: (line: string) => void;
}

const LOOK_MS = 2_000;

interface AnyWorkload extends Workload {
  spec: Workload["spec"] & {
    paused?: boolean;
    updateStrategy?: { type?: string };
    selector?: { matchLabels?: Record<string, string> };
  };
}

/**
 * Takes Outsock out of a cluster whose workloads go on: no new guests, then no guests, and only then
 * may the agents go, without which a pod with their volume would hang in Terminating.
 */
export class Uninstaller {
  private readonly options: UninstallerOptions;
  private readonly rolled = new Set<string>();
  private readonly told = new Set<string>();

  constructor(options: UninstallerOptions) {
    this.options = options;
  }

  /** Resolves to the pods that still use the driver when the time is over; to none when all is done. */
  async run(): Promise<string[]> {
    const { clock, config, say } = this.options;
    const end = clock.now() + config.timeoutMs;
    await this.stopController(end);
    await this.deleteWebhook();
    await this.releaseVirtualMachines();
    for (;;) {
      const pods = await this.podsOfDriver();
      if (pods.length === 0) break;
      if (clock.now() >= end) return pods.map(keyOf);
      await this.release(pods);
      await pause(clock, LOOK_MS);
    }
    say("No pod uses the volume driver any more; the agents may go.");
    return [];
  }

  /** A controller that still works would put the finalizers back. */
  private async stopController(end: number): Promise<void> {
    const { api, clock, config, say } = this.options;
    const path = pathOf(RESOURCES.deployments, config.namespace, config.controllerDeployment);
    let deployment: AnyWorkload;
    try {
      deployment = await api.patch<AnyWorkload>(path, "merge", { spec: { replicas: 0 } });
    } catch (error) {
      if (!isStatus(error, 404)) throw error;
      return say(`There is no Deployment ${config.controllerDeployment}: no controller to stop.`);
    }
    say(`Stopping the controller (Deployment ${config.controllerDeployment} to 0 replicas).`);
    const labels = Object.entries(deployment.spec.selector?.matchLabels ?? {});
    const labelSelector = labels.map(([name, value]) => `${name}=${value}`).join(",");
    for (;;) {
      const pods = await listAll<Pod>(api, pathOf(RESOURCES.pods, config.namespace), {
        labelSelector,
      });
      if (pods.items.length === 0 || clock.now() >= end) return;
      await pause(clock, LOOK_MS);
    }
  }

  private async deleteWebhook(): Promise<void> {
    const { api, config, say } = this.options;
    try {
      await api.delete(pathOf(RESOURCES.webhooks, undefined, config.webhookConfiguration));
      say(`Deleted MutatingWebhookConfiguration ${config.webhookConfiguration}: no new guests.`);
    } catch (error) {
      if (!isStatus(error, 404)) throw error;
      say(`MutatingWebhookConfiguration ${config.webhookConfiguration} is gone already.`);
    }
  }

  /** Without a controller nobody would take the finalizers away. */
  private async releaseVirtualMachines(): Promise<void> {
    const { api, clock, config, say } = this.options;
    let vms: VirtualMachine[];
    try {
      vms = (await listAll<VirtualMachine>(api, pathOf(RESOURCES.virtualMachines))).items;
    } catch (error) {
      if (isStatus(error, 404)) return;
      throw error;
    }
    const fate = config.keepVirtualMachines
      ? "its Deployment stays, as an ordinary one"
      : "it goes with its resource, and its Deployment and pods with it";
    for (const vm of vms) {
      const { name, namespace, uid, resourceVersion, finalizers = [] } = vm.metadata;
      const path = pathOf(RESOURCES.virtualMachines, namespace, name);
      try {
        const status = unmanaged(vm, clock.now(), config.keepVirtualMachines);
        const { apiVersion, kind } = RESOURCES.virtualMachines;
        await api.patch(
          pathOf(RESOURCES.virtualMachines, namespace, name, "status"),
          "apply",
          { apiVersion, kind, metadata: { name, namespace, uid }, status },
          APPLY_FORCED,
        );
        if (finalizers.includes(FINALIZER)) {
          const rest = finalizers.filter((other) => other !== FINALIZER);
          // The status that was just written has changed the version; only the list is guarded.
          await api.patch(path, "json", [
            { op: "test", path: "/metadata/finalizers", value: finalizers },
            { op: "replace", path: "/metadata/finalizers", value: rest },
          ]);
        }
        say(`VirtualMachine ${namespace}/${name} is no longer managed; ${fate}.`);
      } catch (error) {
        if (!isStatus(error, 404) && !isStatus(error, 409)) throw error;
        say(`VirtualMachine ${namespace}/${name} (version ${resourceVersion}) is going by itself.`);
      }
    }
  }

  private async podsOfDriver(): Promise<Pod[]> {
    const list = await listAll<Pod>(this.options.api, pathOf(RESOURCES.pods));
    return list.items.map(trimPod).filter(usesDriver);
  }

  private async release(pods: Pod[]): Promise<void> {
    const { api, config, say } = this.options;
    const workloads = await this.workloads();
    const { roll, stop, evict, leave } = planRelease(pods, workloads, config.namespace);
    for (const workload of roll) {
      const id = workloadId(workload.kind, workload.namespace, workload.name);
      if (this.rolled.has(id)) continue;
      await this.roll(workload);
      this.rolled.add(id);
      say(`Rolling ${id}: its pods come back native.`);
    }
    for (const { kind, namespace, name } of stop) {
      const id = workloadId(kind, namespace, name);
      if (this.rolled.has(id)) continue;
      await this.patchWorkload(kind, namespace, name, { spec: { replicas: 0 } });
      this.rolled.add(id);
      say(`Stopping ${id}: it belongs to the release.`);
    }
    for (const pod of evict) {
      const { name, namespace } = pod.metadata;
      try {
        await api.create(pathOf(RESOURCES.pods, namespace, name, "eviction"), {
          apiVersion: "policy/v1",
          kind: "Eviction",
          metadata: { name, namespace },
        });
        say(`Evicted pod ${keyOf(pod)}: its owner makes it anew, native.`);
      } catch (error) {
        // 429: a PodDisruptionBudget wants it later; the next look tries again.
        if (!isStatus(error, 404) && !isStatus(error, 429)) throw error;
      }
    }
    for (const pod of leave) {
      this.sayOnce(
        `Waiting for pod ${keyOf(pod)}: nothing would make it anew, so it is left alone.`,
      );
    }
  }

  private async roll({ kind, namespace, name }: Rollable): Promise<void> {
    const at = new Date(this.options.clock.now()).toISOString();
    const annotations = { [ANNOTATIONS.restartedAt]: at };
    const template = { metadata: { annotations } };
    await this.patchWorkload(kind, namespace, name, { spec: { template } });
  }

  private async patchWorkload(kind: string, namespace: string, name: string, body: object) {
    const resource = WORKLOADS.find((candidate) => candidate.kind === kind)!;
    await this.options.api.patch(pathOf(resource, namespace, name), "merge", body);
  }

  private async workloads(): Promise<Map<string, Rollable>> {
    const found = new Map<string, Rollable>();
    for (const resource of WORKLOADS) {
      const list = await listAll<AnyWorkload>(this.options.api, pathOf(resource));
      for (const { metadata, spec } of list.items) {
        const { namespace = "", name = "" } = metadata;
        const standsStill = spec.paused === true || spec.updateStrategy?.type === "OnDelete";
        const asksForVolume = templateUsesDriver(spec.template);
        const { kind } = resource;
        const rollable = { kind, namespace, name, standsStill, asksForVolume };
        found.set(workloadId(kind, namespace, name), rollable);
      }
    }
    return found;
  }

  private sayOnce(line: string): void {
    if (this.told.has(line)) return;
    this.told.add(line);
    this.options.say(line);
  }
}

function templateUsesDriver({ spec }: Workload["spec"]["template"]): boolean {
  return spec !== undefined && usesDriver({ metadata: {}, spec } as Pod);
}

function unmanaged({ metadata }: KubeObject, now: number, kept: boolean): object {
  return {
    phase: "Unmanaged",
    observedGeneration: metadata.generation ?? 0,
    conditions: [
      {
        type: "Degraded",
        status: "True",
        observedGeneration: metadata.generation ?? 0,
        lastTransitionTime: new Date(now).toISOString().replace(/\.\d+Z$/, "Z"),
        reason: "Uninstalled",
        message: kept
          ? "Outsock was uninstalled; the Deployment of this name goes on natively"
          : "Outsock is being uninstalled; this VirtualMachine goes with it, and so do its pods",
      },
    ],
  };
}
