/**
 * The host agent: accepts guests on its unix socket, owns their sockets, and answers `ps` and
 * `dmesg`. One process; nothing listens beyond loopback unless a guest publishes it.
 */
import { createServer, type Server, type Socket } from "node:net";
import { PATH, PROTOCOL_SHORTCUT } from "@outsock/abi";
import {
  closeFd,
  dupFd,
  peerCredentials,
  SysError,
  sendWithFds,
  socketpair,
  watchProcessors,
} from "@outsock/hostsys";
import { GrownRings, PollLoop } from "@outsock/ring";
import {
  type AttachReply,
  type AttachRequest,
  agreeVersion,
  type Endpoint,
  HANDSHAKE_MAX_BYTES,
  type KernelLogReply,
  type Refusal,
  type Request,
  type StatusReply,
} from "@outsock/vrpc";
import { AddressPlan, HOST_ADDRESS } from "./address-plan.ts";
import { claimAddress } from "./address-pool.ts";
import type { Door, Entry } from "./door.ts";
import { Guest } from "./guest.ts";
import { checkName, checkRequest } from "./handshake-check.ts";
import { type HostResolver, readHostResolver } from "./host-resolver.ts";
import { ListenerDirectory } from "./listener-directory.ts";
import { makeRegion, Refused } from "./region-memory.ts";
import { Session } from "./session.ts";
import { Broker } from "./shortcut/broker.ts";
import { Lifelines } from "./shortcut/lifelines.ts";
import { fdOf } from "./tcp-handle.ts";

export interface AgentLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface AgentOptions {
  log: AgentLog;
  version: string;
  /** Called when somebody connects. */
  onBusy?: () => void;
  /** Called whenever there are no guests and nobody holds the agent. */
  onIdle?: () => void;
  resolver?: HostResolver;
}

/** A connection that is no guest's by then is closed: it must not keep the agent, ms. */
const HANDSHAKE_TIMEOUT = 5000;

/** How often rings that have grown are looked at, ms. */
const SWEEP_EVERY = 1000;

/** Halt polling of the agent, microseconds. */
const POLL = { start: 10, maximum: 200 };

export class Agent {
  private readonly options: AgentOptions;
  private readonly resolver: HostResolver;
  private readonly server: Server;
  private readonly guests = new Map<string, Guest>();
  private readonly connections = new Set<Socket>();
  private readonly poll: PollLoop;
  private readonly directory = new ListenerDirectory();
  private readonly lifelines = new Lifelines();
  private readonly broker: Broker;
  private readonly grown = new GrownRings((sweep) => void setTimeout(sweep, SWEEP_EVERY).unref());
  private nextGuest = 1;
  private closing = false;

  constructor(options: AgentOptions) {
    this.options = options;
    this.resolver = options.resolver ?? readHostResolver();
    this.poll = new PollLoop({
      ...POLL,
      now: () => performance.now() * 1000,
      ...watchProcessors(),
      defer: (turn) => setImmediate(turn),
    });
    this.broker = new Broker({
      defer: (turn) => setImmediate(turn),
      onMade: (shortcut) => this.lifelines.add(shortcut),
      onOver: (shortcut) => this.lifelines.remove(shortcut),
    });
    this.server = createServer((socket) => this.onConnection(socket, undefined));
  }

  /** Listens on a unix socket path. */
  listen(path: string): Promise<void> {
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
    const closed = new Promise<void>((resolve) => {
      if (this.server.listening) this.server.close(() => resolve());
      else resolve();
    });
    for (const socket of this.connections) socket.destroy();
    await closed;
    this.lifelines.close();
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
        this.attach(socket, request, door?.enter(fdOf(socket), request) ?? this.enter(request));
        break;
      case "status":
        socket.end(`${JSON.stringify(this.status())}\n`);
        break;
      case "dmesg":
        socket.end(`${JSON.stringify(this.kernelLog(request.name))}\n`);
        break;
    }
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
    const plain = name.toLowerCase().replace(/\.$/, "");
    if (plain === "host.outsock") return [{ address: HOST_ADDRESS, port: 0, family: 4 }];
    const guest = this.guests.get(plain);
    return guest === undefined ? [] : [{ address: guest.plan.address, port: 0, family: 4 }];
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

  private attach(socket: Socket, request: AttachRequest, entry: Entry): void {
    const { guest } = entry;
    this.guests.set(guest.key, guest);
    try {
      this.admit(socket, request, entry);
    } catch (error) {
      this.dropIfEmpty(guest);
      throw error;
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
    const region = makeRegion(guest.name);
    const doorbellFd = dupFd(fdOf(socket));
    const process = guest.takeProcessNumber();
    // From version 2 on a channel for descriptors comes with the region.
    const channel = protocol >= PROTOCOL_SHORTCUT ? socketpair() : undefined;
    const channelFd = channel?.[0] ?? -1;
    const session = new Session({
      mapping: region.mapping,
      plan,
      version: protocol,
      doorbellFd,
      channelFd,
      directory: this.directory,
      lifelines: this.lifelines,
      broker: this.broker,
      grown: this.grown,
      shortcuts: this.shortcutsFor(protocol, request),
      onListen: (listener) => guest.onListen(listener),
      resolve: (name) => (guest.pod === undefined ? this.resolve(name) : []),
      onPoisoned: (reason) => {
        this.options.log.warn({ guest: guest.name, process, reason }, "guest broke the protocol");
        leave(true);
      },
      onActive: () => this.poll.expect(session),
    });
    const { program } = request;
    guest.processes.set(process, { process, pid, program, container, session });
    let left = false;
    const leave = (abort: boolean): void => {
      if (left) return;
      left = true;
      this.poll.remove(session);
      closeFd(doorbellFd);
      if (channelFd !== -1) closeFd(channelFd);
      guest.processes.delete(process);
      guest.draining++;
      session.detach(abort, () => {
        guest.draining--;
        this.dropIfEmpty(guest);
      });
      socket.destroy();
      this.options.log.info({ guest: guest.name, process }, "guest left");
    };
    const reply: AttachReply = {
      ok: true,
      protocol,
      name: guest.name,
      token: guest.token,
      process,
      address: guest.plan.address,
      regionBytes: region.bytes,
      nameservers: guest.resolver.nameservers,
      search: guest.resolver.search,
    };
    try {
      const fds = channel === undefined ? [region.fd] : [region.fd, channel[1]];
      sendWithFds(doorbellFd, Buffer.from(`${JSON.stringify(reply)}\n`), fds);
    } catch {
      leave(true);
    } finally {
      closeFd(region.fd);
      if (channel !== undefined) closeFd(channel[1]);
    }
    if (left) return;
    socket.on("data", () => this.poll.rung(session));
    socket.on("end", () => leave(false));
    socket.on("close", () => leave(false));
    this.options.log.info(
      { guest: guest.name, process, pid, address: guest.plan.address },
      "guest attached",
    );
  }

  private shortcutsFor(protocol: number, request: AttachRequest): Broker | number {
    if (protocol < PROTOCOL_SHORTCUT) return PATH.OLD_PROTOCOL;
    return request.shortcut === false ? PATH.DISABLED : this.broker;
  }

  private dropIfEmpty(guest: Guest): void {
    if (guest.processes.size > 0 || guest.draining > 0) return;
    if (this.guests.get(guest.key) !== guest) return;
    this.guests.delete(guest.key);
    guest.release();
    this.checkIdle();
  }

  private checkIdle(): void {
    if (!this.closing && this.idle) this.options.onIdle?.();
  }
}
