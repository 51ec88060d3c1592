/** Drives programs/puppet.cjs, natively or as a guest. */
import type { TestProcess } from "./process.ts";
import { program, type RunOptions, type Sandbox } from "./sandbox.ts";
import { until } from "./wait.ts";

export interface PuppetEvent {
  id: string;
  event: string;
  code?: string;
  errno?: number;
  syscall?: string;
  address?: string;
  port?: number;
  text?: string;
  name?: string;
  remote?: string;
  local?: string;
  message?: string;
  received?: number;
  hadError?: boolean;
  written?: number;
  waiting?: number;
  bytesRead?: number;
  bytesWritten?: number;
  readyState?: string;
  localAddress?: string;
  localPort?: number;
  remoteAddress?: string;
  remotePort?: number;
}

interface ConnectOptions {
  echo?: boolean;
  paused?: boolean;
  allowHalfOpen?: boolean;
  outsock?: { shortcut: boolean };
}

interface ListenOptions {
  host?: string;
  /** Its connections are not read. */
  paused?: boolean;
  /** Its connections do not echo; they say what they read. */
  silent?: boolean;
  allowHalfOpen?: boolean;
  outsock?: { shortcut: boolean };
}

export class Puppet {
  readonly process: TestProcess;

  constructor(process: TestProcess) {
    this.process = process;
  }

  do(command: { do: string; id?: string; [field: string]: unknown }): void {
    this.process.say(JSON.stringify(command));
  }

  events(id?: string): PuppetEvent[] {
    const all = this.process.records<PuppetEvent>();
    return id === undefined ? all : all.filter((event) => event.id === id);
  }

  /** Waits for an event of a socket. */
  seen(id: string, event: string, timeout?: number): Promise<PuppetEvent> {
    return until(
      `${event} of ${id}`,
      () => {
        if (this.process.outcome !== undefined) throw new Error("the puppet has ended");
        const events = this.events(id);
        const error = events.find((one) => one.event === "error");
        if (error !== undefined && !["error", "close"].includes(event)) {
          throw new Error(`${id}: ${JSON.stringify(error)} instead of ${event}`);
        }
        return events.find((one) => one.event === event);
      },
      { ...(timeout === undefined ? {} : { timeout }), state: () => this.process.stdout },
    );
  }

  /** Listens and waits until it does. */
  async listen(id: string, port: number, options: ListenOptions = {}) {
    this.do({ do: "listen", id, port, ...options });
    return this.seen(id, "listening");
  }

  async connect(id: string, host: string, port: number, options: ConnectOptions = {}) {
    this.do({ do: "connect", id, host, port, ...options });
    return this.seen(id, "connect");
  }
}

/** Starts a puppet as a guest and waits until it takes commands. */
export async function guestPuppet(box: Sandbox, options: RunOptions = {}): Promise<Puppet> {
  const puppet = new Puppet(box.guest(program("puppet.cjs"), options));
  await puppet.seen("", "ready", 30_000);
  return puppet;
}
