/**
 * The guest kernel: what boots when a guest starts. It owns the process table, the file system's
 * few files, the log, the scheduler and the protocol families, and reaches the outside only
 * through those families.
 */
import { AF_INET, AF_INET6, AF_UNIX, ERRNO } from "@outsock/abi";
import type { ProtocolFamily, SocketFile } from "../net/protocol-family.ts";
import { FileSystem } from "./file-system.ts";
import { KernelLog } from "./klog.ts";
import { type Process, ProcessTable } from "./process.ts";
import { Scheduler, type SchedulerOptions } from "./scheduler.ts";
import type { TimerSource } from "./timer-file.ts";

export const KERNEL_RELEASE = "0.1.0-outsock";

const DOMAIN_NAMES: Record<number, string> = {
  [AF_UNIX]: "AF_UNIX",
  [AF_INET]: "AF_INET",
  [AF_INET6]: "AF_INET6",
};

export interface KernelOptions extends SchedulerOptions {
  hostname: string;
  /** Monotonic clock, milliseconds. */
  now: () => number;
  timers: TimerSource;
  /** RLIMIT_NOFILE of guest processes. */
  descriptorLimit: number;
}

export class Kernel {
  private name: string;
  readonly log: KernelLog;
  readonly scheduler: Scheduler;
  readonly processes = new ProcessTable();
  readonly files = new FileSystem();
  readonly timers: TimerSource;
  readonly now: () => number;
  private readonly descriptorLimit: number;
  private readonly families = new Map<number, ProtocolFamily>();
  /** Every socket of the guest, for /proc/net. */
  readonly sockets = new Set<SocketFile>();

  constructor(options: KernelOptions) {
    const booted = options.now();
    this.name = options.hostname;
    this.now = options.now;
    this.timers = options.timers;
    this.descriptorLimit = options.descriptorLimit;
    this.scheduler = new Scheduler(options);
    this.log = new KernelLog(() => (options.now() - booted) / 1000);
    this.log.write(`Outsock guest kernel ${KERNEL_RELEASE} booting on "${options.hostname}"`);
    this.files.mountNetwork(this);
  }

  get hostname(): string {
    return this.name;
  }

  /** sethostname(2): the agent may have chosen the name. */
  rename(name: string): void {
    this.name = name;
  }

  /** Makes `family` the one that sockets of `domains` belong to. */
  registerFamily(family: ProtocolFamily, domains: readonly number[] = [AF_INET, AF_INET6]): void {
    for (const domain of domains) this.families.set(domain, family);
    const names = domains.map((domain) => DOMAIN_NAMES[domain] ?? domain).join(", ");
    this.log.write(`net: protocol family "${family.name}" registered for ${names}`);
  }

  /** The family of the network: the one of AF_INET. */
  get protocolFamily(): ProtocolFamily | undefined {
    return this.families.get(AF_INET);
  }

  spawn(pid: number, command: string): Process {
    const process = this.processes.spawn(pid, 1, command.slice(0, 15), this.descriptorLimit);
    this.log.write(`process ${pid} (${process.command}) started`);
    return process;
  }

  /** @returns a socket of the family registered for `domain`, or a negative errno */
  socket(domain: number, type: number, protocol: number): SocketFile | number {
    return this.families.get(domain)?.socket(domain, type, protocol) ?? -ERRNO.EAFNOSUPPORT;
  }
}
