/**
 * The host agent: accepts guests on its unix socket, owns their sockets, and answers `ps` and
 * `dmesg`. One process; nothing listens beyond loopback unless a guest publishes it.
 */
import { createServer, type Server, type Socket } from "node:net";
import { peerCredentials, SysError } from "@outsock/hostsys";
import {
  type AttachRequest,
  agreeVersion,
  type Endpoint,
  HANDSHAKE_MAX_BYTES,
  type KernelLogReply,
  type Refusal,
  type Request,
  type StatusReply,
} from "@outsock/vrpc";
import { AddressPlan } from "./address-plan.ts";
import { claimAddress } from "./address-pool.ts";
import type { AgentLog } from "./agent-log.ts";
import type { Door, Entry } from "./door.ts";
import { Guest } from "./guest.ts";
import { guestsByName } from "./guest-names.ts";
import { checkName, checkRequest } from "./handshake-check.ts";
import { type HostResolver, readHostResolver } from "./host-resolver.ts";
import { Refused } from "./region-memory.ts";
import { SessionLoop, type Visitor } from "./session-loop.ts";
import type { SessionView } from "./session-view.ts";
import { fdOf } from "./tcp-handle.ts";
import { WorkerPool } from "./workers/worker-pool.ts";

export interface AgentOptions {
  log: AgentLog;
  version: string;
  /** Called when somebody connects. */
  onBusy?: () => void;
  /** Called whenever there are no guests and nobody holds the agent. */
  onIdle?: () => void;
  resolver?: HostResolver;
  /** Event loops; more than one are threads of their own (workers/). */
  workers?: number;
  /** Entry of a worker, another than the built one. */
  workerEntry?: URL;
}

/** A connection that is no guest's by then is closed: it must not keep the agent, ms. */
const HANDSHAKE_TIMEOUT = 5000;

export class Agent {
  private readonly options: AgentOptions;
  private readonly resolver: HostResolver;
  private readonly server: Server;
  private readonly guests = new Map<string, Guest>();
  private readonly connections = new Set<Socket>();
  /** Sessions of this thread; with more than one worker, the pool's threads have them. */
  private readonly loop: SessionLoop;
  private readonly pool: WorkerPool | undefined;
  private nextGuest = 1;
  private closing = false;

  constructor(options: AgentOptions) {
    this.options = options;
    this.resolver = options.resolver ?? readHostResolver();
    const { log, workers = 1, workerEntry: entry } = options;
    this.loop = new SessionLoop({ log });
    if (workers > 1) this.pool = new WorkerPool({ workers, log, ...(entry && { entry }) });
    this.server = createServer((socket) => this.onConnection(socket, undefined));
  }

  /** Resolves when every worker runs. */
  async ready(): Promise<void> {
    await this.pool?.ready();
  }

  /** Listens on a unix socket path. */
  async listen(path: string): Promise<void> {
    await this.ready();
    return new Promise((resolve, reject) => {
      this.server.once("error", reject);
      this.server.listen(path, () => {
        this.server.off("error", reject);
        resolve();
      });
    });
  }

  /** What guests that come in by `door` use; their server is the caller's. */
  welcome(socket: Socket, door: Door): void {
    this.onConnection(socket, door);
  }

  /** Guests that run now. */
  get running(): Iterable<Guest> {
    return this.guests.values();
  }

  get idle(): boolean {
    return this.guests.size === 0 && this.connections.size === 0;
  }

  async close(): Promise<void> {
    this.closing = true;
    this.loop.end();
    const closed = new Promise<void>((resolve) => {
      if (this.server.listening) this.server.close(() => resolve());
      else resolve();
    });
    for (const socket of this.connections) socket.destroy();
    await closed;
    await this.pool?.close();
    this.loop.close();
  }

  private onConnection(socket: Socket, door: Door | undefined): void {
    this.connections.add(socket);
    this.options.onBusy?.();
    socket.on("error", () => {});
    const deadline = setTimeout(() => socket.destroy(), HANDSHAKE_TIMEOUT);
    socket.on("close", () => {
      clearTimeout(deadline);
      this.connections.delete(socket);
      this.checkIdle();
    });
    const { uid } = peerCredentials(fdOf(socket));
    const own = process.getuid?.() ?? 0;
    if (door === undefined && uid !== own && uid !== 0) {
      this.refuse(
        socket,
        new Refused("EACCES", `the agent of user ${own} does not serve user ${uid}`),
      );
      return;
    }
    let line = Buffer.alloc(0);
    const onData = (data: Buffer): void => {
      line = Buffer.concat([line, data]);
      const end = line.indexOf(10);
      if (end === -1) {
        if (line.length > HANDSHAKE_MAX_BYTES) socket.destroy();
        return;
      }
      socket.off("data", onData);
      try {
        const request = checkRequest(line.subarray(0, end).toString("utf8"));
        this.onRequest(socket, request, door);
        if (request.request === "attach") clearTimeout(deadline);
      } catch (error) {
        if (error instanceof Refused) this.refuse(socket, error);
        else throw error;
      }
    };
    socket.on("data", onData);
  }

  private refuse(socket: Socket, { code, message }: Refused): void {
    this.options.log.warn({ code }, `refused: ${message}`);
    const refusal: Refusal = { ok: false, code, error: message };
    socket.end(`${JSON.stringify(refusal)}\n`);
  }

  private onRequest(socket: Socket, request: Request, door: Door | undefined): void {
    const { request: what } = request;
    if (door !== undefined && what !== "attach" && what !== "untouched") {
      throw new Refused("EACCES", "a pod may attach here, and ask nothing");
    }
    switch (request.request) {
      case "untouched":
        door?.untouched(fdOf(socket), request);
        socket.end('{"ok":true}\n');
        break;
      case "attach":
        this.attach(
          socket,
          request,
          door?.enter(fdOf(socket), request) ?? this.enter(request),
          door,
        );
        break;
      case "status":
        this.answer(socket, false, () => this.status());
        break;
      case "dmesg":
        this.answer(socket, true, () => this.kernelLog(request.name));
        break;
    }
  }

  private answer(socket: Socket, logs: boolean, make: () => object): void {
    const answer = (): void => void socket.end(`${JSON.stringify(make())}\n`);
    if (this.pool === undefined) {
      answer();
      return;
    }
    void this.pool.refresh(logs).then(() => {
      try {
        answer();
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        this.refuse(socket, error);
      }
    });
  }

  /** Brings what is known of the running guests up to date, where other threads have it. */
  async refresh(): Promise<void> {
    await this.pool?.refresh(false);
  }

  private status(): StatusReply {
    return {
      ok: true,
      pid: process.pid,
      version: this.options.version,
      guests: [...this.guests.values()].map((guest) => guest.status()),
    };
  }

  private kernelLog(name: string): KernelLogReply {
    const guest = this.guests.get(name);
    if (guest === undefined) throw new Refused("ENOENT", `there is no guest "${name}"`);
    return {
      ok: true,
      log: [...guest.processes.values()].map(({ process, session }) => ({
        process,
        text: session.kernelLog(),
      })),
    };
  }

  private resolve(name: string): Endpoint[] {
    return guestsByName(name, (plain) => {
      const guest = this.guests.get(plain);
      return guest && { address: guest.plan.address, port: 0, family: 4 };
    });
  }

  /** A local guest's process. @throws Refused */
  private enter(request: AttachRequest): Entry {
    const guest = this.guestFor(request);
    return { guest, plan: guest.plan, pid: request.pid, container: undefined };
  }

  /** The guest that the request belongs to, made when it is new. @throws Refused */
  private guestFor(request: AttachRequest): Guest {
    const name = request.name === undefined ? this.freeName() : checkName(request.name);
    const existing = this.guests.get(name);
    if (existing !== undefined) {
      if (existing.token === request.token) return existing;
      throw new Refused("EEXIST", `a guest named "${name}" runs already; choose another --name`);
    }
    let claim: ReturnType<typeof claimAddress> | undefined;
    try {
      claim = claimAddress(request.address);
      return new Guest({
        key: name,
        name,
        plan: new AddressPlan(claim.address, this.resolver.loopbackNameserver),
        resolver: this.resolver,
        publish: request.publish,
        trouble: (sentence) => this.options.log.warn({ guest: name }, sentence),
        token: request.token,
        release: claim.release,
      });
    } catch (error) {
      if (!(error instanceof SysError)) throw error;
      const ports = request.publish.map((p) => `${p.address}:${p.hostPort}`).join(", ");
      throw new Refused(
        error.code,
        claim === undefined
          ? `cannot give the guest an address: ${error.message}`
          : `cannot publish ${ports}: ${error.message}`,
      );
    }
  }

  private freeName(): string {
    for (;;) {
      const name = `guest-${this.nextGuest++}`;
      if (!this.guests.has(name)) return name;
    }
  }

  private attach(
    socket: Socket,
    request: AttachRequest,
    entry: Entry,
    door: Door | undefined,
  ): void {
    const { guest } = entry;
    if (this.pool?.isLeaving(guest.key, () => this.again(socket, request, door))) return;
    if (!this.guests.has(guest.key) && guest.pod === undefined) {
      this.pool?.name(guest.key, { address: guest.plan.address, port: 0, family: 4 });
    }
    this.guests.set(guest.key, guest);
    try {
      this.admit(socket, request, entry);
    } catch (error) {
      this.dropIfEmpty(guest);
      throw error;
    }
  }

  /** The guest of before has gone meanwhile. */
  private again(socket: Socket, request: AttachRequest, door: Door | undefined): void {
    if (socket.destroyed) return;
    try {
      this.onRequest(socket, request, door);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.refuse(socket, error);
    }
  }

  private admit(socket: Socket, request: AttachRequest, entry: Entry): void {
    const { min, max } = request.protocol;
    const protocol = agreeVersion(min, max);
    if (protocol === undefined) {
      throw new Refused(
        "EPROTO",
        `the guest speaks versions ${min} to ${max} of the protocol, the agent does not; ` +
          "use an agent and a guest at most one version apart",
      );
    }
    const { guest, plan, pid, container } = entry;
    const process = guest.takeProcessNumber();
    const { program } = request;
    const entered = (session: SessionView): void => {
      guest.processes.set(process, { process, pid, program, container, session });
    };
    const hooks = {
      left: () => {
        guest.processes.delete(process);
        guest.draining++;
      },
      released: () => {
        guest.draining--;
        this.dropIfEmpty(guest);
      },
    };
    const visitor: Visitor = {
      guest: guest.name,
      token: guest.token,
      process,
      address: guest.plan.address,
      protocol,
      pid,
      shortcut: request.shortcut !== false,
      nameservers: guest.resolver.nameservers,
      search: guest.resolver.search,
    };
    if (this.pool === undefined) {
      this.loop.admit(socket, visitor, {
        plan,
        onListen: (listener) => guest.onListen(listener),
        resolve: (name) => (guest.pod === undefined ? this.resolve(name) : []),
        entered,
        ...hooks,
      });
      return;
    }
    const fd = fdOf(socket);
    const admission = { fd, visitor, plan: plan.describe(), key: guest.key, ...hooks };
    entered(this.pool.admit({ ...admission, copy: () => guest.copy() }));
    // The worker has a descriptor of its own.
    socket.destroy();
  }

  private dropIfEmpty(guest: Guest): void {
    if (guest.processes.size > 0 || guest.draining > 0) return;
    if (this.guests.get(guest.key) !== guest) return;
    const gone = (): void => {
      if (this.guests.get(guest.key) === guest) this.guests.delete(guest.key);
      if (guest.pod === undefined) this.pool?.name(guest.key, undefined);
      guest.release();
      this.checkIdle();
    };
    if (this.pool === undefined) gone();
    else this.pool.guestGone(guest.key, gone);
  }

  private checkIdle(): void {
    if (!this.closing && this.idle) this.options.onIdle?.();
  }
}
