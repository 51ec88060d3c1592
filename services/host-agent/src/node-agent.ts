/** The agent of a Kubernetes node: guests are pods, and their sockets are in the pods' networks. */

import { openSync } from "node:fs";
import { chmod, mkdir, rm, rmdir } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import {
  closeFd,
  flockExclusive,
  inNetworkNamespace,
  openNetworkNamespace,
  SysError,
} from "@outsock/hostsys";
import type { FastifyInstance } from "fastify";
import { Agent } from "./agent.ts";
import type { AgentLog } from "./agent-log.ts";
import { missingCapabilities } from "./capabilities.ts";
import { ControlSocket } from "./control-socket.ts";
import { nodeHttp } from "./node-http.ts";
import { type ContainerStatus, containerStatus } from "./node-status.ts";
import { PodRegistry } from "./pod-registry.ts";
import { Refused } from "./region-memory.ts";

export interface NodeAgentOptions {
  /** The directory that it shares with the volume driver. */
  directory: string;
  http: { host: string; port: number };
  version: string;
  log: AgentLog;
  /** Event loops; 1 by default. */
  workers?: number;
}

/** What the agent may not do, and what does not work for that. */
function nodeTroubles(): string[] {
  const troubles: string[] = [];
  const lacks = new Set(
    missingCapabilities(["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "NET_BIND_SERVICE"]),
  );
  if (lacks.has("SYS_PTRACE")) {
    troubles.push("without CAP_SYS_PTRACE it cannot look at the processes of pods");
  }
  if (lacks.has("NET_ADMIN")) {
    troubles.push("without CAP_NET_ADMIN it cannot prove which connections are one");
  }
  if (lacks.has("NET_BIND_SERVICE")) {
    troubles.push("without CAP_NET_BIND_SERVICE no pod can listen on a port below 1024");
  }
  if (process.pid === 1) {
    troubles.push("without hostPID it cannot see which process of a pod connects");
  }
  try {
    const own = openNetworkNamespace("self");
    try {
      inNetworkNamespace(own, () => {});
    } finally {
      closeFd(own);
    }
  } catch (error) {
    if (!(error instanceof SysError)) throw error;
    troubles.push(`it cannot enter the network of a pod (CAP_SYS_ADMIN): ${error.message}`);
  }
  return troubles;
}

export class NodeAgent {
  private readonly options: NodeAgentOptions;
  private readonly agent: Agent;
  private readonly registry: PodRegistry;
  private readonly control: ControlSocket;
  private readonly http: FastifyInstance;
  private readonly troubles = nodeTroubles();
  private listening = false;

  constructor(options: NodeAgentOptions) {
    const { log, version } = options;
    this.options = options;
    this.agent = new Agent({ log, version, workers: options.workers ?? 1 });
    this.registry = new PodRegistry(join(options.directory, "pods"), this.agent, log);
    this.control = new ControlSocket((request) => this.onControl(request), log);
    this.http = nodeHttp({
      version,
      troubles: () => [...this.troubles, ...(this.listening ? [] : ["it does not listen yet"])],
      guests: () => this.guests(),
      untouched: () => this.registry.untouched,
    });
  }

  async guests(): Promise<ContainerStatus[]> {
    await this.agent.refresh();
    return containerStatus(this.agent.running);
  }

  /** @returns the port of its HTTP. @throws Error when another agent has the directory */
  async start(): Promise<number> {
    const { directory, http, log } = this.options;
    await mkdir(directory, { recursive: true, mode: 0o755 });
    await chmod(directory, 0o755);
    // Held until the process ends.
    if (!flockExclusive(openSync(join(directory, "agent.lock"), "w", 0o600))) {
      throw new Error(`another agent runs in ${directory}`);
    }
    for (const trouble of this.troubles) log.warn({}, trouble);
    if (this.troubles.length === 0) log.info({}, "may enter the networks of this node's pods");
    await this.agent.ready();
    await this.registry.load();
    await this.control.listen(join(directory, "node.sock"));
    await this.listenHttp(http);
    this.listening = true;
    return (this.http.server.address() as AddressInfo).port;
  }

  private async listenHttp({ host, port }: { host: string; port: number }): Promise<void> {
    try {
      await this.http.listen({ host, port });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (host !== "::" || (code !== "EAFNOSUPPORT" && code !== "EADDRNOTAVAIL")) throw error;
      // A kernel without IPv6.
      await this.http.listen({ host: "0.0.0.0", port });
    }
  }

  async stop(): Promise<void> {
    this.listening = false;
    this.control.close();
    await this.registry.close();
    await this.agent.close();
    await this.http.close();
    await this.leave();
  }

  /** Nothing stays on a node without guests. */
  private async leave(): Promise<void> {
    const { directory } = this.options;
    try {
      await rmdir(join(directory, "pods"));
    } catch {
      // Pods have their sockets there, which the next agent listens on.
      return;
    }
    await rm(join(directory, "agent.lock"), { force: true });
  }

  private async onControl(request: Record<string, unknown>): Promise<object> {
    switch (request.request) {
      case "pod":
        return { directory: await this.registry.add(request) };
      case "pod-gone":
        await this.registry.remove(request.uid);
        return {};
      case "pods":
        return { pods: this.registry.pods };
      case "status":
        return { pid: process.pid, version: this.options.version, guests: await this.guests() };
      default:
        throw new Refused("EINVAL", "request must be pod, pod-gone, pods or status");
    }
  }
}
