/** A process of the guest: a number, a name, and its descriptors. */
import { DescriptorTable } from "./descriptor-table.ts";

export interface Process {
  pid: number;
  parent: number;
  /** Name of the program (at most 15 characters in /proc, comm). */
  command: string;
  descriptors: DescriptorTable;
}

export class ProcessTable {
  private readonly processes = new Map<number, Process>();

  /** @param limit RLIMIT_NOFILE of the process */
  spawn(pid: number, parent: number, command: string, limit: number): Process {
    const process = { pid, parent, command, descriptors: new DescriptorTable(limit) };
    this.processes.set(pid, process);
    return process;
  }

  /** Closes what the process left open. */
  exit(process: Process): void {
    for (const [fd] of process.descriptors.entries()) process.descriptors.close(fd);
    this.processes.delete(process.pid);
  }

  list(): Process[] {
    return [...this.processes.values()];
  }
}
