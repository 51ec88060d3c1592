/** `outsock ps` and `outsock dmesg`. */
import type { KernelLogReply, StatusReply } from "@outsock/vrpc";
import Table from "cli-table3";
import { Command } from "commander";
import { ask, NoAgent } from "./agent-client.ts";
import { Failure } from "./failure.ts";
import { agentPaths } from "./runtime-directory.ts";

function plainTable(head: string[]): InstanceType<typeof Table> {
  return new Table({
    head,
    style: { head: [], border: [], "padding-left": 0, "padding-right": 2 },
    chars: {
      top: "",
      "top-mid": "",
      "top-left": "",
      "top-right": "",
      bottom: "",
      "bottom-mid": "",
      "bottom-left": "",
      "bottom-right": "",
      left: "",
      "left-mid": "",
      mid: "",
      "mid-mid": "",
      right: "",
      "right-mid": "",
      middle: "",
    },
  });
}

async function ps(options: { json?: boolean; paths?: boolean }): Promise<void> {
  let status: StatusReply | undefined;
  try {
    status = await ask<StatusReply>(agentPaths().socket, { request: "status" });
  } catch (error) {
    if (!(error instanceof NoAgent)) throw error;
  }
  if (options.json) {
    process.stdout.write(`${JSON.stringify(status?.guests ?? [], null, 2)}\n`);
    return;
  }
  if (status === undefined) {
    process.stdout.write("no agent runs, so there are no guests\n");
    return;
  }
  const table = plainTable([
    "NAME",
    "ADDRESS",
    "PID",
    "SOCKETS",
    "BYTES",
    "SHORTCUT",
    "PORTS",
    "PROGRAM",
  ]);
  const reasons = new Map<string, number>();
  for (const { name, address, processes, published } of status.guests) {
    const ports = published.map((p) => `${p.address}:${p.hostPort}->${p.guestPort}`).join(" ");
    for (const { pid, sockets, bytes, paths, counters, program } of processes) {
      const all = bytes + (counters.shortcutBytes ?? 0);
      table.push([name, address, pid, sockets, all, shortcutShare(paths), ports, program]);
      for (const [path, n] of Object.entries(paths)) {
        reasons.set(path, (reasons.get(path) ?? 0) + n);
      }
    }
  }
  process.stdout.write(`${table.toString().replace(/ +$/gm, "")}\n`);
  if (!options.paths) return;
  process.stdout.write("\nConnections so far, each end counted, by the way of their bytes:\n");
  for (const [path, n] of [...reasons].sort(([, a], [, b]) => b - a)) {
    process.stdout.write(`${String(n).padStart(8)}  ${path}\n`);
  }
}

/** Connections that took the shortcut, of all so far. */
function shortcutShare(paths: Record<string, number>): string {
  const all = Object.values(paths).reduce((sum, n) => sum + n, 0);
  return all === 0 ? "-" : `${Math.round((100 * (paths.shortcut ?? 0)) / all)}%`;
}

async function dmesg(name: string): Promise<void> {
  try {
    const { log } = await ask<KernelLogReply>(agentPaths().socket, { request: "dmesg", name });
    for (const { process: number, text } of log) {
      if (log.length > 1) process.stdout.write(`process ${number}:\n`);
      process.stdout.write(text);
    }
  } catch (error) {
    if (error instanceof NoAgent)
      throw new Failure(`no agent runs, so there is no guest "${name}"`);
    throw error;
  }
}

export function psCommand(): Command {
  return new Command("ps")
    .description("list the guests of this user's agent")
    .option("--json", "as JSON")
    .option("--paths", "also how many connections took the shortcut, and why others did not")
    .action(ps);
}

export function dmesgCommand(): Command {
  return new Command("dmesg")
    .description("print the kernel log of a guest")
    .argument("<name>", "name of the guest")
    .action(dmesg);
}
