/** The driver: identity and node service of CSI, for ephemeral inline volumes alone. */
import { existsSync } from "node:fs";
import { join, normalize } from "node:path";
import { status } from "@grpc/grpc-js";
import { SysError } from "@outsock/hostsys";
import type { AgentClient, Pod } from "./agent-client.ts";
import { CsiError, invalid } from "./errors.ts";
import type { RuntimeStore } from "./runtime-store.ts";
import type { PublishRequest, UnpublishRequest } from "./services.ts";
import { mountPoints, publish, unpublish } from "./volume.ts";

export const DRIVER_NAME = "shm.outsock.dev";

export interface DriverLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface DriverOptions {
  agent: AgentClient;
  runtimes: RuntimeStore;
  /** Holds a directory for each pod that the agent listens for. */
  pods: string;
  /** The kubelet's directory, /var/lib/kubelet. */
  kubelet: string;
  log: DriverLog;
}

const CONTEXT = "csi.storage.k8s.io";

export class Driver {
  private readonly options: DriverOptions;
  /** One call for a volume at a time. */
  private readonly busy = new Map<string, Promise<unknown>>();

  constructor(options: DriverOptions) {
    this.options = options;
  }

  /** Uid of the pod that a target path of the kubelet belongs to. @throws CsiError */
  private uidOf(target: string): string {
    const pods = join(this.options.kubelet, "pods/");
    const [uid, volumes, plugin, ...rest] = target.slice(pods.length).split("/");
    const volume = target.startsWith(pods) && volumes === "volumes" && rest.length === 2;
    if (volume && normalize(target) === target && plugin === "kubernetes.io~csi" && uid) return uid;
    throw invalid(`"${target}" is no target path of a pod's volume below ${pods}`);
  }

  private podOf({
    volume_id: volumeId,
    volume_context: context,
    target_path,
  }: PublishRequest): Pod {
    if (context[`${CONTEXT}/ephemeral`] !== "true") {
      throw invalid(`${DRIVER_NAME} has ephemeral inline volumes alone, no persistent ones`);
    }
    const pod = {
      uid: context[`${CONTEXT}/pod.uid`] ?? "",
      name: context[`${CONTEXT}/pod.name`] ?? "",
      namespace: context[`${CONTEXT}/pod.namespace`] ?? "",
      serviceAccount: context[`${CONTEXT}/serviceAccount.name`] ?? "",
      volumeId,
    };
    if (pod.uid === "" || pod.name === "" || pod.namespace === "") {
      throw invalid("the kubelet does not name the pod: the CSIDriver needs podInfoOnMount: true");
    }
    if (this.uidOf(target_path) !== pod.uid) throw invalid("the target path is another pod's");
    return pod;
  }

  /** @throws CsiError */
  publish(request: PublishRequest): Promise<void> {
    const { volume_id: volume, target_path: target } = request;
    if (volume === "" || target === "") throw invalid("volume_id or target_path is missing");
    if (request.volume_capability?.access_type !== "mount") {
      throw invalid(`${DRIVER_NAME} has file system volumes alone`);
    }
    const pod = this.podOf(request);
    return this.alone(target, async () => {
      await this.options.agent.pod(pod);
      const agent = join(this.options.pods, pod.uid);
      try {
        publish(target, { agent, runtime: this.options.runtimes.current });
      } catch (error) {
        throw new CsiError(status.INTERNAL, `cannot mount the volume: ${(error as Error).message}`);
      }
      const { uid, name, namespace } = pod;
      this.options.log.info({ uid, pod: `${namespace}/${name}`, volume }, "published");
    });
  }

  /** @throws CsiError */
  unpublish({ volume_id: volume, target_path: target }: UnpublishRequest): Promise<void> {
    if (volume === "" || target === "") throw invalid("volume_id or target_path is missing");
    const uid = this.uidOf(target);
    return this.alone(target, async () => {
      try {
        unpublish(target);
      } catch (error) {
        if (!(error instanceof SysError)) throw error;
        throw new CsiError(status.INTERNAL, `cannot unmount the volume: ${error.message}`);
      }
      await this.forget(uid);
      this.options.log.info({ uid, volume }, "unpublished");
      this.sweepRuntimes();
    });
  }

  /** Tells the agent; one that does not answer must not keep the pod from ending. */
  private async forget(uid: string): Promise<void> {
    try {
      await this.options.agent.podGone(uid);
    } catch (error) {
      const reason = (error as Error).message;
      this.options.log.warn({ uid, reason }, "the agent was not told that the pod is gone");
    }
  }

  /**
   * Forgets pods that went while this driver did not run (a node that was restarted), and runtimes
   * that nobody has. @throws CsiError when the agent does not answer
   */
  async sweep(): Promise<void> {
    this.sweepRuntimes();
    for (const { uid } of await this.options.agent.pods()) {
      if (!existsSync(join(this.options.kubelet, "pods", uid))) await this.forget(uid);
    }
  }

  /** As the driver goes: nothing of it stays on a node without guests. It may come back. */
  leave(): void {
    this.options.runtimes.leave(this.mountedRuntimes());
  }

  private mountedRuntimes(): string[] {
    return mountPoints().filter(
      (path) => path.startsWith(this.options.kubelet) && path.endsWith("/runtime"),
    );
  }

  private sweepRuntimes(): void {
    for (const version of this.options.runtimes.sweep(this.mountedRuntimes())) {
      this.options.log.info({ version }, "a runtime that no pod uses is removed");
    }
  }

  private async alone(target: string, work: () => Promise<void>): Promise<void> {
    if (this.busy.has(target)) {
      throw new CsiError(status.ABORTED, "a call for this volume is under way");
    }
    const done = work();
    this.busy.set(target, done);
    try {
      await done;
    } finally {
      this.busy.delete(target);
    }
  }
}
